"""How fast the loop hands out and takes in, with a thousand samples and with a million.

Run `python tests/bench/records.py`; it prints a table and writes `bench-results/records.json`.
Everything goes through the loop's own objects, on a real disk with every write synced, without
HTTP. Taking files in is timed with `--files`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from limner.engine import Engine
from limner.loop.assign import Assignments, Lent
from limner.loop.collect import Labels
from limner.loop.events import Events
from limner.loop.ingest import Ingest
from limner.loop.intake import draw_of
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.progress import ProgressReports
from limner.loop.projects import Projects
from limner.loop.samples import Samples
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Project, QueueEntry
from limner.registry import Registry
from limner.settings import Limits, ProjectConfig, ProjectSettings
from limner.stores.blobs import Blobs

SHAPE = (35, 50, 36)
WARM_UP = 20
BATCH = 20_000

console = Console()


class Nobody:
    """Is told of labels and trains nothing."""

    def label_submitted(self, project: Project) -> None:
        """Do nothing."""


class House:
    """The parts of the loop that hand out and take in."""

    def __init__(self, root: Path) -> None:
        self.images = root / "images"
        self.images.mkdir(parents=True)
        self.records = Records.open(root / "home")
        self.events = Events()
        blobs = Blobs(root / "home" / "blobs")
        limits = Limits()
        self.projects = Projects(self.records, Registry(), self.events, time.time, limits)
        self.samples = Samples(self.records, self.projects, self.events, time.time)
        self.jobs = Jobs(self.records, self.events, time.time)
        self.assignments = Assignments(
            self.records, self.projects, self.jobs, self.events, time.time
        )
        self.labels = Labels(
            self.records, self.projects, blobs, Nobody(), self.events, time.time, limits
        )
        self.ingest = Ingest(
            self.records, self.projects, self.labels, self.jobs, self.events, time.time
        )
        models = Models(
            self.records,
            self.projects,
            blobs,
            self.jobs,
            cast("Engine", None),
            self.events,
            time.time,
        )
        self.progress = ProgressReports(self.records, self.projects, models, self.jobs)
        config = ProjectConfig(
            name="bench",
            images=self.images,
            labels=["anterior", "posterior"],
            settings=ProjectSettings(max_held=1000, strategy="random"),
        )
        self.project = self.projects.create(config)

    def close(self) -> None:
        """Close the records."""
        self.events.close()
        self.records.close()


def volume(seed: int) -> bytes:
    """Return a small volume as a gzipped NIfTI."""
    values = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    data: bytes = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    return gzip.compress(data, mtime=0)


def mask(seed: int) -> bytes:
    """Return a mask of two boxes, different for each seed, as a gzipped NIfTI."""
    values = np.zeros(SHAPE, np.uint8)
    values[10:20, 10:30, 10:20] = 1
    values[20:28, 12:34, 10:20] = 2
    values.flat[: seed.bit_length()] = [int(bit) for bit in bin(seed)[2:]]
    data: bytes = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    return gzip.compress(data, mtime=0)


def fill(house: House, count: int) -> float:
    """Record samples that share one image file; return the seconds it took."""
    (house.images / "image.nii.gz").write_bytes(volume(0))
    began = time.perf_counter()
    for start in track(range(0, count, BATCH), f"{count:,} samples", console=console):
        rows = [
            {
                "project_id": house.project.id,
                "name": f"site{number % 97:02d}/case{number:07d}",
                "files": ["image.nii.gz"],
                "state": "ready",
                "shape": list(SHAPE),
                "spacing_mm": [1.0, 1.0, 1.0],
                "channels": 1,
                "format": ".nii.gz",
                "draw": draw_of(0, str(number)),
                "created_at": time.time(),
            }
            for number in range(start, min(start + BATCH, count))
        ]
        with house.records.write() as tx:
            sample_rows.add_many(tx, rows)
            project_rows.add_counts(tx, house.project.id, {"samples": len(rows)})
    return time.perf_counter() - began


def enqueue(house: House, count: int) -> None:
    """Queue samples spread over the whole pool."""
    with house.records.write() as tx:
        newest = sample_rows.newest_id(tx, house.project.id)
        step = max(1, newest // count)
        entries = [
            QueueEntry(sample_id=number, strategy="random", score=0.5, reason="why", model_id=None)
            for number in range(1, newest + 1, step)
        ]
        queue_rows.replace(tx, house.project.id, entries[:count])


def empty_queue(house: House) -> None:
    """Leave no pick, so that samples are handed out in random order."""
    with house.records.write() as tx:
        queue_rows.replace(tx, house.project.id, [])


def timed(act: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds of each call after a few that do not count."""
    taken = []
    for number in range(WARM_UP + times):
        began = time.perf_counter()
        act()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def figures(taken: list[float]) -> dict[str, float]:
    """Return median and 99th percentile, in milliseconds."""
    return {
        "p50_ms": round(statistics.median(taken), 3),
        "p99_ms": round(float(np.percentile(taken, 99)), 3),
    }


