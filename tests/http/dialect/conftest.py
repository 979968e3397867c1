"""A server with small volumes, asked as MONAI Label's clients ask."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from tests.http.conftest import PLUGINS, image, running, truth, volume_bytes, wait_for

from limner.loop.service import Service
from limner.settings import EngineSettings, Limits, Settings

ENGINE = EngineSettings(device="cpu", predictor_threads=1, learner_threads=1)
NUMBERS = count(1)


@dataclass(frozen=True)
class Site:
    """A running server."""

    service: Service
    url: str
    http: httpx.Client
    folder: Path


class Dialect:
    """A project, and a client that speaks to it under `/monai/PROJECT`."""

    def __init__(self, site: Site, name: str, folder: Path) -> None:
        self.service = site.service
        self.root = site.url
        self.name = name
        self.folder = folder
        self._http = site.http

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._http.request(method, f"{self.root}/monai/{self.name}{path}", **more)

    def submit(self, sample: str, content: bytes, tag: str = "", **params: Any) -> httpx.Response:
        return self.ask(
            "PUT",
            "/datastore/label",
            params={"image": sample, **({"tag": tag} if tag else {})},
            files={"label": ("label.nii.gz", content)},
            data={"params": json.dumps(params)},
        )

    def next(self, client_id: str = "ann", strategy: str = "random") -> dict[str, Any]:
        answer = self.ask("POST", f"/activelearning/{strategy}", json={"client_id": client_id})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a refused request must leave alone."""
        listed = self.ask("GET", "/datastore/?output=all").raise_for_status().json()
        project = self.service.projects.get(self.name)
        held = [each.id for each in self.service.assignments.held(self.name, "ann")]
        files = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        return {"all": listed, "labelled": project.labelled, "held": held, "files": files}

    def label_here(self, times: int = 4) -> None:
        """Label some images, and train."""
        for _ in range(times):
            name = self.next()["id"]
            self.submit(name, volume_bytes(truth(name)), client_id="ann").raise_for_status()
        answer = self.ask("POST", "/train/tiny?run_sync=true", json={})
        assert answer.json()["status"] == "DONE"
        wait_for(lambda: not self.service.jobs.unfinished(self.service.projects.get(self.name).id))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests here."""
    folder = tmp_path_factory.mktemp("dialect")
    settings = Settings(
        home=folder / "home",
        port=0,
        plugins=tuple(PLUGINS / each for each in ("tiny_app.py", "clicking.py")),
        limits=Limits(max_body_bytes=8 << 20),
        engine=ENGINE,
    )
    with running(settings) as (service, server), httpx.Client(timeout=60) as http:
        yield Site(service, server.url, http, folder)


def made(
    site: Site,
    *,
    app: str = "tiny",
    images: int = 5,
    labels: Any = ("shell", "core"),
    **settings: Any,
) -> Dialect:
    """Make a project of small volumes, and wait until they are taken in."""
    name = f"dialect-{next(NUMBERS)}"
    place = site.folder / name
    place.mkdir()
    for number in range(images):
        (place / f"case{number}.nii.gz").write_bytes(volume_bytes(image(f"case{number}")))
    body = {
        "name": name,
        "app": app,
        "images": str(place),
        "labels": labels if isinstance(labels, dict) else list(labels),
        "settings": {
            "strategy": "random",
            "retrain_every": 0,
            "validation_share": 0.2,
            **settings,
        },
    }
    site.http.post(f"{site.url}/api/v1/projects", json=body).raise_for_status()
    wait_for(lambda: site.service.projects.get(name).samples == images)
    return Dialect(site, name, place)


@pytest.fixture
def dialect(site: Site) -> Dialect:
    """A project with five images and no label."""
    return made(site)


@pytest.fixture(scope="session")
def trained(site: Site) -> Dialect:
    """A project with a model that serves."""
    dialect = made(site, images=7)
    dialect.label_here()
    return dialect


def spoken(url: str, request: bytes, timeout_s: float = 10.0) -> bytes:
    """Send bytes over a connection of their own; return all that comes until it ends."""
    place = urlsplit(url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=timeout_s) as link:
        link.sendall(request)
        pieces = []
        while piece := link.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def mask_of(name: str, value: int = 1) -> bytes:
    """A mask file of an image with one class in one corner."""
    mask = np.zeros_like(truth(name))
    mask[:3, :3, :3] = value
    return volume_bytes(mask)
