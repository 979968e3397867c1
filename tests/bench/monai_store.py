"""What clients of MONAI Label wait for beside a large store: an image, a label, the figures."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nibabel
import numpy as np
from tests.bench.million import (
    PATH,
    WARM_UP,
    figures,
    fill,
    make_queue,
    running,
    timed,
    took_ms,
    wait_until_rested,
)
from tests.bench.million import Client as RestClient
from tests.bench.monai_client import Client, form
from tests.bench.volumes import SHAPE

CLIENTS = 20
USUAL = {"strategy": "entropy", "max_held": 20}
"""What a project has that nobody changed."""


def large(root: Path, count: int, times: int) -> dict[str, Any]:
    """Time handing out, taking labels in and listing all, with so many images."""
    with_images(root, count)
    with running(root / "home") as (url, _):
        as_usual(url)
        return {
            "images": count,
            "next": handing_out(url, times),
            "label": taking_in(url, root, times),
            "info": info(url, times),
            "everything": everything(url),
        }


def huge(root: Path, count: int, times: int) -> dict[str, Any]:
    """Time what is said of a project with so many images."""
    with_images(root, count)
    with running(root / "home") as (url, looked_s):
        as_usual(url)
        return {"images": count, "looked_s": round(looked_s, 1), **info(url, times)}


def with_images(root: Path, count: int) -> None:
    (root / "images").mkdir(parents=True)
    fill(root / "home", root / "images", count)


def as_usual(url: str) -> None:
    """Give the project the usual settings and a queue, and wait until the server rests."""
    client = RestClient(url)
    client.ask("PATCH", PATH, json.dumps({"settings": USUAL}).encode())
    client.close()
    wait_until_rested(url)
    make_queue(url)


def handing_out(url: str, times: int) -> dict[str, dict[str, float]]:
    """Ask for the next image in three ways.

    Several clients hold less than they may; the one that asks on and on holds as much as it may, so
    that each call gives an image back as well.
    """
    several = [Client(url, keeps=True) for _ in range(CLIENTS)]
    found = {
        "several clients, kept connections": figures(
            [
                took_ms(lambda n=n: ask_next(several[n % CLIENTS], f"viewer{n % CLIENTS}"))  # type: ignore[misc]
                for n in range(min(times, CLIENTS * (USUAL["max_held"] - 1)))  # type: ignore[operator]
            ][CLIENTS:]
        )
    }
    for name, keeps in (("one client, kept connection", True), ("one client, new ones", False)):
        client = Client(url, keeps=keeps)
        found[name] = timed(lambda: ask_next(client, "asks on"), times)  # noqa: B023
        client.close()
    for each in several:
        each.close()
    return found


def ask_next(client: Client, who: str) -> str:
    """Ask for the next image; return its id."""
    body = json.dumps({"client_id": who}).encode()
    image: str = client.ask("POST", "/activelearning/random", body).json()["id"]
    return image


def taking_in(url: str, root: Path, times: int) -> dict[str, dict[str, float]]:
    """Hand in a different label for one image after the other, in turns with two bare syncs."""
    client = Client(url, keeps=True)
    names = [ask_next(client, f"labels{number}") for number in range(times + WARM_UP)]
    labels = [outline(seed) for seed in range(times + WARM_UP)]
    handed_in, synced = [], []
    for number, (name, content) in enumerate(zip(names, labels, strict=True)):
        sent = form({"client_id": f"labels{number}"}, "label", "label.nii.gz", content)
        path = f"/datastore/label?image={quote(name)}&tag=final"
        handed_in.append(took_ms(lambda p=path, s=sent: client.ask("PUT", p, *s)))  # type: ignore[misc]
        synced.append(took_ms(lambda c=content: two_syncs(root, c)))  # type: ignore[misc]
    client.close()
    return {
        "PUT": figures(handed_in[WARM_UP:]),
        "two bare syncs": figures(synced[WARM_UP:]),
        "bytes": {"p50": sorted(len(each) for each in labels)[len(labels) // 2]},
    }


def two_syncs(root: Path, content: bytes) -> None:
    """Write a label into a new file and a line into a journal, and sync both."""
    for path in (root / f"bare{time.monotonic_ns()}", root / "journal"):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(file, content)
        os.fsync(file)
        os.close(file)


def info(url: str, times: int) -> dict[str, dict[str, float]]:
    """Ask what the project is."""
    found = {}
    for name, keeps in (("kept connection", True), ("new ones", False)):
        client = Client(url, keeps=keeps)
        found[name] = timed(lambda: client.ask("GET", "/info/"), times)  # noqa: B023
        client.close()
    return found


def everything(url: str) -> dict[str, float]:
    """Ask for all that is kept of every image, three times; the quickest counts."""
    client = Client(url, keeps=False)
    taken, size = [], 0

    def ask() -> None:
        nonlocal size
        size = len(client.ask("GET", "/datastore/?output=all").body)

    for _ in range(3):
        taken.append(took_ms(ask) / 1000)
    return {"s": round(min(taken), 2), "mb": round(size / 1e6, 1)}


def outline(seed: int) -> bytes:
    """Return a mask of two classes of the size of a hippocampus, as a NIfTI of about a kilobyte."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SHAPE).astype(np.float32)
    middle, half = np.array([17, 25, 18]), np.array([7, 15, 6])
    rough = rng.normal(0, 0.15, size=SHAPE)
    away = sum(((grid[n] - middle[n]) / half[n]) ** 2 for n in range(3)) + rough
    values = np.where(away < 1, np.where(grid[1] < 24, 1, 2), 0).astype(np.uint8)
    data: bytes = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    return gzip.compress(data, mtime=0)
