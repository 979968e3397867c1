"""`limner import`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.exits import MEANINGS
from limner.cli.serve import App, Home, Name, Plugins
from limner.cli.terminal import err, out
from limner.errors import NotFound, SettingsError

if TYPE_CHECKING:
    from limner.loop.monai_label_import import Imported
    from limner.loop.service import Service
    from limner.settings import ProjectConfig, Settings
    from limner.stores.monai_label_folder import Studies

MOST_PROBLEMS = 20
"""How many are shown of what could not be taken in."""

importing = typer.Typer(
    name="import", help="Take over what another server has kept.", no_args_is_help=True
)

Folder = Annotated[
    Path,
    typer.Argument(help="The studies folder of a MONAI Label server.", show_default=False),
]
DerivedLabels = Annotated[
    str | None,
    typer.Option(
        help="Classes with their values: liver=1,tumour=4 (from what the labels say of themselves)."
    ),
]


@importing.command("monai-label", epilog=MEANINGS)
def monai_label(
    folder: Folder,
    labels: DerivedLabels = None,
    name: Name = None,
    home: Home = None,
    app: App = None,
    plugin: Plugins = None,
) -> None:
    """Take over images and labels of a MONAI Label server; nothing in its folder is changed.

    No Limner server may run on the home meanwhile. Doing it again takes in only what is new.

    Example: limner import monai-label studies
    """
    from limner.cli.images_settings import settings_for_images
    from limner.cli.server_run import build
    from limner.home import HomeLock
    from limner.loop.monai_label_classes import classes_of
    from limner.records.database import FILE_NAME
    from limner.stores.monai_label_folder import read_studies

    plugins = tuple(each.expanduser().resolve() for each in plugin or ()) or None
    settings = settings_for_images(
        folder,
        labels or "unknown",
        server={"home": home, "plugins": plugins},
        project={"app": app, "name": name},
        loop={},
    )
    wanted = settings.projects[0]
    _check_images(wanted.images)
    studies = read_studies(wanted.images)
    if labels is None and not (settings.home / FILE_NAME).exists():
        classes_of(studies, settings.limits)  # before a home is made for nothing
    with ExitStack() as stack:
        stack.enter_context(HomeLock(settings.home))
        service = build(settings)
        stack.callback(service.stop)
        service.blobs.sweep_temporary()
        service.plugins.open()
        config = _config(service, settings, studies, labels, app)
        service.projects.open_all([config])
        done = _import(service, config.name, studies)
    given = {"--name": name, "--home": home, "--app": app}
    _report(done, config, _serve_command(folder, config, given, plugin or []))


def _check_images(images: Path) -> None:
    from limner.stores import Entry, FolderStore

    if not any(isinstance(each, Entry) for each in FolderStore(images).scan()):
        raise SettingsError(
            f"There is no image in {images} that is read. Name the studies folder itself, the one "
            "with datastore_v2.json."
        )


def _config(
    service: Service,
    settings: Settings,
    studies: Studies,
    labels: str | None,
    app: str | None,
) -> ProjectConfig:
    """Return the project to make, or one that is there as it is, with what is given changed.

    Raises:
        SettingsError: The classes cannot be told, or the project that is there has other images.
    """
    from limner.loop.monai_label_classes import classes_of

    wanted = settings.projects[0]
    try:
        known = service.projects.get(wanted.name)
    except NotFound:
        if labels is not None:
            return wanted
        return wanted.model_copy(update={"labels": classes_of(studies, settings.limits)})
    if Path(known.store["path"]) != wanted.images:
        raise SettingsError(
            f"The home {settings.home} has a project {wanted.name!r} already, with the images in "
            f"{known.store['path']}. Choose another name with --name, or another --home."
        )
    kept = {
        "app": app or known.app,
        "labels": {each["name"]: each["value"] for each in known.schema},
        "settings": service.projects.settings(known),
    }
    if labels is not None:
        del kept["labels"]
    return wanted.model_copy(update=kept)


def _import(service: Service, project: str, studies: Studies) -> Imported:
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from limner.loop.monai_label_import import MonaiLabelImport

    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    importer = MonaiLabelImport(
        service.records, service.projects, service.ingest, service.labels, time.time
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("Labels", total=len(studies.labels))
        return importer.run(project, studies, on_label=lambda: bar.advance(task))


def _report(done: Imported, config: ProjectConfig, command: str) -> None:
    """Say what was taken over, what was not and why, and how to go on."""
    for title, text in _rows(done, config, command):
        out.print(f"{title:<14}{text}", markup=False)


def _rows(done: Imported, config: ProjectConfig, command: str) -> Iterator[tuple[str, str]]:
    yield "Project", f"{config.name} ({config.app}), classes {_labels(config)}"
    odd = f", {done.unreadable} of them cannot be read" if done.unreadable else ""
    yield "Images", f"{done.images}{odd}"
    for tag, each in done.labels.items():
        parts = [f"{each.taken} taken in"]
        parts += [f"{each.known} there already"] if each.known else []
        parts += [f"{each.left} left out"] if each.left else []
        yield "Labels" if tag == "final" else "Drafts", f"{tag}: {', '.join(parts)}"
    for number, (place, problem) in enumerate(sorted(done.problems.items())):
        if number == MOST_PROBLEMS:
            yield "", f"and {len(done.problems) - MOST_PROBLEMS} more"
            break
        yield "" if number else "Left out", f"{place}: {problem}"
    yield "Serve it", command


def _labels(config: ProjectConfig) -> str:
    """Write classes as `--labels` takes them."""
    if isinstance(config.labels, list):
        return ",".join(config.labels)
    pairs = sorted(config.labels.items(), key=lambda each: each[1])
    if [value for _, value in pairs] == list(range(1, len(pairs) + 1)):
        return ",".join(name for name, _ in pairs)
    return ",".join(f"{name}={value}" for name, value in pairs)


def _serve_command(
    folder: Path, config: ProjectConfig, given: Mapping[str, object], plugins: list[Path]
) -> str:
    words = ["limner", "serve", str(folder), "--labels", _labels(config)]
    for option, value in given.items():
        words += [] if value is None else [option, str(value)]
    for each in plugins:
        words += ["--plugin", str(each)]
    return shlex.join(words)
