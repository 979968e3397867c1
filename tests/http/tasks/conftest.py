"""Projects of pictures with tiny apps of the other two tasks, on the server of the folder above."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

SHAPE = (24, 20)
CLASSES = ("dark", "bright")
LEVELS = (20, 120, 220)
"""Intensities of the background and of the two classes."""


@dataclass(frozen=True)
class Pictures:
    """A project of pictures."""

    name: str
    http: httpx.Client
    wait_for: Callable[[Callable[[], Any]], Any]

    @property
    def url(self) -> str:
        return f"/api/v1/projects/{self.name}"

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.url).raise_for_status().json()
        return found

    def change(self, **body: Any) -> httpx.Response:
        return self.http.patch(self.url, json=body)

    def samples(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get(f"{self.url}/samples").json()["items"]
        return found

    def labels(self, sample: int) -> list[dict[str, Any]]:
        answer = self.http.get(f"{self.url}/samples/{sample}/labels")
        found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return found

    def submit(self, sample: int, content: bytes, name: str, **fields: Any) -> httpx.Response:
        return self.http.post(
            f"{self.url}/samples/{sample}/labels",
            files={"file": (name, content)},
            data={"annotator": "ann", **fields},
        )

    def submit_json(self, sample: int, **body: Any) -> httpx.Response:
        return self.http.post(
            f"{self.url}/samples/{sample}/labels", json={"annotator": "ann", **body}
        )

    def predict(self, sample: int, accept: str = "*/*", **query: str) -> httpx.Response:
        url = f"{self.url}/samples/{sample}/predict"
        return self.http.post(url, params=query, headers={"Accept": accept})

    def train(self) -> dict[str, Any]:
        """Train, and return the job when it and the scan of the pool have ended."""
        job = self.http.post(f"{self.url}/jobs", json={"kind": "train"}).raise_for_status().json()

        def trained() -> dict[str, Any] | None:
            found: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job['id']}").json()
            return found if found["state"] in {"succeeded", "failed", "cancelled"} else None

        done: dict[str, Any] = self.wait_for(trained)
        assert done["state"] == "succeeded", done["error"]
        self.wait_for(lambda: not self.http.get(f"{self.url}/progress").json()["jobs"])
        return done


def numbered(name: str) -> npt.NDArray[np.uint16]:
    """The true instance map of a picture: odd numbers are dark objects, even ones bright."""
    random = np.random.default_rng(_seed(name))
    found = np.zeros(SHAPE, np.uint16)
    for number in range(1, 5):
        row, column = divmod(number - 1, 2)
        top, left = 12 * row + int(random.integers(1, 4)), 10 * column + int(random.integers(1, 3))
        found[top : top + 6, left : left + 5] = number
    return found


def class_of(name: str) -> str:
    """The true class of a whole picture."""
    return CLASSES[_seed(name) % 2]


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def png(array: npt.NDArray[Any]) -> bytes:
    """A PNG file of grey levels, of 8 or 16 bits."""
    written = io.BytesIO()
    PIL.Image.fromarray(array).save(written, "PNG")
    return written.getvalue()


def cells(name: str) -> npt.NDArray[np.uint8]:
    """A picture of objects, each of its class's intensity."""
    objects = numbered(name)
    places = np.where(objects == 0, 0, 2 - objects % 2)
    noise = np.random.default_rng(_seed(name)).normal(0, 5, SHAPE)
    return np.asarray(np.clip(np.take(LEVELS, places) + noise, 0, 255), np.uint8)


def plain(name: str) -> npt.NDArray[np.uint8]:
    """A picture that is dark or bright as a whole."""
    level = LEVELS[1 + CLASSES.index(class_of(name))]
    noise = np.random.default_rng(_seed(name)).normal(0, 5, SHAPE)
    return np.asarray(np.clip(level + noise, 0, 255), np.uint8)


MakePictures = Callable[..., Pictures]


class Tools:
    """What tests draw, and what they know of the pictures."""

    shape = SHAPE

    def png(self, array: npt.NDArray[Any]) -> bytes:
        return png(array)

    def numbered(self, name: str) -> npt.NDArray[np.uint16]:
        return numbered(name)

    def class_of(self, name: str) -> str:
        return class_of(name)


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Draws what tests hand in."""
    return Tools()


@pytest.fixture(scope="session")
def make_pictures(live: Any) -> MakePictures:
    """Make a project of drawn pictures: `make_pictures("tiny-instances", 6, multi_label=…)`."""

    def make(
        app: str,
        images: int = 6,
        *,
        labels: tuple[str, ...] = CLASSES,
        adopt: Path | None = None,
        **settings: Any,
    ) -> Pictures:
        name = f"pictures-{next(live.numbers)}"
        folder = live.folder / name
        folder.mkdir()
        draw = plain if app == "tiny-classifier" else cells
        for number in range(images):
            (folder / f"case{number}.png").write_bytes(png(draw(f"case{number}")))
        body = {
            "name": name,
            "app": app,
            "images": str(folder),
            "labels": list(labels),
            "adopt": None if adopt is None else str(adopt),
            "settings": {"strategy": "entropy", "retrain_every": 0, **settings},
        }
        live.http.post("/api/v1/projects", json=body).raise_for_status()
        pictures = Pictures(name, live.http, live.wait_for)
        live.wait_for(lambda: pictures.get()["counts"]["samples"] == images)
        return pictures

    return make
