"""How good the instances app is, and how fast: trains from scratch on real nuclei and scores.

Run as `python -m tests.bench.instances`; prints a table, writes JSON into `bench-results/`, and
fails when a bound is missed. `--minutes` is how long the training takes: a few steps of a training
that is thrown away say how many steps fit.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from tests.bench.results import conclude

from limner.plugin import (
    Case,
    Image,
    Instances,
    Json,
    LabelSchema,
    LoadRequest,
    PredictRequest,
    Progress,
    Trained,
    TrainRequest,
    from_instance_map,
)
from limner_apps.instances.app import InstancesApp
from limner_apps.instances.model import InstancesModel
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.preprocess import preprocess
from limner_apps.instances.weights import read_weights

T = TypeVar("T")
SCHEMA = LabelSchema.of("nucleus")
DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "nuclei"
SIDE = 256
DARK = 64
"""Median intensity below which the ground of an image counts as dark."""
LARGE, CROWDED = (1040, 1388), 300
BOUNDS = {"mask_ap50": 0.85, "pq": 0.60}
USUAL_MINUTES, MOST_MINUTES = 24.0, 25.0
"""What a training is planned for, and what it may take: a machine is not always as fast."""
SLOWEST = 1.1
"""Most that a prediction may take, in torchvision's own forward passes of the same network."""
MOST_MEMORY = 2 << 30
COUNT_OFF = 0.15
WARM_UP, TIMED = 3, 9
"""Steps of the training that is thrown away: not timed, and timed."""


@dataclass
class BarWatch:
    """Shows the progress of one piece of work as a bar."""

    bar: Bar
    task: Any

    def progress(self, progress: Progress) -> None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        text = f"{progress.message} {losses}"
        self.bar.update(self.task, completed=progress.step, total=progress.total, description=text)

    def should_stop(self) -> bool:
        return False


class StepWatch:
    """Remembers when each step was done."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def progress(self, progress: Progress) -> None:
        if progress.step:
            self.at.append(time.perf_counter())

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


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read (channels, rows, columns); one channel where all are alike."""
    array = np.asarray(PIL.Image.open(path))
    if array.ndim == 2:
        return array[None]
    colour = np.moveaxis(array[..., :3], 2, 0)
    return colour[:1] if (colour == colour[:1]).all() else colour


def read_label(path: Path) -> Instances:
    numbered = np.asarray(PIL.Image.open(path))
    return from_instance_map(numbered, np.ones(len(np.unique(numbered[numbered > 0])), np.int64))


def is_fluorescence(array: npt.NDArray[np.uint8]) -> bool:
    """Choose grey images of the usual size on a dark ground."""
    return array.shape == (1, SIDE, SIDE) and float(np.median(array)) < DARK


def case_of(folder: Path, name: str) -> Case:
    """Describe one image, read when needed."""

    def load_image() -> Image:
        return Image(array=read_image(folder / "images" / name), spacing=(1.0, 1.0), name=name)

    digest = hashlib.sha256()
    for part in ("images", "labels"):
        digest.update((folder / part / name).read_bytes())
    return Case(
        id=name,
        fingerprint=digest.hexdigest(),
        load_image=load_image,
        load_label=lambda: read_label(folder / "labels" / name),
    )


def crowded_image(folder: Path) -> Image:
    """Lay the most crowded images side by side into one of 1388 x 1040 with over 300 nuclei."""
    crowded = sorted(
        fluorescence(folder), key=lambda name: -len(read_label(folder / "labels" / name).boxes)
    )
    canvas = np.zeros((1, *LARGE), np.uint8)
    corners = itertools.product(range(0, LARGE[0], SIDE), range(0, LARGE[1], SIDE))
    labelled = 0
    for (row, column), name in zip(corners, crowded, strict=False):
        part = canvas[:, row : row + SIDE, column : column + SIDE]
        part[:] = read_image(folder / "images" / name)[:, : part.shape[1], : part.shape[2]]
        boxes = read_label(folder / "labels" / name).boxes
        labelled += int((boxes[:, :2] < part.shape[1:]).all(axis=1).sum())
    assert labelled > CROWDED, f"{folder} is too empty for this benchmark: {labelled} nuclei"
    return Image(array=canvas, spacing=(1.0, 1.0), name=f"{labelled} nuclei")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=USUAL_MINUTES, help="of training; 0: --steps"
    )
    parser.add_argument("--steps", type=int, default=0, help="0: the app's own budget")
    parser.add_argument("--train", type=int, default=96)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", type=int, default=0, help="seed of the split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--times", type=int, default=15, help="predictions that are timed")
    parser.add_argument("--weights", type=Path, help="skip the training and measure these")
    parser.add_argument("--keep", type=Path, help="where to copy the weights")
    parser.add_argument("--quick", action="store_true", help="a short look, without bounds")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.minutes, options.steps = 0.0, options.steps or 12
        options.train, options.test = min(options.train, 8), min(options.test, 4)
    return options


