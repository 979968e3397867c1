"""What looking at a whole pool costs: pictures described and queued, beside the bare model.

Run as `python -m tests.bench.describing`; prints a table and writes JSON into `bench-results/`. A
real server adopts a few labels of chest X-rays, trains, and then describes all other pictures and
queues them. Afterwards the same app describes some of them bare, with the same weights and
threads: read from the file, one after the other, in one process.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.bench.results import conclude

from limner.client import Job, Limner, ProjectHandle
from limner.images import ImageSource
from limner.plugin import Describes, LabelSchema, LoadRequest, PredictRequest
from limner.simulate import ServerProcess
from limner.stores.blobs import Blobs
from limner_apps.classification.app import ClassificationApp

DATA = Path(os.environ.get("LIMNER_DATA", "../shared/data")) / "chest-xray"
PROJECT = "chest"
SCHEMA = LabelSchema.of("normal", "pneumonia")
BOUND = 0.8
"""The least share of the bare model's pictures a second."""

SETTINGS = """\
[engine]
learner_threads = {threads}
predictor_threads = {threads}

[[projects]]
name = "{project}"
app = "classification"
images = "{images}"
adopt = "{adopt}"
labels = ["normal", "pneumonia"]

[projects.settings]
strategy = "entropy"
retrain_every = {adopted}
modality = "CR"
app_options = {{ width = {width}, steps = 60 }}
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=10_000, help="pictures; the same ones repeat")
    parser.add_argument("--adopted", type=int, default=100, help="of them with a label")
    parser.add_argument("--bare", type=int, default=500, help="described bare, three times")
    parser.add_argument("--width", type=int, default=64, help="of the ResNet-18; 64 as published")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("bench-results/describing.json"))
    return parser.parse_args()


def prepare(root: Path, options: argparse.Namespace) -> list[Path]:
    """Lay out a folder; return the pictures without a label."""
    images = root / "images"
    images.mkdir()
    with (options.data / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    random.Random(0).shuffle(rows)
    placed, labels = [], ["image,label"]
    for number in range(options.pool):
        row = rows[number % len(rows)]
        place = images / f"{number:05}-{row['image']}"
        shutil.copyfile(options.data / "images" / row["image"], place)
        placed.append(place)
        if number < options.adopted:
            labels.append(f"{place.name},{row['label']}")
    (root / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    text = SETTINGS.format(
        threads=options.threads,
        project=PROJECT,
        images=images,
        adopt=root / "labels.csv",
        adopted=options.adopted,
        width=options.width,
    )
    (root / "limner.toml").write_text(text, encoding="utf-8")
    return placed[options.adopted :]


def bare(home: Path, pictures: Sequence[Path], threads: int) -> float:
    """Describe pictures with what serves, without a server; return how many a second."""
    with sqlite3.connect(home / "limner.sqlite") as records:
        (sha256,) = records.execute(
            "SELECT weights_sha256 FROM model_versions WHERE state = 'serving'"
        ).fetchone()
    request = LoadRequest(
        weights=Blobs(home / "blobs").path(sha256), schema=SCHEMA, threads=threads
    )
    model = ClassificationApp().load(request)
    assert isinstance(model, Describes)
    began = time.perf_counter()
    for number, path in enumerate(pictures):
        if number == 1:
            began = time.perf_counter()  # the first one warms up
        image = ImageSource(paths=(path,), name=path.stem, modality="CR").read()
        model.describe(image, PredictRequest())
    return (len(pictures) - 1) / (time.perf_counter() - began)


def scored(project: ProjectHandle) -> Job:
    """Wait until the pool has been described and queued."""
    deadline = time.monotonic() + 3600
    while time.monotonic() < deadline:
        done = [
            each
            for each in project.jobs()
            if each.kind == "score" and each.state == "succeeded" and (each.result or {})["version"]
        ]
        if done:
            return done[-1]
        for each in project.jobs():
            if each.state == "failed":
                raise SystemExit(f"{each.kind} failed: {each.error}")
        for version in project.models():
            if version.state == "refused":
                raise SystemExit(f"no version serves: {version.decision}")
        time.sleep(0.5)
    raise SystemExit("the pool was not described in time")


def measure(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Let a server look at the pool, and a bare model at some of it."""
    pictures = prepare(root, options)
    home = root / "home"
    with (
        ServerProcess(["--config", str(root / "limner.toml")], home=home) as server,
        Limner(server.url, actor="bench", timeout_s=300) as limner,
    ):
        job = scored(limner.project(PROJECT))
    result = dict(job.result or {})
    some = pictures[: options.bare]
    bare_per_s = [bare(home, some, options.threads) for _ in range(3)]
    seconds = float(result["seconds"])
    per_s = float(result["described"]) / seconds
    return {
        "pool": options.pool,
        "width": options.width,
        "threads": options.threads,
        "described": result["described"],
        "failed": result["failed"],
        "queued": result["queued"],
        "seconds": seconds,
        "per_s": per_s,
        "bare_per_s": bare_per_s,
        "ratio": per_s / statistics.median(bare_per_s),
    }


def main() -> None:
    options = arguments()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="limner-bench-", ignore_cleanup_errors=True) as name:
        found = measure(Path(name), options)
    table = Table("What", "Measured", title=f"Looking at {options.pool} chest X-rays")
    table.add_row("described and queued, a second", f"{found['per_s']:.1f}")
    table.add_row("the bare model, a second", ", ".join(f"{x:.1f}" for x in found["bare_per_s"]))
    table.add_row(f"share of the bare one (at least {BOUND})", f"{found['ratio']:.2f}")
    console.print(table)
    missed = [f"{found['ratio']:.2f} of the bare model's pictures a second; {BOUND} is the bound"]
    conclude({**found, "problems": missed if found["ratio"] < BOUND else []}, options.out, console)


if __name__ == "__main__":
    main()
