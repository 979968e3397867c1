"""A real server with real workers on a free port, small images, and a way to wait for things."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import nibabel
import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from limner.cli.server_run import build
from limner.http.server import Server
from limner.loop.service import Service
from limner.records import plugins as plugin_rows
from limner.settings import EngineSettings, Limits, Settings

PLUGINS = Path(__file__).parent.parent / "plugins"
TINY = ("tiny_app.py", "tiny_instances.py", "tiny_classifier.py", "tiny_strategy.py")
SHAPE = (10, 12, 8)
T = TypeVar("T")


def wait_for(question: Callable[[], T | bool | None], timeout_s: float = 60) -> T:
    """Ask until the answer is neither None nor False."""
    deadline = time.monotonic() + timeout_s
    pause = 0.005
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer  # type: ignore[return-value]
        assert time.monotonic() < deadline, f"waited for more than {timeout_s} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def volume_bytes(array: npt.NDArray[Any], shift: float = 0.0) -> bytes:
    """A gzipped NIfTI file with 1 × 1 × 2 mm voxels."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 3] = shift
    data: bytes = nibabel.Nifti1Image(array, affine).to_bytes()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        file.write(data)
    return packed.getvalue()


def truth(name: str) -> npt.NDArray[np.uint8]:
    """The right mask of the image with this name: a box of class 1 around one of class 2."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    rng = np.random.default_rng(number)
    i, j, k = (int(rng.integers(1, size - 5)) for size in SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    mask[i : i + 4, j : j + 5, k : k + 4] = 1
    mask[i + 1 : i + 3, j + 1 : j + 4, k + 1 : k + 3] = 2
    return mask


def image(name: str) -> npt.NDArray[np.int16]:
    """An image whose classes differ by intensity, with noise."""
    rng = np.random.default_rng(len(name))
    clean = np.choose(truth(name), [0, 500, 1000])
    return (clean + rng.normal(0, 40, SHAPE)).astype(np.int16)


@dataclass(frozen=True)
class Project:
    """A project of the server under test."""

    name: str
    folder: Path
    http: httpx.Client

    @property
    def url(self) -> str:
        return f"/api/v1/projects/{self.name}"

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.url).raise_for_status().json()
        return found

    def next(self, annotator: str = "ann") -> dict[str, Any]:
        answer = self.http.post(f"{self.url}/next", json={"annotator": annotator})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def submit(
        self, sample: int, content: bytes, name: str = "mask.nii.gz", **fields: Any
    ) -> httpx.Response:
        return self.http.post(
            f"{self.url}/samples/{sample}/labels",
            files={"file": (name, content)},
            data={"annotator": "ann", **fields},
        )

    def label(self, sample: dict[str, Any], **fields: Any) -> dict[str, Any]:
        mask = volume_bytes(truth(sample["name"]))
        answer = self.submit(sample["id"], mask, **fields).raise_for_status()
        found: dict[str, Any] = answer.json()["label"]
        return found

    def parts(self) -> dict[str, Any]:
        """Label, train and hold something; a value that is there for every part of a path."""
        lent = self.next("holder")["assignment"]
        label = self.label(self.next()["assignment"]["sample"])
        job = self.http.post(f"{self.url}/jobs", json={"kind": "train"}).raise_for_status().json()
        assert self.ended(job["id"])["state"] == "succeeded"
        return {
            "project": self.name,
            "sample": lent["sample"]["id"],
            "assignment": lent["id"],
            "label": label["id"],
            "job": job["id"],
            "number": 1,
            "kind": "strategy",
            "name": "first",
        }

    def ended(self, job: int) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job}").raise_for_status().json()
            return found if found["state"] in {"succeeded", "failed", "cancelled"} else None

        return wait_for(look)


@dataclass(frozen=True)
class Live:
    """A running server."""

    url: str
    service: Service
    server: Server
    http: httpx.Client
    folder: Path
    numbers: Iterator[int]

    def wait_for(self, question: Callable[[], T | bool | None]) -> T:
        return wait_for(question)

    def project(self, images: int = 4, **settings: Any) -> Project:
        """Make a project of its own, and wait until its images are taken in."""
        name = f"project-{next(self.numbers)}"
        folder = self.folder / name
        folder.mkdir()
        for number in range(images):
            content = volume_bytes(image(f"case{number}"))
            (folder / f"case{number}.nii.gz").write_bytes(content)
        body = {
            "name": name,
            "app": "tiny",
            "images": str(folder),
            "labels": ["shell", "core"],
            "settings": {"strategy": "tiny", "retrain_every": 0, **settings},
        }
        self.http.post("/api/v1/projects", json=body).raise_for_status()
        project = Project(name, folder, self.http)
        wait_for(lambda: project.get()["counts"]["samples"] == images)
        return project


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Service, Server]]:
    """Run a service and its server in this process for as long as a block lasts."""
    service = build(settings)
    server = Server(service, settings)
    service.start()
    server.start()
    try:
        yield service, server
    finally:
        server.stop()
        service.stop()


@contextmanager
def passing_projects(service: Service) -> Iterator[None]:
    """Delete the projects that are made within a block.

    Each one's folder is watched, and a system watches only so many of a user's (inotify: 128).
    """
    before = _names(service)
    yield
    for name in _names(service) - before:
        service.projects.delete(name, "test")


def _names(service: Service) -> set[str]:
    return {each.name for each in service.projects.list(limit=1000).items}


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Live]:
    """Serve with the tiny plugins for as long as a block lasts."""
    chosen = Settings(
        home=folder / "home",
        port=0,
        plugins=tuple(PLUGINS / name for name in TINY),
        limits=Limits(max_body_bytes=8 << 20),
        engine=EngineSettings(device="cpu", predictor_threads=1, learner_threads=1),
        **settings,
    )
    with (
        running(chosen) as (service, server),
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        yield Live(server.url, service, server, http, folder, count(1))


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for an answer that is neither None nor False, for tests with a server of their own."""
    return wait_for


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One server for all tests of this folder; every test makes its own projects.

    Its client carries the admin token, so that no route is closed to it.
    """
    folder = tmp_path_factory.mktemp("live")
    plugins = folder / "plugins"
    plugins.mkdir()
    with served(folder, plugin_folder=plugins, admin_token="an admin's") as live:
        live.http.headers["Authorization"] = "Bearer an admin's"
        yield live


@pytest.fixture(autouse=True)
def _passing_projects(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no project of the servers of this folder outlive the test that made it."""
    with ExitStack() as stack:
        for name in {"live", "site"} & set(request.fixturenames):
            stack.enter_context(passing_projects(request.getfixturevalue(name).service))
        yield


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[Live]]:
    """Make further servers, with settings of their own: `with serve(folder, token=…) as live`."""
    return served