def fluorescence(folder: Path) -> list[str]:
    paths = sorted((folder / "images").glob("*.png"))
    return [path.name for path in paths if is_fluorescence(read_image(path))]


def train_request(
    options: argparse.Namespace, cases: Sequence[Case], folder: Path, settings: dict[str, Json]
) -> TrainRequest:
    return TrainRequest(
        schema=SCHEMA,
        train=cases,
        validation=(),
        parent=None,
        seed=options.seed,
        workspace=folder / "work",
        cache=folder / "cache",
        device=options.device,
        threads=options.threads,
        options=settings,
    )


def steps_that_fit(options: argparse.Namespace, cases: Sequence[Case]) -> int:
    """Time a few steps of a training that is thrown away."""
    watch = StepWatch()
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Json] = {"steps": WARM_UP + TIMED}
        InstancesApp().train(train_request(options, cases, Path(folder), settings), watch)
    # The mean, not the shortest: what else the machine does will go on.
    seconds = float(np.mean(np.diff(watch.at)[WARM_UP - 1 :]))
    return max(1, int(60.0 * options.minutes / seconds))


def measure_training(options: argparse.Namespace, console: Console, keep: Path) -> dict[str, Any]:
    """Train and score once; keep the weights and return everything measured."""
    names = fluorescence(options.data)
    random.Random(options.split).shuffle(names)
    if len(names) < options.train + options.test:
        raise SystemExit(f"{options.data} has {len(names)} such images; ask for fewer.")
    train = [case_of(options.data, name) for name in names[: options.train]]
    # The test images are the last ones, so they are the same whatever the number of labels.
    test = [case_of(options.data, name) for name in names[-options.test :]]
    app = InstancesApp()
    training, scoring = Clock(), Clock()
    results: dict[str, Any] = {"labels": len(train), "test": len(test)}
    if options.weights:
        options.minutes = 0.0
        keep.write_bytes(options.weights.read_bytes())
    else:
        steps = steps_that_fit(options, train) if options.minutes else options.steps
        with tempfile.TemporaryDirectory() as folder, _bar(console) as bar:
            request = train_request(options, train, Path(folder), {"steps": steps})
            watch = BarWatch(bar, bar.add_task("training"))
            trained: Trained = training.run(lambda: app.train(request, watch))
            keep.write_bytes(trained.weights.read_bytes())
        results |= {
            "steps": trained.steps,
            "train_wall_s": training.wall,
            "train_cpu_s": training.cpu,
            "plan": dict(trained.plan),
            "notes": list(trained.notes),
            "libraries": dict(trained.libraries),
        }
    model = load(keep, options)
    with _bar(console) as bar:
        watch = BarWatch(bar, bar.add_task("scoring"))
        evaluation = scoring.run(lambda: model.evaluate(test, watch))
    scores = list(evaluation.case_scores.values())
    return {
        **results,
        **evaluation.metrics,
        "pq": float(np.mean(scores)),
        "pq_p05": float(np.percentile(scores, 5)),
        "evaluate_wall_s": scoring.wall,
    }


def _bar(console: Console) -> Bar:
    return Bar(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console)


def load(weights: Path, options: argparse.Namespace) -> InstancesModel:
    return InstancesApp().load(
        LoadRequest(weights=weights, schema=SCHEMA, device=options.device, threads=options.threads)
    )


