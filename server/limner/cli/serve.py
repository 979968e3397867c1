"""`limner serve`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from limner.cli.terminal import out
from limner.errors import SettingsError
from limner.settings import Settings

Images = Annotated[
    Path | None, typer.Argument(help="Folder of images; or give --config.", show_default=False)
]
Config = Annotated[
    Path | None, typer.Option(help="Settings file (TOML), for several projects.", metavar="FILE")
]
App = Annotated[
    str | None,
    typer.Option(
        help="App of the project (segmentation); instances and classification are there, too."
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(help="Classes in the order of their values: liver,tumour or liver=1,tumour=4."),
]
Name = Annotated[str | None, typer.Option(help="Project's name (from the folder's).")]
Home = Annotated[
    Path | None,
    typer.Option(help="Folder of database, files and logs (.limner beside the images)."),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port (8000); 0 picks a free one.")]
Strategy = Annotated[str | None, typer.Option(help="What chooses the next samples (entropy).")]
Retrain = Annotated[
    int | None, typer.Option(help="Train after so many new labels (5); 0 for never.")
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="LIMNER_TOKEN", help="Token that every request must carry; needed beyond this host."
    ),
]
Adopt = Annotated[
    Path | None,
    typer.Option(
        help="Finished labels to adopt: a folder of files named like their images; of instances "
        "also a COCO file; of classes also a CSV file, or the folder that holds a folder a class."
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="File or folder of a plugin; may be given several times."),
]
PluginFolder = Annotated[
    Path | None,
    typer.Option(help="Folder that plugins may be registered from while the server runs."),
]
AdminToken = Annotated[
    str | None,
    typer.Option(
        envvar="LIMNER_ADMIN_TOKEN", help="Token that may also register and retire plugins."
    ),
]
Modality = Annotated[str | None, typer.Option(help="DICOM modality of the images, such as MR.")]
MultiLabel = Annotated[
    bool | None,
    typer.Option(
        "--multi-label",
        help="Of a classification: an image may have several classes, or none.",
        show_default=False,
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show debug lines, too.")]
StopWithStdin = Annotated[bool, typer.Option("--stop-with-stdin", hidden=True)]


def serve(
    images: Images = None,
    config: Config = None,
    app: App = None,
    labels: Labels = None,
    name: Name = None,
    home: Home = None,
    host: Host = None,
    port: Port = None,
    strategy: Strategy = None,
    retrain_every: Retrain = None,
    token: Token = None,
    adopt: Adopt = None,
    plugin: Plugins = None,
    plugin_folder: PluginFolder = None,
    admin_token: AdminToken = None,
    modality: Modality = None,
    multi_label: MultiLabel = None,
    verbose: Verbose = False,
    stop_with_stdin: StopWithStdin = False,
) -> None:
    """Serve a folder of images, or the projects of a settings file, until Ctrl-C.

    Example: limner serve scans --labels liver,tumour
    """
    paths = tuple(each.expanduser().resolve() for each in plugin or ()) or None
    server = {
        "home": home,
        "host": host,
        "port": port,
        "token": token,
        "admin_token": admin_token,
        "plugins": paths,
        "plugin_folder": None if plugin_folder is None else plugin_folder.expanduser().resolve(),
    }
    project = {"app": app, "name": name, "adopt": adopt}
    loop = {
        "strategy": strategy,
        "retrain_every": retrain_every,
        "modality": modality,
        "multi_label": multi_label,
    }
    settings = _settings(images, config, labels, server, project, loop)
    from limner.cli.server_run import run

    run(
        settings,
        on_ready=lambda url, log_file: _announce(settings, url, log_file),
        verbose=verbose,
        stop_with_stdin=stop_with_stdin,
    )


def _settings(
    images: Path | None,
    config: Path | None,
    labels: str | None,
    server: Mapping[str, Any],
    project: Mapping[str, Any],
    loop: Mapping[str, Any],
) -> Settings:
    if config is not None:
        given = {"IMAGES": images, "labels": labels, **project, **loop}
        also = [name for name, value in given.items() if value is not None]
        if also:
            raise SettingsError(
                f"With --config, projects are set in {config}; leave out {', '.join(also)}."
            )
        from limner.cli.settings_file import read_settings

        return read_settings(config, server)
    if images is None:
        raise SettingsError(
            "Give a folder of images, as in `limner serve scans --labels liver,tumour`, or a "
            "settings file with --config."
        )
    if labels is None:
        raise SettingsError("Name the classes to label with --labels, as in --labels liver,tumour.")
    from limner.cli.images_settings import settings_for_images

    return settings_for_images(images, labels, server=server, project=project, loop=loop)


def _announce(settings: Settings, url: str, log_file: Path) -> None:
    """Say where the server is and what to do next."""
    names = ", ".join(f"{each.name} ({each.app})" for each in settings.projects) or "no project yet"
    rows = [("Limner serves", names), ("URL", url), ("Docs", f"{url}/docs")]
    if settings.projects:
        token = ' -H "Authorization: Bearer $LIMNER_TOKEN"' if settings.token else ""
        rows.append(
            (
                "Next sample",
                f"curl -s {url}/api/v1/projects/{settings.projects[0].name}/next{token} "
                '--json \'{"annotator": "me"}\'',
            )
        )
    rows += [("Home", str(settings.home)), ("Log", str(log_file)), ("Stop", "Ctrl-C")]
    for title, text in rows:
        out.print(f"{title:<14}{text}", markup=False)