def measure(root: Path, count: int, times: int) -> dict[str, Any]:
    """Time everything with one number of samples."""
    house = House(root)
    filled_s = fill(house, count)
    lent: list[Lent] = []

    def hand_out() -> None:
        answer = house.assignments.next("bench", f"ann{len(lent) % 7}")
        assert isinstance(answer, Lent), answer
        lent.append(answer)

    def hand_in() -> None:
        answer = lent.pop(0)
        house.labels.submit(
            "bench",
            answer.sample.id,
            file=io.BytesIO(masks.pop()),
            filename="label.nii.gz",
            annotator=answer.assignment.annotator,
            assignment_id=answer.assignment.id,
            seconds=10,
        )

    half = min(times, max(1, count // 3 - 2 * WARM_UP))
    masks = [mask(seed) for seed in range(1, half + WARM_UP + 1)]
    enqueue(house, half + WARM_UP)
    found = {"next from the queue": figures(timed(hand_out, half))}
    found["submit"] = figures(timed(hand_in, half))
    empty_queue(house)
    found["next in random order"] = figures(timed(hand_out, half))
    middle = house.samples.list("bench", None, 1, name="site48").next
    house.labels.list("bench", 1)
    for name, act in {
        "progress": lambda: house.progress.report("bench"),
        "sample": lambda: house.samples.get("bench", count // 2),
        "samples, 100": lambda: house.samples.list("bench", None, 100),
        "samples by name, 100": lambda: house.samples.list("bench", middle, 100, name="site48"),
        "samples by state, 100": lambda: house.samples.list("bench", None, 100, state="labelled"),
        "projects": lambda: house.projects.list(),
    }.items():
        found[name] = figures(timed(act, 200))
    house.close()
    size = sum(path.stat().st_size for path in (root / "home").glob("limner.sqlite*"))
    return {"samples": count, "fill_s": round(filled_s, 1), "database_mb": size >> 20, **found}


def measure_files(root: Path, count: int) -> dict[str, Any]:
    """Time taking in a folder of files, looking at it again, and one new file in it."""
    house = House(root)
    data = volume(0)
    for number in track(range(count), f"{count:,} files", console=console):
        folder = house.images / f"site{number % 20:02d}"
        folder.mkdir(exist_ok=True)
        (folder / f"case{number:06d}.nii.gz").write_bytes(data)
    began = time.perf_counter()
    assert house.ingest.sync("bench").tally.new == count
    first_s = time.perf_counter() - began
    began = time.perf_counter()
    assert house.ingest.sync("bench").tally.unchanged == count
    again_s = time.perf_counter() - began
    (house.images / "site00" / "new.nii.gz").write_bytes(data)
    began = time.perf_counter()
    assert house.ingest.sync_paths("bench", ["site00/new.nii.gz"]).tally.new == 1
    one_s = time.perf_counter() - began
    house.close()
    return {
        "files": count,
        "per_second": round(count / first_s),
        "again_s": round(again_s, 2),
        "one_new_s": round(one_s, 3),
    }


def show(few: dict[str, Any], many: dict[str, Any]) -> dict[str, float]:
    """Print both and return the ratios of their medians."""
    table = Table(title="The loop without HTTP, milliseconds")
    for column in ("", "p50", "p99", "p50", "p99", "ratio of p50"):
        table.add_column(column, justify="right")
    table.add_row("samples", f"{few['samples']:,}", "", f"{many['samples']:,}", "", "")
    ratios = {}
    for name, figure in many.items():
        if isinstance(figure, dict):
            less = few[name]
            ratios[name] = round(figure["p50_ms"] / less["p50_ms"], 2)
            values = [less["p50_ms"], less["p99_ms"], figure["p50_ms"], figure["p99_ms"]]
            table.add_row(name, *(f"{each:.2f}" for each in values), f"{ratios[name]:.2f}")
    console.print(table)
    return ratios


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--files", type=int, default=0, help="also time a folder of so many files")
    parser.add_argument("--out", type=Path, default=Path("bench-results/records.json"))
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="limner-bench-"))
    try:
        few = measure(root / "few", given.few, given.times)
        many = measure(root / "many", given.many, given.times)
        results = {"few": few, "many": many, "ratios": show(few, many)}
        if given.files:
            results["files"] = measure_files(root / "files", given.files)
            console.print(results["files"])
    finally:
        shutil.rmtree(root, ignore_errors=True)
    results["machine"] = {"platform": platform.platform(), "python": platform.python_version()}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written to {given.out}")


if __name__ == "__main__":
    main()
