"""Real servers, in this process or in one of their own, that a test may harm as it likes."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.conftest import absent
from tests.faults.soundness import audit
from tests.http.conftest import PLUGINS, Project, image, truth, volume_bytes, wait_for

from limner.engine.local import LocalEngine
from limner.http.server import Server
from limner.loop.service import Service
from limner.records.database import Records
from limner.registry import Registry
from limner.settings import EngineSettings, Limits, Settings
from limner.simulate.server_process import ServerProcess

APPS = (PLUGINS / "tiny_app.py", PLUGINS / "tiny_strategy.py")


def mask_of(name: str) -> bytes:
    """The right mask of the image with this name, as a file."""
    return volume_bytes(truth(name))


def write_image(folder: Path, name: str) -> Path:
    """Write the image with this name, under it."""
    path = folder / f"{name}.nii.gz"
    path.write_bytes(volume_bytes(image(name)))
    return path


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem of this status that says something; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["detail"]
    assert "Traceback" not in answer.text
    return found


class Clock:
    """Seconds since 1970 as they pass, moved by what a test says."""

    def __init__(self) -> None:
        self.moved_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved_s


@dataclass
class House:
    """A server in this process with real workers; the parts can be reached."""

    home: Path
    service: Service
    http: httpx.Client
    clock: Clock
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def project(
        self,
        images: int = 4,
        *,
        name: str | None = None,
        labels: Path | None = None,
        **settings: Any,
    ) -> Project:
        """Make a project with so many images and wait until they are taken in."""
        name = name or f"project-{next(self.numbers)}"
        folder = self.home.parent / f"images-{name}"
        folder.mkdir(exist_ok=True)
        for number in range(images):
            write_image(folder, f"case{number}")
        body = {
            "name": name,
            "app": "tiny",
            "images": str(folder),
            "labels": ["shell", "core"],
            "settings": {"strategy": "tiny", "retrain_every": 0, **settings},
        }
        if labels is not None:
            body["adopt"] = str(labels)
        self.http.post("/api/v1/projects", json=body).raise_for_status()
        project = Project(name, folder, self.http)
        wait_for(lambda: project.get()["counts"]["samples"] == images)
        return project

    def samples(self, project: Project) -> dict[str, dict[str, Any]]:
        """The samples of a project by name."""
        answer = self.http.get(f"{project.url}/samples", params={"limit": 1000})
        return {each["name"]: each for each in answer.raise_for_status().json()["items"]}

    def train(self, project: Project, labels: int = 4) -> dict[str, Any]:
        """Label so many samples and train; return the job as it ended."""
        for _ in range(labels):
            lent = project.next()["assignment"]
            project.label(lent["sample"], assignment=lent["id"])
        job = self.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status()
        return project.ended(job.json()["id"])

    def idle(self, project: Project) -> None:
        """Wait until a project has no job that waits or runs."""

        def is_idle() -> bool:
            jobs = self.http.get(f"{project.url}/jobs").raise_for_status().json()["items"]
            return all(each["state"] in ("succeeded", "failed", "cancelled") for each in jobs)

        wait_for(is_idle)


@contextmanager
def open_house(
    home: Path, *, records_wait_s: float = 10.0, plugins: tuple[Path, ...] = APPS, **engine: Any
) -> Iterator[House]:
    """A server in this process; its home is not audited here."""
    settings = Settings(
        home=home,
        port=0,
        plugins=plugins,
        limits=Limits(max_body_bytes=64 << 20),
        engine=EngineSettings(device="cpu", predictor_threads=1, learner_threads=1, **engine),
    )
    clock = Clock()
    registry = Registry(settings.plugins)
    local = LocalEngine(settings.engine, registry, home / "logs")
    records = Records.open(home, wait_s=records_wait_s)
    service = Service(settings, records, local, registry, clock)
    server = Server(service, settings)
    with ExitStack() as stack:
        service.start()
        stack.callback(service.stop)
        server.start()
        stack.callback(server.stop, 1.0)
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        yield House(home, service, http, clock)


Mounted = Callable[[str], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mounted]:
    """Mount a disk of the size given, such as `8m`, that can really be full."""
    made: list[Path] = []

    def mount(size: str) -> Path:
        place = tmp_path / f"disk{len(made)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            told = done.stderr
        except FileNotFoundError:
            told = "there is no mount"
        if told:
            absent(f"A small disk cannot be mounted ({told.strip()}); run this test as root.")
        made.append(place)
        return place

    yield mount
    for place in reversed(made):
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=30)


MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path, small_disk: Mounted) -> Iterator[MakeHouse]:
    """Open a server of one's own; when the test is over, its home has to be sound.

    Disks that a home uses are still there then, so that it can be looked at.
    """
    with ExitStack() as stack:
        made: list[House] = []

        def make(**options: Any) -> House:
            home = tmp_path / f"home{len(made)}"
            made.append(stack.enter_context(open_house(home, **options)))
            return made[-1]

        yield make
        stack.close()
        assert [told for house in made for told in audit(house.home, now=house.clock())] == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server for the tests of one file; at the end, its home has to be sound."""
    home = tmp_path_factory.mktemp("faults") / "home"
    with open_house(home, predict_timeout_s=3, memory_limit_mb=600) as made:
        yield made
    assert audit(home) == []


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Write a file that leaves so many bytes of a disk free; return it."""
    path = disk / "filling"
    with path.open("wb", buffering=0) as file:
        chunk = b"\0" * 65536
        try:
            while True:
                file.write(chunk)
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    if leave:
        with path.open("r+b") as file:
            file.truncate(max(0, path.stat().st_size - leave))
    return path


def settings_file(
    path: Path, images: Path, project: Mapping[str, Any], engine: Mapping[str, Any]
) -> Path:
    """Write a settings file with one project, `faults`."""

    def lines(values: Mapping[str, Any]) -> list[str]:
        return [f"{name} = {_toml(value)}" for name, value in values.items()]

    plugins = ", ".join(f'"{each}"' for each in APPS)
    path.write_text(
        "\n".join(
            [
                "[server]",
                f"plugins = [{plugins}]",
                "[engine]",
                *lines({"device": "cpu", "predictor_threads": 1, "learner_threads": 1, **engine}),
                "[[projects]]",
                *lines({"name": "faults", "app": "tiny", "images": str(images)}),
                'labels = ["shell", "core"]',
                "[projects.settings]",
                *lines({"strategy": "tiny", **project}),
            ]
        )
    )
    return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def workers_of(server: ServerProcess) -> dict[str, list[psutil.Process]]:
    """The workers of a server: its predictors, and those that work in the background."""
    found: dict[str, list[psutil.Process]] = {"predictor": [], "learner": []}
    with suppress(psutil.Error):  # one of them has just ended
        own = psutil.Process(server.pid)
        for child in own.children():
            if "limner.engine.worker" in " ".join(child.cmdline()):
                found["learner" if child.nice() > own.nice() else "predictor"].append(child)
    return found
