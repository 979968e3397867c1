"""The loop over HTTP on real volumes: how good what serves is after every few labels.

Starts a real server on 160 volumes, lets a simulated annotator label what it asks for, and scores
what it serves on 40 volumes that nobody labels. Run as `python -m tests.bench.loop_hippocampus`;
prints a table and writes JSON into `bench-results/`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.bench.promotions import promotion_problems
from tests.bench.results import conclude

from limner.client import Limner, ModelVersion
from limner.demo.display import display_on
from limner.simulate import LoopRun, Round, ServerProcess, SimulatedAnnotator

DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "hippocampus"
PROJECT = "hippocampus"
BOUND_LABELS, BOUND_DICE = 20, 0.83


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--labels", type=int, default=5, help="a round")
    parser.add_argument("--pool", type=int, default=160)
    parser.add_argument("--unseen", type=int, default=40)
    parser.add_argument("--strategy", default="entropy")
    parser.add_argument("--split", type=int, default=0, help="seed of the split")
    parser.add_argument("--home", type=Path, help="keep everything here")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("bench-results/loop_hippocampus.json"))
    return parser.parse_args()


def names_of(folder: Path, split: int) -> list[str]:
    """Names of the volumes with an image and a label, in a random order."""
    images = {path.name for path in (folder / "images").glob("*.nii.gz")}
    names = sorted(images & {path.name for path in (folder / "labels").glob("*.nii.gz")})
    random.Random(split).shuffle(names)
    return names


def measure(options: argparse.Namespace, console: Console, folder: Path) -> dict[str, Any]:
    """Run the loop once; return everything measured."""
    names = names_of(options.data, options.split)
    if len(names) < options.pool + options.unseen:
        raise SystemExit(f"{options.data} has {len(names)} pairs; ask for fewer.")
    # The unseen volumes are the last ones, so they are the same whatever the size of the pool.
    pool, unseen = names[: options.pool], names[-options.unseen :]
    images = folder / "images"
    images.mkdir(parents=True)
    for name in (*pool, *unseen):
        shutil.copyfile(options.data / "images" / name, images / name)
    labels = {
        name.removesuffix(".nii.gz"): options.data / "labels" / name for name in (*pool, *unseen)
    }
    known = {key: labels[key] for key in (name.removesuffix(".nii.gz") for name in pool)}
    hidden = {key: labels[key] for key in (name.removesuffix(".nii.gz") for name in unseen)}
    served = [str(images), "--name", PROJECT, "--labels", "anterior,posterior", "--modality", "MR"]
    served += ["--strategy", options.strategy, "--retrain-every", str(options.labels)]
    started = time.monotonic()
    with (
        ServerProcess(served, home=folder / "home") as server,
        Limner(server.url, actor="bench") as limner,
        display_on(console) as display,
    ):
        project = limner.project(PROJECT)
        annotator = SimulatedAnnotator(limner, project, known)
        loop = LoopRun(limner, project, annotator, hidden, on_job=display.job, on_step=display.step)
        loop.prepare(len(labels))
        rounds = []
        for _ in range(options.rounds):
            rounds.append(loop.round(options.labels))
            display.row(rounds[-1])
        versions = list(project.models())
    return {
        "rounds": [dataclasses.asdict(each) for each in rounds],
        "versions": [dataclasses.asdict(each) for each in versions],
        "strategy": options.strategy,
        "split": options.split,
        "total_wall_s": round(time.monotonic() - started, 1),
        "problems": problems(rounds, versions),
    }


def problems(rounds: Sequence[Round], versions: Sequence[ModelVersion]) -> list[str]:
    """What the bounds are missed by; empty when all hold."""
    found = promotion_problems(versions)
    at_bound = next((each for each in rounds if each.labels >= BOUND_LABELS), None)
    if at_bound is not None and (at_bound.unseen_score or 0) < BOUND_DICE:
        found.append(
            f"after {at_bound.labels} labels the served model has {at_bound.unseen_score or 0:.3f} "
            f"on unseen volumes; {BOUND_DICE} is the bound"
        )
    return found


def main() -> None:
    options = arguments()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="limner-bench-", ignore_cleanup_errors=True) as folder:
        result = measure(options, console, options.home or Path(folder))
    conclude(result, options.out, console)


if __name__ == "__main__":
    main()
