"""How many wrong labels a review finds among real pictures, over HTTP.

Serves chest X-rays with labels of which some are flipped, asks for a review, and goes down its list
of suspects: the share of the flipped labels that is found while at least every second suspect is
one. Run as `python -m tests.bench.label_errors`; writes JSON into `bench-results/`.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tests.bench.results import conclude

from limner.client import Limner, ProjectHandle
from limner.demo.display import display_on
from limner.simulate import ServerProcess

DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "chest-xray"
PROJECT = "chest"
CLASSES = ("normal", "pneumonia")
SPLIT = "train"
PRECISION, BOUND = 0.5, 0.7
BOUND_PICTURES = 1000
"""With fewer labels to learn from, nothing is promised."""
TAKEN_IN_S = 600.0

SETTINGS = """\
[engine]
learner_threads = {threads}
predictor_threads = {threads}

[[projects]]
name = "{project}"
app = "classification"
images = "{images}"
adopt = "{labels}"
labels = ["normal", "pneumonia"]

[projects.settings]
retrain_every = 0
modality = "CR"
seed = {seed}
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--flipped", type=float, default=0.1, help="share of wrong labels")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the learner and the predictor; 0: the server's"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("bench-results/label_errors.json"))
    return parser.parse_args()


def spoilt(options: argparse.Namespace, seed: int, folder: Path) -> set[str]:
    """Copy pictures drawn at random and write a table of their labels; return the wrong ones."""
    images = folder / "images"
    images.mkdir()
    with (options.data / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == SPLIT]
    random = np.random.default_rng(seed)
    drawn = [rows[each] for each in random.permutation(len(rows))[: options.pictures]]
    wrong = set(random.permutation(len(drawn))[: round(options.flipped * len(drawn))].tolist())
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["image", "label"])
        for number, row in enumerate(drawn):
            shutil.copyfile(options.data / "images" / row["image"], images / row["image"])
            index = CLASSES.index(row["label"])
            writer.writerow([row["image"], CLASSES[1 - index if number in wrong else index]])
    return {Path(drawn[each]["image"]).stem for each in wrong}


def measure(
    options: argparse.Namespace, seed: int, folder: Path, console: Console
) -> dict[str, Any]:
    """Review once; return what was found, and how long it took."""
    folder.mkdir()
    wrong = spoilt(options, seed, folder)
    file = folder / "limner.toml"
    settings = SETTINGS.format(
        project=PROJECT,
        images=folder / "images",
        labels=folder / "labels.csv",
        seed=seed,
        threads=options.threads,
    )
    file.write_text(settings, encoding="utf-8")
    with (
        ServerProcess(["--config", str(file)], home=folder / "home") as server,
        Limner(server.url, actor="bench") as limner,
        display_on(console) as display,
    ):
        project = limner.project(PROJECT)
        await_labels(project, options.pictures)
        started = time.monotonic()
        job = project.start_job("review", folds=options.folds, effort=options.effort)
        done = limner.wait(job, on_change=display.job)
        seconds = time.monotonic() - started
        listed = [each.sample.name for each in project.suspects()]
    return {
        "seed": seed,
        "wrong": len(wrong),
        "suspects": len(listed),
        "wrong_among_suspects": len(wrong.intersection(listed)),
        "found": share_found([name in wrong for name in listed], len(wrong)),
        "review_s": round(seconds, 1),
        "result": done.result,
    }


def await_labels(project: ProjectHandle, count: int) -> None:
    """Wait until every label is adopted."""
    deadline = time.monotonic() + TAKEN_IN_S
    while project.get().counts["labelled"] < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} labels were not adopted within {TAKEN_IN_S:.0f} s")
        time.sleep(0.2)


def share_found(hits: Sequence[bool], wrong: int) -> float:
    """Return the most that is found by looking at the first so many, half of them wrong at least.

    Args:
        hits: Whether each suspect is wrong, in the order of the list.
        wrong: How many labels are wrong in all.
    """
    found = np.cumsum(hits)
    precise = found >= PRECISION * np.arange(1, len(hits) + 1)
    return float(found[precise].max() / wrong) if precise.any() else 0.0


def main() -> None:
    options = arguments()
    console = Console()
    runs = []
    with tempfile.TemporaryDirectory(prefix="limner-bench-", ignore_cleanup_errors=True) as name:
        for seed in range(options.seeds):
            run = measure(options, seed, Path(name) / str(seed), console)
            console.print(
                f"seed {seed}: {run['found']:.2f} of {run['wrong']} wrong labels found at a "
                f"precision of {PRECISION}; {run['wrong_among_suspects']} of {run['suspects']} "
                f"suspects are wrong; {run['review_s']:.0f} s"
            )
            runs.append(run)
    mean = float(np.mean([run["found"] for run in runs]))
    problems = []
    if mean < BOUND and options.pictures >= BOUND_PICTURES:
        problems.append(
            f"{mean:.2f} of the wrong labels are found at a precision of {PRECISION}; {BOUND} is "
            "the bound"
        )
    results = {
        "pictures": options.pictures,
        "flipped": options.flipped,
        "folds": options.folds,
        "effort": options.effort,
        "found": round(mean, 4),
        "runs": runs,
        "problems": problems,
    }
    conclude(results, options.out, console)


if __name__ == "__main__":
    main()
