"""The loop over HTTP on real pictures: how well what serves sorts them after every few labels.

Starts a real server on chest X-rays, lets a simulated annotator answer what it asks for, and scores
what it serves on a split that nobody labels. Strategies are compared over seeds: with one seed all
of them begin with the same random labels. Run as `python -m tests.bench.loop_classification`;
prints a table and writes JSON into `bench-results/`.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.bench.intervals import Estimate, estimated
from tests.bench.promotions import promotion_problems
from tests.bench.results import conclude

from limner.client import Limner
from limner.demo.display import display_on
from limner.simulate import LoopRun, ServerProcess, SimulatedAnnotator

DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "chest-xray"
PROJECT = "chest"
CLASSES = ("normal", "pneumonia")
POOL, UNSEEN = "train", "val"
"""Splits of the data."""
BASELINE = "random"
"""What the other strategies are compared with."""
BOUND_LABELS, BOUND = 100, 0.85

SETTINGS = """\
[engine]
learner_threads = {threads}
predictor_threads = {threads}

[[projects]]
name = "{project}"
app = "classification"
images = "{images}"
labels = {classes}

[projects.settings]
strategy = "{strategy}"
retrain_every = {labels}
modality = "CR"
seed = {seed}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What is served, and what is known of it."""

    images: Path
    pool: Mapping[str, Path]
    unseen: Mapping[str, Path]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--labels", type=int, default=10, help="a round")
    parser.add_argument("--pool", type=int, default=0, help="pictures to label from; 0 for all")
    parser.add_argument("--unseen", type=int, default=0, help="pictures to score on; 0 for all")
    parser.add_argument("--strategies", default="entropy,random")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the learner and the predictor; 0: the server's"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("bench-results/loop_classification.json"))
    return parser.parse_args()


def pictures(options: argparse.Namespace, folder: Path) -> Pictures:
    """Copy the pictures into a folder to serve, and write a label for each beside it."""
    images, labels = folder / "images", folder / "labels"
    images.mkdir()
    labels.mkdir()
    kept: dict[str, dict[str, Path]] = {POOL: {}, UNSEEN: {}}
    most = {POOL: options.pool, UNSEEN: options.unseen}
    with (options.data / "labels.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            split = kept.get(row["split"])
            if split is None or 0 < most[row["split"]] <= len(split):
                continue
            name = Path(row["image"]).stem
            shutil.copyfile(options.data / "images" / row["image"], images / row["image"])
            split[name] = labels / f"{name}.json"
            split[name].write_text(json.dumps({"classes": [row["label"]]}), encoding="utf-8")
    return Pictures(images=images, pool=kept[POOL], unseen=kept[UNSEEN])


def measure(
    options: argparse.Namespace,
    data: Pictures,
    strategy: str,
    seed: int,
    folder: Path,
    console: Console,
) -> dict[str, Any]:
    """Run the loop once; return everything measured."""
    folder.mkdir()
    file = folder / "limner.toml"
    file.write_text(
        SETTINGS.format(
            project=PROJECT,
            images=data.images,
            classes=json.dumps(CLASSES),
            strategy=strategy,
            labels=options.labels,
            seed=seed,
            threads=options.threads,
        ),
        encoding="utf-8",
    )
    started = time.monotonic()
    with (
        ServerProcess(["--config", str(file)], home=folder / "home") as server,
        Limner(server.url, actor="bench") as limner,
        display_on(console) as display,
    ):
        project = limner.project(PROJECT)
        annotator = SimulatedAnnotator(limner, project, data.pool)
        loop = LoopRun(
            limner, project, annotator, data.unseen, on_job=display.job, on_step=display.step
        )
        loop.prepare(len(data.pool) + len(data.unseen))
        rounds = []
        for _ in range(options.rounds):
            rounds.append(loop.round(options.labels))
            display.row(rounds[-1])
        versions = list(project.models())
        jobs = [dataclasses.asdict(each) for each in project.jobs()]
    return {
        "strategy": strategy,
        "seed": seed,
        "rounds": [dataclasses.asdict(each) for each in rounds],
        "versions": [dataclasses.asdict(each) for each in versions],
        "jobs": jobs,
        "total_wall_s": round(time.monotonic() - started, 1),
        "problems": promotion_problems(versions),
    }


def curves(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    """Unseen scores by strategy, a list for each seed; 0 where no version served yet."""
    found: dict[str, list[list[float]]] = {}
    for run in runs:
        scores = [float(each["unseen_score"] or 0) for each in run["rounds"]]
        found.setdefault(str(run["strategy"]), []).append(scores)
    return found


def compared(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """After every round: each strategy's estimate, and how far it lies above the baseline's.

    Differences are between runs of the same seed.
    """
    scores = curves(runs)
    rows = []
    for index, each in enumerate(runs[0]["rounds"]):
        row: dict[str, Any] = {"labels": each["labels"], "scores": {}, "above_baseline": {}}
        for strategy, seeds in scores.items():
            row["scores"][strategy] = estimated([curve[index] for curve in seeds])
            if strategy != BASELINE and BASELINE in scores:
                pairs = zip(seeds, scores[BASELINE], strict=True)
                row["above_baseline"][strategy] = estimated(
                    [ours[index] - theirs[index] for ours, theirs in pairs]
                )
        rows.append(row)
    return rows


def table_of(rows: Sequence[Mapping[str, Any]], seeds: int) -> Table:
    """Show the estimates."""
    first = rows[0]
    table = Table(title=f"Balanced accuracy on unseen pictures over {seeds} seeds")
    table.add_column("Labels", justify="right")
    for strategy in first["scores"]:
        table.add_column(strategy, justify="right")
    for strategy in first["above_baseline"]:
        table.add_column(f"{strategy} above {BASELINE}", justify="right")
    for row in rows:
        estimates = (*row["scores"].values(), *row["above_baseline"].values())
        table.add_row(str(row["labels"]), *map(str, estimates))
    return table


def bound_problems(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the bound is missed by; empty where it holds, or where the labels were fewer."""
    at_bound = next((row for row in rows if row["labels"] >= BOUND_LABELS), None)
    scores: Mapping[str, Estimate] = {} if at_bound is None else at_bound["scores"]
    return [
        f"after {BOUND_LABELS} labels {strategy} has a balanced accuracy of {score}; {BOUND} is "
        "the bound"
        for strategy, score in scores.items()
        if strategy != BASELINE and score.mean < BOUND
    ]


def main() -> None:
    options = arguments()
    console = Console()
    strategies = [each.strip() for each in options.strategies.split(",")]
    runs = []
    with tempfile.TemporaryDirectory(prefix="limner-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = pictures(options, folder)
        for seed in range(options.seeds):
            for strategy in strategies:
                console.print(f"{strategy}, seed {seed}", markup=False)
                place = folder / f"{strategy}-{seed}"
                runs.append(measure(options, data, strategy, seed, place, console))
    rows = compared(runs)
    console.print(table_of(rows, options.seeds))
    plain = [
        {
            key: {name: dataclasses.asdict(each) for name, each in value.items()}
            if isinstance(value, dict)
            else value
            for key, value in row.items()
        }
        for row in rows
    ]
    found = [problem for run in runs for problem in run["problems"]]
    result = {"compared": plain, "runs": runs, "problems": found + bound_problems(rows)}
    conclude(result, options.out, console)


if __name__ == "__main__":
    main()
