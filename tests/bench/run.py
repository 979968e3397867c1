"""Runs every benchmark in turn, each in a process of its own; fails when one misses its bound.

`python -m tests.bench.run` measures what is promised; `--quick` only shows that it can be measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
QUICK = {
    "web": ("--starts", "1"),
    "million": ("--few", "1000", "--many", "5000", "--times", "50"),
    "intake": ("--files", "10000"),
    "monai_label": (
        *("--many", "2000", "--huge", "5000", "--times", "40"),
        *("--volumes", "24", "--outlines", "16", "--effort", "0.02"),
    ),
    "serving": ("--adopted", "8", "--pool", "30", "--predictions", "32"),
    "selection": ("--pool", "20000"),
    "describing": ("--pool", "200", "--bare", "60", "--width", "16"),
    "memory": ("--uploads", "10", "--skip-volume"),
    "segmentation": ("--train", "20", "--test", "8", "--effort", "0.1"),
    "instances": ("--quick", "--times", "2"),
    "classification": ("--train", "60", "--effort", "0.2"),
    "loop_hippocampus": ("--rounds", "1", "--pool", "20", "--unseen", "4"),
    "loop_classification": ("--seeds", "1", "--rounds", "1", "--pool", "60", "--unseen", "20"),
    "label_errors": ("--pictures", "60", "--effort", "0.1", "--seeds", "1"),
}
"""Every benchmark in the order of running, with its arguments for a short look."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short look instead")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(QUICK)}; all by default")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(QUICK))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(QUICK)}")
    console = Console()
    failed = []
    for name in options.names or QUICK:
        console.rule(name)
        started = time.monotonic()
        arguments = QUICK[name] if options.quick else ()
        ended = subprocess.run(
            [sys.executable, "-m", f"tests.bench.{name}", *arguments], check=False
        )
        console.print(f"{name}: {time.monotonic() - started:.0f} s, exit code {ended.returncode}")
        if ended.returncode:
            failed.append(name)
    if failed:
        console.print(f"failed or missed a bound: {', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
