"""What the web process costs: seconds from start to healthy, memory at rest, and no torch.

Run as `python -m tests.bench.web`; prints a line a start and writes JSON into `bench-results/`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import psutil
from rich.console import Console
from tests.bench.results import conclude

from limner.simulate import ServerProcess

BOUND_READY_S, BOUND_MIB = 2.5, 150.0
REST_S = 3.0
"""Memory is looked at after so long without a request."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="how often to start, after a first")
    parser.add_argument("--out", type=Path, default=Path("bench-results/web.json"))
    return parser.parse_args()


def one_start(images: Path, home: Path) -> dict[str, Any]:
    """Start a server, look at it once it rests, and end it."""
    arguments = [str(images), "--labels", "a,b", "--name", "web"]
    with ServerProcess(arguments, home=home) as server:
        process = psutil.Process(server.pid)
        cpu = process.cpu_times()
        time.sleep(REST_S)
        libraries = {Path(each.path).name for each in process.memory_maps()}
        memory = process.memory_info().rss / 2**20
        began = time.monotonic()
    return {
        "ready_s": round(server.ready_s, 3),
        "ready_cpu_s": round(cpu.user + cpu.system, 3),
        "idle_mib": round(memory, 1),
        "torch": any(each.startswith("libtorch") for each in libraries),
        "stop_s": round(time.monotonic() - began, 3),
    }


def measure(starts: int, console: Console) -> dict[str, Any]:
    """Start on an empty home once, then on the same home again and again."""
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as folder:
        images, home = Path(folder) / "images", Path(folder) / "home"
        images.mkdir()
        volume = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
        for index in range(20):
            nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), images / f"v{index}.nii.gz")
        found = []
        for number in range(starts + 1):
            found.append(one_start(images, home))
            console.print(f"{'first' if number == 0 else 'again'}: {found[-1]}", markup=False)
    return {
        "first": found[0],
        "again": found[1:],
        "ready_s": statistics.median(each["ready_s"] for each in found),
        "idle_mib": max(each["idle_mib"] for each in found),
        "problems": problems(found),
    }


def problems(found: list[dict[str, Any]]) -> list[str]:
    """What the bounds are missed by; empty when all hold."""
    missed = []
    if any(each["torch"] for each in found):
        missed.append("the web process has torch loaded")
    if (ready := statistics.median(each["ready_s"] for each in found)) > BOUND_READY_S:
        missed.append(f"ready after {ready} s; {BOUND_READY_S} is the bound")
    if (memory := max(each["idle_mib"] for each in found)) > BOUND_MIB:
        missed.append(f"{memory} MiB at rest; {BOUND_MIB} is the bound")
    return missed


def main() -> None:
    options = arguments()
    console = Console()
    result = measure(options.starts, console)
    conclude(result, options.out, console)


if __name__ == "__main__":
    main()
