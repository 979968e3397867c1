"""What MONAI Label's clients wait for: with large stores, and where a model answers.

Run `python -m tests.bench.monai_label`; it prints a table and writes
`bench-results/monai_label.json`. Real servers, one after the other; requests as the real client
sends them.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.bench.monai_infer import CLIENTS, inferring
from tests.bench.monai_store import huge, large
from tests.bench.results import conclude
from tests.bench.segmentation import DATA

NEXT_MS, LABEL_MS, INFO_MS, POLL_P99_MS = 5.0, 15.0, 15.0, 100.0
INFER_TIMES, INFER_MORE_MS = 1.2, 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """One figure with what it may be at most."""

    what: str
    value: float
    most: float | None
    unit: str = "ms"

    @property
    def problem(self) -> str | None:
        """Say that it misses its bound; None where it does not."""
        if self.most is None or self.value <= self.most:
            return None
        return f"{self.what}: {self.value:.1f} {self.unit}; {self.most:.1f} is the bound"


def lines(found: Mapping[str, Any]) -> Iterator[Line]:
    """Name every figure."""
    store = found["large"]
    images = f"{store['images']:,} images"
    for way, figure in store["next"].items():
        yield Line(f"next image, {images}, {way}, p50", figure["p50_ms"], NEXT_MS)
    yield Line(f"label, {images}, p50", store["label"]["PUT"]["p50_ms"], LABEL_MS)
    yield Line("two bare syncs, p50", store["label"]["two bare syncs"]["p50_ms"], None)
    yield Line(f"everything, {images}", store["everything"]["s"], None, "s")
    samples = f"{found['huge']['images']:,} images"
    for way in ("kept connection", "new ones"):
        figure = found["huge"][way]
        yield Line(f"info, {samples}, {way}, p50", figure["p50_ms"], INFO_MS)
        yield Line(f"info, {samples}, {way}, p99", figure["p99_ms"], None)
    model = found["model"]
    one = model["one"]
    most = INFER_TIMES * one["alone"] + INFER_MORE_MS
    yield Line("the model alone, one volume", one["alone"], None)
    for way in ("image", "file", "session"):
        yield Line(f"outline of one volume by {way}", one[way], most)
    beside = model["polls beside"]
    yield Line("info while nothing goes on, p99", model["polls alone"]["p99_ms"], None)
    yield Line(f"info beside {CLIENTS} clients' outlines, p50", beside["p50_ms"], None)
    yield Line(f"info beside {CLIENTS} clients' outlines, p99", beside["p99_ms"], POLL_P99_MS)
    yield Line("the longest of them", beside["max_ms"], None)


def show(found: Mapping[str, Any], console: Console) -> list[str]:
    """Print a table; return what missed its bound."""
    table = Table("", "measured", "at most", title="Through MONAI Label's interface")
    problems = []
    for line in lines(found):
        bound = "" if line.most is None else f"{line.most:.1f}"
        table.add_row(line.what, f"{line.value:.1f} {line.unit}", bound)
        if line.problem is not None:
            problems.append(line.problem)
    console.print(table)
    return problems


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=40_000)
    parser.add_argument("--huge", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--volumes", type=int, default=96)
    parser.add_argument("--outlines", type=int, default=32)
    parser.add_argument("--effort", type=float, default=0.1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("bench-results/monai_label.json"))
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="limner-bench-"))
    try:
        found = {
            "model": inferring(
                root / "model",
                given.data,
                volumes=given.volumes,
                outlines=given.outlines,
                effort=given.effort,
            ),
            "large": large(root / "large", given.many, given.times),
            "huge": huge(root / "huge", given.huge, given.times),
        }
    finally:
        shutil.rmtree(root, ignore_errors=True)
    console = Console()
    conclude({**found, "problems": show(found, console)}, given.out, console)


if __name__ == "__main__":
    main()
