"""What the HTTP interface costs with a thousand samples in a project and with a million.

Run `python -m tests.bench.million`; it prints a table and writes `bench-results/million.json`. Real
servers, one after the other, on a real folder with a file for every sample (links to a few files,
so that a million fit), every write synced. One client, one connection: what an annotator feels.
Records are filled in directly, as an intake would leave them: taking a million files in one by one
is timed by `intake.py`, on a tenth of them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.bench.results import conclude
from tests.bench.volumes import SHAPE, mask, volume

from limner.loop.events import Events
from limner.loop.intake import draw_of
from limner.loop.projects import Projects
from limner.records import projects as project_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.registry import Registry
from limner.settings import Limits, ProjectConfig, ProjectSettings
from limner.simulate import ServerProcess

PROJECT = "bench"
PATH = f"/projects/{PROJECT}"
WARM_UP = 20
BATCH = 20_000
LINKS = 50_000
"""So many names a file: file systems allow some 65,000."""
LOOKED_WITHIN_S = 900.0

NEXT_P50_MS, NEXT_P99_MS, SUBMIT_P50_MS, GET_P99_MS, RATIO = 3.0, 10.0, 12.0, 50.0, 1.3

console = Console()


def fill(home: Path, images: Path, count: int) -> None:
    """Make a project of so many samples, each with a file in the folder."""
    records = Records.open(home)
    projects = Projects(records, Registry(), Events(), time.time, Limits())
    project = projects.create(
        ProjectConfig(
            name=PROJECT,
            images=images,
            labels=["anterior", "posterior"],
            settings=ProjectSettings(max_held=1000, strategy="random", retrain_every=0),
        )
    )
    original = images.parent / "original"
    for start in track(range(0, count, BATCH), f"{count:,} samples", console=console):
        rows = []
        for number in range(start, min(start + BATCH, count)):
            if number % LINKS == 0:
                original.unlink(missing_ok=True)
                original.write_bytes(volume(0))
                os.utime(original, ns=(10**18, 10**18))
            name = f"site{number // 1000:03d}/case{number:07d}"
            file = images / f"{name}.nii.gz"
            if number % 1000 == 0:
                file.parent.mkdir(parents=True)
            os.link(original, file)
            rows.append(
                {
                    "project_id": project.id,
                    "name": name,
                    "files": [f"{name}.nii.gz"],
                    "state": "ready",
                    "shape": list(SHAPE),
                    "spacing_mm": [1.0, 1.0, 1.0],
                    "channels": 1,
                    "format": ".nii.gz",
                    "size_bytes": original.stat().st_size,
                    "modified_ns": 10**18,
                    "draw": draw_of(0, str(number)),
                    "created_at": time.time(),
                }
            )
        with records.write() as tx:
            sample_rows.add_many(tx, rows)
            project_rows.add_counts(tx, project.id, {"samples": len(rows)})
    records.close()
    os.sync()  # what is still to be written would hold up what is timed


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one request."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection that is kept open, as a viewer keeps it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Answer:
        """Send a request and read the whole answer; any but a good one ends the benchmark."""
        headers = {} if body is None else {"Content-Type": kind}
        self._connection.request(method, f"/api/v1{path}", body, headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.read())
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {answer.body[:500]!r}")
        return answer

    def close(self) -> None:
        self._connection.close()


def timed(act: Callable[[], object], times: int) -> dict[str, float]:
    """Return median and 99th percentile in milliseconds, after a few calls that do not count."""
    taken = [took_ms(act) for _ in range(WARM_UP + times)]
    return figures(taken[WARM_UP:])


def took_ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def figures(taken: list[float]) -> dict[str, float]:
    """Return median and 99th percentile."""
    return {
        "p50_ms": round(statistics.median(taken), 3),
        "p99_ms": round(float(np.percentile(taken, 99)), 3),
    }


def multipart(fields: dict[str, str], content: bytes) -> tuple[bytes, str]:
    """Build the body of a form with one file, and its content type."""
    parts = [
        f'--limner\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = b'--limner\r\nContent-Disposition: form-data; name="file"; filename="m.nii.gz"\r\n\r\n'
    body = b"".join(parts) + head + content + b"\r\n--limner--\r\n"
    return body, "multipart/form-data; boundary=limner"


@contextmanager
def running(home: Path) -> Iterator[tuple[str, float]]:
    """Serve; yields the URL and how long the first look at the whole folder took, in seconds."""
    config = home.parent / "limner.toml"
    config.write_text("", encoding="utf-8")
    with ServerProcess(["--config", str(config)], home=home) as server:
        began = time.monotonic()
        wait_until_rested(server.url)
        yield server.url, time.monotonic() - began + server.ready_s


def wait_until_rested(url: str) -> None:
    """Wait until the store has been looked at and no job is left."""
    deadline = time.monotonic() + LOOKED_WITHIN_S
    while not is_looked_at(url):
        if time.monotonic() > deadline:
            raise SystemExit("the server did not come to rest in time")
        time.sleep(0.1)


def is_looked_at(url: str) -> bool:
    """Tell whether the store has been looked at as a whole, and no job runs."""
    client = Client(url)
    try:
        lines = client.ask("GET", "/metrics").body.decode().splitlines()
        looked = f'limner_store_looked_at{{project="{PROJECT}"}} 1.0' in lines
        return looked and not any(line.startswith("limner_jobs{") for line in lines)
    finally:
        client.close()


def make_queue(url: str) -> None:
    """Ask for a first sample, which has the strategy make a queue, and wait for that."""
    client = Client(url)
    client.ask("POST", f"{PATH}/next", b'{"annotator": "first"}')
    client.close()
    wait_until_rested(url)


def measure(root: Path, count: int, times: int) -> dict[str, Any]:
    """Time every request with one number of samples."""
    images, home = root / "images", root / "home"
    images.mkdir(parents=True)
    began = time.monotonic()
    fill(home, images, count)
    filled_s = time.monotonic() - began
    with running(home) as (url, looked_s):
        make_queue(url)
        client = Client(url)
        times = min(times, max(1, count // 2 - WARM_UP))
        found = requests(client, count, times)
        client.close()
    size = sum(path.stat().st_size for path in home.glob("limner.sqlite*"))
    return {
        "samples": count,
        "fill_s": round(filled_s, 1),
        "looked_s": round(looked_s, 1),
        "database_mb": size >> 20,
        **found,
    }


def labelling(client: Client, times: int) -> tuple[dict[str, Any], int]:
    """Label one sample after the other; return what it took, and the last sample's id.

    The queue runs low and is filled anew meanwhile, as it does for annotators.
    """
    masks = [mask(seed) for seed in range(1, times + WARM_UP + 1)]
    handed_out, handed_in = [], []
    sample = 0
    for number, content in enumerate(masks):
        who = json.dumps({"annotator": f"ann{number % 7}"}).encode()
        began = time.perf_counter()
        answer = client.ask("POST", f"{PATH}/next", who)
        handed_out.append((time.perf_counter() - began) * 1000)
        lent = answer.json()["assignment"]
        sample = lent["sample"]["id"]
        fields = {"annotator": lent["annotator"], "assignment": str(lent["id"]), "seconds": "9"}
        body, kind = multipart(fields, content)
        began = time.perf_counter()
        client.ask("POST", f"{PATH}/samples/{sample}/labels", body, kind)
        handed_in.append((time.perf_counter() - began) * 1000)
    return {
        "next": figures(handed_out[WARM_UP:]),
        "submit": figures(handed_in[WARM_UP:]),
    }, sample


def requests(client: Client, count: int, times: int) -> dict[str, Any]:
    """Time every request over one connection."""
    found, labelled = labelling(client, times)
    held = client.ask("POST", f"{PATH}/next", b'{"annotator": "last"}').json()["assignment"]
    label = client.ask("GET", f"{PATH}/samples/{labelled}/labels").json()
    job = client.ask("GET", f"{PATH}/jobs?limit=1").json()["items"][0]["id"]
    middle = client.ask("GET", f"{PATH}/samples?name=site&limit=1").json()["next"]
    for path in (
        "/info",
        "/plugins",
        "/projects",
        PATH,
        f"{PATH}/problems",
        f"{PATH}/samples",
        f"{PATH}/samples?limit=1000",
        f"{PATH}/samples?state=labelled",
        f"{PATH}/samples?state=ready",
        f"{PATH}/samples?name=site00",
        f"{PATH}/samples?name=site&cursor={middle}",
        f"{PATH}/samples/{count // 2}",
        f"{PATH}/samples/{count // 2}/image",
        f"{PATH}/samples/{labelled}/labels",
        f"{PATH}/assignments?annotator=ann1",
        f"/assignments/{held['id']}",
        f"/labels/{label['items'][0]['id']}/content",
        f"{PATH}/jobs",
        f"/jobs/{job}",
        f"{PATH}/models",
        f"{PATH}/progress",
        f"{PATH}/audit",
        "/health/live",
        "/health/ready",
        "/metrics",
    ):
        found[f"GET {path}".replace(f"/{count // 2}", "/N")] = timed(
            lambda path=path: client.ask("GET", path),  # type: ignore[misc]
            200,
        )
    return found


def show(few: dict[str, Any], many: dict[str, Any]) -> list[str]:
    """Print both as a table and return what misses its bound."""
    table = Table(title="Over HTTP, milliseconds")
    for column in ("request", "p50", "p99", "p50", "p99", "ratio of p50"):
        table.add_column(column, justify="right")
    table.add_row("samples", f"{few['samples']:,}", "", f"{many['samples']:,}", "", "")
    missed = []
    pairs = zip(
        [(name, each) for name, each in few.items() if isinstance(each, dict)],
        [(name, each) for name, each in many.items() if isinstance(each, dict)],
        strict=True,
    )
    for (_, less), (name, figure) in pairs:
        ratio = figure["p50_ms"] / less["p50_ms"]
        values = [less["p50_ms"], less["p99_ms"], figure["p50_ms"], figure["p99_ms"]]
        table.add_row(name, *(f"{each:.2f}" for each in values), f"{ratio:.2f}")
        missed += missed_by(name, figure, ratio)
    console.print(table)
    return missed


def missed_by(name: str, figure: dict[str, float], ratio: float) -> list[str]:
    """Say which bounds a request misses."""
    bounds = {
        "next": (NEXT_P50_MS, NEXT_P99_MS, RATIO),
        "submit": (SUBMIT_P50_MS, float("inf"), RATIO),
    }
    p50, p99, most = bounds.get(name, (float("inf"), GET_P99_MS, float("inf")))
    missed = []
    if figure["p50_ms"] > p50:
        missed.append(f"{name}: p50 {figure['p50_ms']} ms; {p50} is the bound")
    if figure["p99_ms"] > p99:
        missed.append(f"{name}: p99 {figure['p99_ms']} ms; {p99} is the bound")
    if ratio > most:
        missed.append(f"{name}: {ratio:.2f} times its p50 with few samples; {most} is the bound")
    return missed


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("bench-results/million.json"))
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="limner-bench-"))
    try:
        few = measure(root / "few", given.few, given.times)
        many = measure(root / "many", given.many, given.times)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    conclude({"few": few, "many": many, "problems": show(few, many)}, given.out, console)


if __name__ == "__main__":
    main()