@torch.inference_mode()
def measure_speed(options: argparse.Namespace, weights: Path) -> dict[str, Any]:
    """Time predictions of one image and torchvision's own forward of the same network, in turns."""
    model = load(weights, options)
    kept = read_weights(weights, SCHEMA)
    network = InstanceNetwork(kept.plan, 1)
    network.load_state_dict(kept.state)
    network.eval().to(memory_format=torch.channels_last)
    names = fluorescence(options.data)
    random.Random(options.split).shuffle(names)
    image = case_of(options.data, names[-1]).load_image()
    batch = [torch.from_numpy(preprocess(image, kept.plan, "image"))]
    ours, theirs = [], []
    for turn in range(options.times + 2):
        started = time.perf_counter()
        model.predict(image, PredictRequest())
        between = time.perf_counter()
        network.rcnn(batch)
        ended = time.perf_counter()
        if turn >= 2:
            ours.append(between - started)
            theirs.append(ended - between)
    return {
        "predict_ms": 1e3 * float(np.median(ours)),
        "torchvision_ms": 1e3 * float(np.median(theirs)),
        "predict_ratio": float(np.median(ours) / np.median(theirs)),
    }


def peak_memory() -> int:
    """Return the most bytes this process has had; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _count_large(data: Path, weights: Path, threads: int, sender: Any) -> None:
    """In a process of its own: count a large image's nuclei, whole and in quarters."""
    options = argparse.Namespace(device="cpu", threads=threads)
    model = load(weights, options)
    image = crowded_image(data)
    started = time.perf_counter()
    whole = len(model.predict(image, PredictRequest()).answer.boxes)  # type: ignore[union-attr]
    seconds = time.perf_counter() - started
    peak = peak_memory()
    half = [length // 2 for length in image.shape]
    quarters = 0
    for rows in (slice(0, half[0]), slice(half[0], None)):
        for columns in (slice(0, half[1]), slice(half[1], None)):
            part = Image(array=image.array[:, rows, columns], spacing=(1.0, 1.0))
            quarters += len(model.predict(part, PredictRequest()).answer.boxes)  # type: ignore[union-attr]
    sender.send(
        {
            "large_image": image.name,
            "large_shape": list(image.shape),
            "large_count": whole,
            "quarters_count": quarters,
            "large_s": seconds,
            "large_peak_bytes": peak,
        }
    )


def measure_large(options: argparse.Namespace, weights: Path) -> dict[str, Any]:
    """Count a large, crowded image; its memory is that of a process that does nothing else."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    work = partial(_count_large, options.data, weights, options.threads, sender)
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
    if process.exitcode or not receiver.poll():
        raise SystemExit("The process that counted the large image failed.")
    counted: dict[str, Any] = receiver.recv()
    return counted


def problems(results: dict[str, Any]) -> list[str]:
    """Say which bounds were missed; quality is promised of the usual length of training only."""
    missed = []
    if results["minutes"] == USUAL_MINUTES:
        missed = [
            f"{name} is {results[name]:.3f}, bound {bound}"
            for name, bound in BOUNDS.items()
            if results[name] < bound
        ]
        if results["train_wall_s"] > 60.0 * MOST_MINUTES:
            missed.append(f"training took {results['train_wall_s']:.0f} s")
    if results["predict_ratio"] > SLOWEST:
        missed.append(f"a prediction took {results['predict_ratio']:.2f} forwards, bound {SLOWEST}")
    if results["large_peak_bytes"] > MOST_MEMORY:
        missed.append(f"the large image took {results['large_peak_bytes'] / 2**30:.2f} GiB")
    off = abs(results["large_count"] - results["quarters_count"])
    if off > COUNT_OFF * results["quarters_count"]:
        missed.append(
            f"the large image has {results['large_count']} nuclei, its quarters "
            f"{results['quarters_count']}"
        )
    return missed


def main() -> None:
    options = arguments()
    console = Console()
    if not options.data.is_dir():
        raise SystemExit(f"There is no {options.data}; set LIMNER_DATA.")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        results = {
            "seed": options.seed,
            "split": options.split,
            "threads": options.threads,
            **measure_training(options, console, weights),
            "minutes": options.minutes,
            **measure_speed(options, weights),
            **measure_large(options, weights),
        }
        if options.keep:
            options.keep.write_bytes(weights.read_bytes())
    table = Table(title="Nuclei, from scratch")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in results.items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    console.print(table)
    for note in results.get("notes", ()):
        console.print(note, markup=False)
    results["problems"] = [] if options.quick else problems(results)
    out = options.out or Path("bench-results") / (
        f"instances-{options.minutes:g}min-{results['labels']}-{options.seed}.json"
    )
    conclude(json.loads(json.dumps(results)), out, console)


if __name__ == "__main__":
    main()
