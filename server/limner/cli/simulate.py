"""`limner simulate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.cli.serve import Modality, MultiLabel, Plugins
from limner.cli.terminal import err, out
from limner.errors import SettingsError

if TYPE_CHECKING:
    from limner.simulate.asked import Asked

_DEFAULT_STRATEGIES = {
    "segmentation": "random,foreground,clasp",
    "instances": "random,foreground,entropy",
    "classification": "random,entropy,uncertain-then-diverse",
}

Images = Annotated[
    Path | None, typer.Argument(help="Folder of images; or give --project.", show_default=False)
]
Truth = Annotated[
    Path | None,
    typer.Argument(
        metavar="LABELS",
        help="Their finished labels: a folder of files named like the images; of instances also a "
        "COCO file; of classes also a CSV file, or the folder that holds a folder a class.",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", help="Folder for the results; what is there is gone on with.")
]
Classes = Annotated[
    str | None, typer.Option(help="Classes in the order of their values: normal,pneumonia.")
]
App = Annotated[
    str | None,
    typer.Option(help="App that learns (segmentation; of a project its own).", show_default=False),
]
Project = Annotated[
    str | None,
    typer.Option(help="Project of --home whose labels are the truth, in place of a folder."),
]
Home = Annotated[Path | None, typer.Option(help="Home of the server of --project.")]
Strategies = Annotated[
    str | None,
    typer.Option(
        help="What to compare, separated by commas; first->entropy opens with one and goes on "
        "with the other. A random one is always there.",
        show_default=False,
    ),
]
Test = Annotated[
    str,
    typer.Option(
        help="Images that are only measured on: a share, a number, or COLUMN=VALUE of a table."
    ),
]
TestTable = Annotated[
    Path | None, typer.Option(help="The table of --test, where the labels are none themselves.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting of the projects, as in validation_share=0."
    ),
]
AppOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the app.")
]
StrategyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="STRATEGY.NAME=VALUE", help="An option of a strategy."),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Time to fit the comparison to, such as 20m or 2h: fewer seeds, then fewer rounds.",
        show_default=False,
    ),
]


def simulate(
    images: Images = None,
    truth: Truth = None,
    out_folder: Out = Path("simulation"),
    labels: Classes = None,
    app: App = None,
    project: Project = None,
    home: Home = None,
    strategies: Strategies = None,
    seeds: Annotated[int, typer.Option(help="Runs of each strategy, paired.")] = 10,
    start: Annotated[int, typer.Option(help="Labels at the first training.")] = 10,
    batch: Annotated[int, typer.Option(help="Labels from there to the second.")] = 10,
    growth: Annotated[float, typer.Option(help="Each later batch is so much larger.")] = 1.0,
    rounds: Annotated[int, typer.Option(help="Trainings.")] = 8,
    test: Test = "0.25",
    test_table: TestTable = None,
    pool: Annotated[int, typer.Option(help="Most images to pick from; 0 for all.")] = 0,
    effort: Annotated[float, typer.Option(help="Share of the app's usual training.")] = 1.0,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin every training with new weights.")
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Let only versions serve that the gate promotes.")
    ] = False,
    noise: Annotated[
        float, typer.Option(help="Also with this share of mistakes in the labels; 0 for not.")
    ] = 0.0,
    bounds: Annotated[int, typer.Option(help="Seeds to train on all labels, too.")] = 3,
    set_: Set = None,
    app_option: AppOption = None,
    strategy_option: StrategyOption = None,
    plugin: Plugins = None,
    modality: Modality = None,
    multi_label: MultiLabel = None,
    budget: Budget = None,
    parallel: Annotated[int, typer.Option(min=1, help="Runs side by side.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    measure: Annotated[
        str, typer.Option(help="What is compared: score, a metric of the app, or auto.")
    ] = "auto",
) -> None:
    """Compare strategies on images whose labels are known: which one needs the fewest labels.

    Example: limner simulate scans labels --labels liver,tumour --budget 20m
    """
    from limner.cli.simulate_display import display_on
    from limner.simulate.compare import REPORT, Means, compare
    from limner.simulate.pace import duration_s

    settings = _pairs("--set", set_)
    given = {"modality": modality, "multi_label": multi_label}
    settings |= {name: each for name, each in given.items() if each is not None}
    if app_option:
        settings["app_options"] = _pairs("--app-option", app_option)
    numbers: dict[str, Any] = {
        "plugins": tuple(each.expanduser().resolve() for each in plugin or ()),
        "strategy_options": _by_strategy(strategy_option),
        "seeds": seeds,
        "start": start,
        "batch": batch,
        "growth": growth,
        "rounds": rounds,
        "test": test,
        "test_table": test_table,
        "pool": pool,
        "effort": effort,
        "from_scratch": from_scratch,
        "every_version": not gate,
        "noise": noise,
        "bounds": bounds,
    }
    asked = _asked(images, truth, labels, app, project, home, strategies, settings, numbers)
    means = Means(
        parallel=parallel,
        threads=threads,
        device=device,
        budget_s=None if budget is None else duration_s(budget),
        measure=measure,
    )
    with display_on(err) as display:
        results = compare(asked, out_folder, means, display)
    out.print(results["conclusion"], markup=False)
    out.print(f"Report: {out_folder / REPORT}", markup=False)


def _asked(
    images: Path | None,
    truth: Path | None,
    labels: str | None,
    app: str | None,
    project: str | None,
    home: Path | None,
    strategies: str | None,
    settings: Mapping[str, Any],
    numbers: Mapping[str, Any],
) -> Asked:
    from limner.cli.images_settings import parse_labels
    from limner.simulate.arm_home import OWN_SETTINGS
    from limner.simulate.asked import Asked
    from limner.simulate.project_truth import labelled_project

    if project is not None or home is not None:
        if project is None or home is None or images is not None:
            raise SettingsError("Give --home together with --project, and no folder of images.")
        found = labelled_project(home.expanduser().resolve(), project)
        own = {name: each for name, each in found.settings.items() if name not in OWN_SETTINGS}
        return Asked(
            images=found.images,
            truth=found,
            labels=dict(found.labels) if labels is None else parse_labels(labels),
            app=app or found.app,
            strategies=_names(strategies, app or found.app),
            settings={**own, **settings},
            **numbers,
        )
    if images is None or truth is None or labels is None:
        raise SettingsError(
            "Give a folder of images, its labels and the classes, as in `limner simulate scans "
            "masks --labels liver,tumour`; or a labelled project with --home and --project."
        )
    folder = images.expanduser().resolve()
    if not folder.is_dir():
        raise SettingsError(f"There is no folder of images at {folder}.")
    return Asked(
        images=folder,
        truth=truth.expanduser().resolve(),
        labels=parse_labels(labels),
        app=app or "segmentation",
        strategies=_names(strategies, app or "segmentation"),
        settings=settings,
        **numbers,
    )


def _names(given: str | None, app: str) -> Sequence[str]:
    text = given if given is not None else _DEFAULT_STRATEGIES.get(app, "random,entropy")
    return [each.strip() for each in text.split(",") if each.strip()]


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, Any]:
    """Read `NAME=VALUE`; a value is JSON where it can be read so, and text otherwise."""
    found: dict[str, Any] = {}
    for each in given or ():
        name, is_pair, value = each.partition("=")
        if not is_pair or not name.strip():
            raise SettingsError(f"{option} {each!r} is no pair; write NAME=VALUE.")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found


def _by_strategy(given: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in _pairs("--strategy-option", given).items():
        strategy, is_both, option = name.partition(".")
        if not is_both or not strategy or not option:
            raise SettingsError(
                f"--strategy-option {name!r} names no option of a strategy; write "
                "STRATEGY.NAME=VALUE, as in entropy.batch=power."
            )
        found.setdefault(strategy, {})[option] = value
    return found
