"""How good the segmentation app is, and how fast: trains from scratch and scores unseen volumes.

Run as `python -m tests.bench.segmentation`; prints a table and writes JSON into `bench-results/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import nibabel
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from limner.plugin import (
    Case,
    Evaluation,
    Image,
    Json,
    LabelSchema,
    LoadRequest,
    Mask,
    Trained,
    TrainRequest,
)
from limner.plugin import Progress as Report
from limner_apps.segmentation.app import SegmentationApp

T = TypeVar("T")
SCHEMA = LabelSchema.of("anterior", "posterior")
DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "hippocampus"


@dataclass
class BarWatch:
    """Shows the progress of one piece of work as a bar, or as a line every few seconds."""

    bar: Progress
    task: Any

    def progress(self, progress: Report) -> None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        text = f"{progress.message} {losses}"
        self.bar.update(self.task, completed=progress.step, total=progress.total, description=text)

    def should_stop(self) -> bool:
        return False


@dataclass
class Clock:
    """Wall and processor seconds of one part."""

    wall: float = 0.0
    cpu: float = 0.0

    def run(self, work: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
        return result


def pairs(folder: Path) -> list[str]:
    """Names of the volumes that have an image and a label."""
    images = {path.name for path in (folder / "images").glob("*.nii.gz")}
    return sorted(images & {path.name for path in (folder / "labels").glob("*.nii.gz")})


def case_of(folder: Path, name: str, is_new: bool = False) -> Case:
    """Describe one volume, read when needed."""

    def load_image() -> Image:
        file = nibabel.load(folder / "images" / name)
        return Image(
            array=np.asarray(file.dataobj)[None],
            spacing=tuple(float(size) for size in file.header.get_zooms()[:3]),
            affine=np.asarray(file.affine, dtype=np.float64),
            modality="MR",
            name=name,
        )

    def load_label() -> Mask:
        file = nibabel.load(folder / "labels" / name)
        array = np.asarray(file.dataobj).astype(np.uint8)
        return Mask(array=array, spacing=(1.0, 1.0, 1.0), affine=file.affine)

    digest = hashlib.sha256()
    for part in ("images", "labels"):
        digest.update((folder / part / name).read_bytes())
    return Case(
        id=name.removesuffix(".nii.gz"),
        fingerprint=digest.hexdigest(),
        load_image=load_image,
        load_label=load_label,
        is_new=is_new,
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimension", default="auto", choices=("auto", "2d", "2.5d", "3d"))
    parser.add_argument("--steps", type=int, default=0, help="0: the app's own budget")
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--train", type=int, default=160)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", type=int, default=0, help="seed of the split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--parent", type=Path, help="weights to go on from")
    parser.add_argument("--old", type=int, default=0, help="labels the parent has seen")
    parser.add_argument("--keep", type=Path, help="where to copy the weights")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Train and score once; return everything measured."""
    names = pairs(options.data)
    random.Random(options.split).shuffle(names)
    if len(names) < options.train + options.test:
        raise SystemExit(f"{options.data} has {len(names)} pairs; ask for fewer.")
    # The test volumes are the last ones, so they are the same whatever the number of labels.
    train = [
        case_of(options.data, name, index >= options.old > 0)
        for index, name in enumerate(names[: options.train])
    ]
    test = [case_of(options.data, name) for name in names[-options.test :]]
    settings: dict[str, Json] = {"dimension": options.dimension, "steps": options.steps}
    training, loading, scoring = Clock(), Clock(), Clock()
    app = SegmentationApp()
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
        ) as bar,
    ):
        watch = BarWatch(bar, bar.add_task("training"))
        request = TrainRequest(
            schema=SCHEMA,
            train=train,
            validation=(),
            parent=options.parent,
            seed=options.seed,
            workspace=Path(folder) / "work",
            cache=Path(folder) / "cache",
            effort=options.effort,
            device=options.device,
            threads=options.threads,
            options=settings,
        )
        trained: Trained = training.run(lambda: app.train(request, watch))
        if options.keep:
            options.keep.write_bytes(trained.weights.read_bytes())
        load = LoadRequest(
            weights=trained.weights,
            schema=SCHEMA,
            device=options.device,
            threads=options.threads,
            options=settings,
        )
        model = loading.run(lambda: app.load(load))
        evaluation: Evaluation = scoring.run(lambda: model.evaluate(test, watch))
    scores = list(evaluation.case_scores.values())
    return {
        "dimension": trained.plan["dimension"],
        "labels": len(train),
        "test": len(test),
        "seed": options.seed,
        "split": options.split,
        "steps": trained.steps,
        "dice": float(np.mean(scores)),
        "dice_p05": float(np.percentile(scores, 5)),
        "class_dice": dict(evaluation.class_scores),
        "metrics": dict(evaluation.metrics),
        "train_wall_s": training.wall,
        "train_cpu_s": training.cpu,
        "evaluate_wall_s": scoring.wall,
        "total_wall_s": training.wall + loading.wall + scoring.wall,
        "plan": dict(trained.plan),
        "notes": list(trained.notes),
        "libraries": dict(trained.libraries),
    }


def main() -> None:
    options = arguments()
    console = Console()
    result = measure(options, console)
    table = Table(title="Segmentation of the hippocampus, from scratch")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name in ("dimension", "labels", "test", "seed", "steps"):
        table.add_row(name, str(result[name]))
    for name in ("dice", "dice_p05"):
        table.add_row(name, f"{result[name]:.4f}")
    for group in ("class_dice", "metrics"):
        for name, value in result[group].items():
            table.add_row(f"{group} {name}", f"{value:.4f}")
    for name in ("train_wall_s", "train_cpu_s", "evaluate_wall_s", "total_wall_s"):
        table.add_row(name, f"{result[name]:.1f}")
    console.print(table)
    for note in result["notes"]:
        console.print(note)
    out = options.out or Path("bench-results") / (
        f"segmentation-{result['dimension']}-{result['labels']}-{result['seed']}.json"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"Written to {out}")


if __name__ == "__main__":
    main()
