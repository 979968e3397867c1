"""What choosing costs: a batch from a very large pool, by every strategy.

Run as `python -m tests.bench.selection`; prints a table and writes JSON into `bench-results/`. Each
strategy picks in a process of its own from made-up embeddings, scores and classes; its time is that
of `pick` alone, its memory the peak of the process with the pool in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.bench.results import conclude

from limner.plugin import Pool
from limner.registry import STRATEGIES, Registry, make_strategy, merged_options

SECONDS_BOUND, GIB_BOUND = 60.0, 4.0
CLASSES = 3
SCORES = (
    *("entropy", "margin", "least_confidence", "bald", "variation_ratio", "variance"),
    *("dice_disagreement", "maskal"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=128, help="of an embedding")
    parser.add_argument("--labelled", type=int, default=1000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--strategies", default="", help="some of them; all by default")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("bench-results/selection.json"))
    return parser.parse_args()


def pool_of(options: argparse.Namespace) -> Pool:
    """Draw embeddings in groups, with scores and classes that go with them."""
    random = np.random.default_rng(0)

    def embedded(count: int) -> Any:
        points = random.standard_normal((count, options.length), dtype=np.float32)
        points += centres[random.integers(len(centres), size=count)]
        return points

    centres = 3 * random.standard_normal((40, options.length), dtype=np.float32)
    rows = options.pool
    fractions = random.random((rows, 1 + CLASSES), dtype=np.float32)
    fractions /= fractions.sum(axis=1, keepdims=True)
    return Pool(
        ids=np.arange(rows),
        scores={name: random.random(rows, dtype=np.float32) for name in SCORES},
        class_scores=random.random((rows, CLASSES), dtype=np.float32),
        class_fractions=fractions,
        embedding=embedded(rows),
        labelled_embedding=embedded(options.labelled),
        cost=random.random(rows, dtype=np.float32) * 10,
        round=3,
    )


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let one strategy pick, in this process."""
    registry = Registry()
    manifest = registry.strategy(name)
    strategy = make_strategy(registry.source(STRATEGIES, name))
    pool = replace(pool_of(options), options=merged_options(manifest, {}))
    began = time.perf_counter()
    picks = strategy.pick(pool, options.count, 1)
    seconds = time.perf_counter() - began
    assert len({pick.index for pick in picks}) == options.count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return {"strategy": name, "seconds": round(seconds, 3), "peak_gib": round(peak, 2)}


def main() -> None:
    options = arguments()
    if options.one:
        print(json.dumps(measured(options.one, options)))  # noqa: T201 - read by the parent
        return
    console = Console()
    bundled = [
        each.source.name
        for each in Registry().found
        if each.source.group == STRATEGIES and each.source.location.startswith("limner_strategies.")
    ]
    asked = [each for each in options.strategies.split(",") if each]
    rows = []
    for name in asked or sorted(bundled):
        command = [sys.executable, "-m", "tests.bench.selection", "--one", name]
        for key in ("pool", "length", "labelled", "count"):
            command += [f"--{key}", str(getattr(options, key))]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        rows.append(json.loads(done.stdout))
        console.print(f"{name}: {rows[-1]['seconds']:.1f} s, {rows[-1]['peak_gib']:.2f} GiB")
    table = Table(
        "Strategy",
        f"Seconds (at most {SECONDS_BOUND:g})",
        f"Peak GiB (at most {GIB_BOUND:g})",
        title=f"{options.count} of {options.pool:,} × {options.length}",
    )
    for row in rows:
        table.add_row(row["strategy"], f"{row['seconds']:.2f}", f"{row['peak_gib']:.2f}")
    console.print(table)
    problems = [
        f"{row['strategy']}: {row['seconds']:.1f} s and {row['peak_gib']:.1f} GiB"
        for row in rows
        if row["seconds"] > SECONDS_BOUND or row["peak_gib"] > GIB_BOUND
    ]
    found = {"pool": options.pool, "length": options.length, "rows": rows, "problems": problems}
    conclude(found, options.out, console)


if __name__ == "__main__":
    main()
