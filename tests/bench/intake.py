"""How fast a server takes in a folder, notices one new file in it, and starts with it known.

Run `python -m tests.bench.intake`; it prints a table and writes `bench-results/intake.json`. A real
server on a real folder. The files are links to a few volumes of 35×50×36 voxels: every header is
read, but the disk has them at hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from tests.bench.results import conclude
from tests.bench.volumes import volume

from limner.simulate import ServerProcess

PER_SECOND, NOTICED_S, RESTARTED_S = 1_000, 2.0, 5.0
LINKS = 50_000
A_FOLDER = 1_000
DEADLINE_S = 1_800.0

console = Console()


def make(images: Path, count: int) -> None:
    """Fill a folder."""
    original = images.parent / "original"
    for number in range(count):
        if number % LINKS == 0:
            original.unlink(missing_ok=True)
            original.write_bytes(volume(number))
        folder = images / f"site{number // A_FOLDER:03d}"
        if number % A_FOLDER == 0:
            folder.mkdir(parents=True)
        os.link(original, folder / f"case{number:06d}.nii.gz")


def until(question: Callable[[], bool], pause_s: float) -> float:
    """Wait for something; return the seconds it took."""
    began = time.monotonic()
    while not question():
        if time.monotonic() > began + DEADLINE_S:
            raise SystemExit("it did not happen in time")
        time.sleep(pause_s)
    return time.monotonic() - began


def started(images: Path, home: Path, act: Callable[[httpx.Client], None]) -> float:
    """Serve; return the seconds from the start until all was looked at, then act."""
    arguments = [str(images), "--labels", "a,b", "--name", "bench", "--retrain-every", "0"]
    with (
        ServerProcess(arguments, home=home) as server,
        httpx.Client(base_url=f"{server.url}/api/v1", timeout=60) as http,
    ):
        line = 'limner_store_looked_at{project="bench"} 1.0'
        looked_s = until(lambda: line in http.get("/metrics").text.splitlines(), 0.1)
        act(http)
        return server.ready_s + looked_s


def measure(root: Path, count: int) -> dict[str, Any]:
    """Take in, start again, and notice new files."""
    images, home = root / "images", root / "home"
    make(images, count)
    noticed: list[float] = []

    def check(http: httpx.Client) -> None:
        found = http.get("/projects/bench").json()["counts"]
        if found["samples"] != count + len(noticed) or found["unreadable"]:
            raise SystemExit(f"{count} files became {found}")

    def add_some(http: httpx.Client) -> None:
        check(http)
        for number in range(5):
            file = images / "site000" / f"new{number}.nii.gz"
            file.write_bytes(volume(number))
            listed = f"/projects/bench/samples?name=site000/new{number}"
            noticed.append(until(lambda url=listed: bool(http.get(url).json()["items"]), 0.02))  # type: ignore[misc]

    first_s = started(images, home, check)
    again_s = started(images, home, add_some)
    return {
        "files": count,
        "per_second": round(count / first_s),
        "restart_s": round(again_s, 2),
        "noticed_s": round(max(noticed), 2),
    }


def problems(found: dict[str, Any]) -> list[str]:
    """What the bounds are missed by; empty when all hold."""
    missed = []
    if found["per_second"] < PER_SECOND:
        missed.append(f"{found['per_second']} files a second; {PER_SECOND} is the bound")
    if found["restart_s"] > RESTARTED_S:
        missed.append(f"started again in {found['restart_s']} s; {RESTARTED_S} is the bound")
    if found["noticed_s"] > NOTICED_S:
        missed.append(f"a file noticed after {found['noticed_s']} s; {NOTICED_S} is the bound")
    return missed


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("bench-results/intake.json"))
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="limner-bench-"))
    try:
        found = measure(root, given.files)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    console.print(found)
    conclude({**found, "problems": problems(found)}, given.out, console)


if __name__ == "__main__":
    main()
