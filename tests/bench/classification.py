"""How good the classification app is, and how fast: trains from scratch on chest X-rays.

Run as `python -m tests.bench.classification`; prints a table and writes JSON into `bench-results/`.
Trains on all of the train split and scores the val split. With `--held-out` a fifth of the train
split is scored instead, so that recipes can be compared without a look at the val split.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PictureFile
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.bench.results import conclude
from tests.bench.segmentation import BarWatch, Clock

from limner.plugin import (
    Case,
    ClassScores,
    Evaluation,
    Image,
    Json,
    LabelSchema,
    LoadRequest,
    Trained,
    TrainRequest,
)
from limner_apps.classification.app import ClassificationApp

SCHEMA = LabelSchema.of("normal", "pneumonia")
DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "chest-xray"
HELD_OUT = 5
"""One in so many images of the train split is held out to compare recipes."""

AUROC_BOUND = 0.99
BALANCED_ACCURACY_BOUND = 0.95
SECONDS_BOUND = 300.0


@dataclass(frozen=True)
class XRay:
    """A row of the list of images."""

    path: Path
    label: str

    def case(self) -> Case:
        """Describe it, read when needed."""

        def load_image() -> Image:
            with PictureFile.open(self.path) as picture:
                array = np.asarray(picture)[None]
            return Image(array=array, spacing=(1.0, 1.0), modality="DX", name=self.path.name)

        def load_label() -> ClassScores:
            there = [float(name == self.label) for name in SCHEMA.names]
            return ClassScores(probabilities=np.array(there, dtype=np.float32))

        digest = hashlib.sha256(self.path.read_bytes() + self.label.encode()).hexdigest()
        return Case(
            id=self.path.stem, fingerprint=digest, load_image=load_image, load_label=load_label
        )


def listed(folder: Path, split: str) -> list[XRay]:
    """Return the X-rays of a split in the order of their list."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [
            XRay(folder / "images" / row["image"], row["label"])
            for row in csv.DictReader(file)
            if row["split"] == split
        ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=0, help="images to train on; 0 takes all")
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=0, help="0: the app's own budget")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--width", type=int, default=0)
    parser.add_argument("--imbalance", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", type=int, default=0, help="seed of the choice of images")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> tuple[list[XRay], list[XRay]]:
    """Return what to train on and what to score."""
    train = listed(options.data, "train")
    random.Random(options.split).shuffle(train)
    if options.held_out:
        count = len(train) // HELD_OUT
        train, test = train[count:], train[:count]
    else:
        test = listed(options.data, "val")
    if options.train > len(train):
        raise SystemExit(f"{options.data} has {len(train)} images to train on; ask for fewer.")
    return train[: options.train or None], test


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Train and score once; return everything measured."""
    train, test = chosen(options)
    settings: dict[str, Json] = {
        "steps": options.steps,
        "model": options.model,
        "width": options.width,
        "imbalance": options.imbalance,
    }
    training, loading, scoring = Clock(), Clock(), Clock()
    app = ClassificationApp()
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
        ) as bar,
    ):
        watch = BarWatch(bar, bar.add_task("training"))
        request = TrainRequest(
            schema=SCHEMA,
            train=[each.case() for each in train],
            validation=(),
            parent=None,
            seed=options.seed,
            workspace=Path(folder) / "work",
            cache=Path(folder) / "cache",
            effort=options.effort,
            device=options.device,
            threads=options.threads,
            options=settings,
        )
        trained: Trained = training.run(lambda: app.train(request, watch))
        load = LoadRequest(
            weights=trained.weights,
            schema=SCHEMA,
            device=options.device,
            threads=options.threads,
            options=settings,
        )
        model = loading.run(lambda: app.load(load))
        cases = [each.case() for each in test]
        evaluation: Evaluation = scoring.run(lambda: model.evaluate(cases, watch))
    metrics = dict(evaluation.metrics)
    return {
        "train": len(train),
        "normal": sum(each.label == "normal" for each in train),
        "test": len(test),
        "scored": "a fifth of train" if options.held_out else "val",
        "seed": options.seed,
        "steps": trained.steps,
        "auroc": metrics["auroc"],
        "balanced_accuracy": metrics["balanced_accuracy"],
        "nll": metrics["nll"],
        "ece": metrics["ece"],
        "metrics": metrics,
        "train_wall_s": training.wall,
        "train_cpu_s": training.cpu,
        "evaluate_wall_s": scoring.wall,
        "threads": options.threads,
        "plan": dict(trained.plan),
        "notes": list(trained.notes),
        "libraries": dict(trained.libraries),
    }


def problems(result: dict[str, Any]) -> list[str]:
    """List the bounds that a training on all images missed."""
    found = []
    if result["auroc"] < AUROC_BOUND:
        found.append(f"auroc {result['auroc']:.4f}, at least {AUROC_BOUND}")
    if result["balanced_accuracy"] < BALANCED_ACCURACY_BOUND:
        reached = result["balanced_accuracy"]
        found.append(f"balanced_accuracy {reached:.4f}, at least {BALANCED_ACCURACY_BOUND}")
    if result["train_wall_s"] > SECONDS_BOUND:
        found.append(f"training took {result['train_wall_s']:.0f} s, at most {SECONDS_BOUND:.0f}")
    return found


def main() -> None:
    options = arguments()
    console = Console()
    result = measure(options, console)
    table = Table(title="Classification of chest X-rays, from scratch")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name in ("train", "normal", "test", "scored", "seed", "steps"):
        table.add_row(name, str(result[name]))
    for name, value in result["metrics"].items():
        table.add_row(name, f"{value:.4f}")
    for name in ("train_wall_s", "train_cpu_s", "evaluate_wall_s"):
        table.add_row(name, f"{result[name]:.1f}")
    console.print(table)
    for note in result["notes"]:
        console.print(note, markup=False)
    is_whole = options.train == 0 and not options.held_out
    result["problems"] = problems(result) if is_whole else []
    name = f"classification-{result['train']}-{options.seed}.json"
    conclude(result, options.out or Path("bench-results") / name, console)


if __name__ == "__main__":
    main()