@pytest.fixture(scope="session")
def http(live: Live) -> httpx.Client:
    """Speaks to the server."""
    return live.http


@pytest.fixture
def project(live: Live) -> Project:
    """A project with four images and no label."""
    return live.project()


@pytest.fixture(scope="session")
def trained(live: Live) -> Project:
    """A project with a model that serves."""
    project = live.project(images=6)
    for _ in range(4):
        lent = project.next()["assignment"]
        project.label(lent["sample"], assignment=lent["id"])
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"
    return project


ADMIN = {"Authorization": "Bearer the-admin-token"}

STRATEGY = """
import time
from pathlib import Path
from limner.plugin import Pick, StrategyManifest

manifest = StrategyManifest(
    name={name!r}, version={word!r}, factory=":Made", needs=frozenset({needs}), title="In order",
    licence="MIT",
)

class Made:
    def pick(self, pool, count, seed):
        if {gate!r}:
            Path({gate!r} + ".began").touch()
        while {gate!r} and not Path({gate!r}).exists():
            time.sleep(0.01)
        rows = sorted(range(len(pool.ids)), key=lambda row: pool.ids[row], reverse={reverse})
        return [Pick(index=row, score=0.0, reason={word!r}) for row in rows[:count]]
"""


@dataclass(frozen=True)
class Site:
    """A running server with a plugin folder."""

    service: Service
    http: httpx.Client
    """Sends the admin token."""
    folder: Path
    home: Path

    def write_strategy(
        self,
        file: str,
        *,
        name: str,
        word: str = "one",
        reverse: bool = False,
        gate: str = "",
        needs: str = "",
    ) -> str:
        """Write a strategy into the plugin folder and return its text."""
        text = STRATEGY.format(name=name, word=word, reverse=reverse, gate=gate, needs=needs)
        (self.folder / file).write_text(text)
        return text

    def register(self, **body: Any) -> httpx.Response:
        return self.http.post("/api/v1/plugins", json=body)

    def listed(self) -> dict[tuple[str, str], dict[str, Any]]:
        items = self.http.get("/api/v1/plugins").raise_for_status().json()["items"]
        return {(each["kind"], each["name"]): each for each in items}

    def state(self) -> tuple[object, ...]:
        """Everything that a refused request must leave alone."""
        with self.service.records.read() as tx:
            return self.service.registry.found, plugin_rows.every(tx)

    def project(self, name: str, **settings: Any) -> str:
        images = self.home / name
        images.mkdir(parents=True)
        for number in range(4):
            shutil.copy(self.folder.parent / "pixel.png", images / f"case{number}.png")
        body = {
            "name": name,
            "app": "tiny",
            "images": str(images),
            "labels": ["shell"],
            "settings": {"strategy": "first", "cold_start": "first", "validation_share": 0}
            | settings,
        }
        self.http.post("/api/v1/projects", json=body).raise_for_status()
        return f"/api/v1/projects/{name}"


@contextmanager
def serving_plugins(root: Path, **more: Any) -> Iterator[Site]:
    """Run a server with a plugin folder, an ordinary token and an admin token."""
    (root / "plugins").mkdir(exist_ok=True)
    PIL.Image.new("L", (8, 8)).save(root / "pixel.png")
    given = {
        "token": "the-ordinary-token",
        "admin_token": "the-admin-token",
        "plugin_folder": root / "plugins",
        "plugins": (PLUGINS / "tiny_app.py",),
        **more,
    }
    settings = Settings(
        home=root / "home",
        port=0,
        engine=EngineSettings(device="cpu", predictor_threads=1, learner_threads=1),
        **given,
    )
    with (
        running(settings) as (service, server),
        httpx.Client(base_url=server.url, timeout=120, headers=ADMIN) as http,
    ):
        yield Site(service, http, root / "plugins", root / "home")


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Runs a server with a plugin folder, for tests that need more than one."""
    return serving_plugins


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server with a plugin folder for all tests of plugins; its client is the admin."""
    with serving_plugins(tmp_path_factory.mktemp("site")) as running:
        yield running
