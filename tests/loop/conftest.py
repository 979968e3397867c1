"""A loop without engine and HTTP: real records, stores and rules; a clock that tests move."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import imagecodecs
import nibabel
import numpy as np
import pytest
from sqlalchemy import event

from limner.engine import Engine
from limner.loop.assign import Assignments, Lent
from limner.loop.collect import Labels, Submitted
from limner.loop.events import Events
from limner.loop.export import Exports
from limner.loop.ingest import Ingest
from limner.loop.intake import draw_of
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.progress import ProgressReports
from limner.loop.projects import Projects
from limner.loop.samples import Samples
from limner.loop.sessions import Sessions
from limner.loop.tags import Tags
from limner.records import counts
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import FILE_NAME, Records
from limner.records.rows import Project, QueueEntry, Sample
from limner.registry import Registry
from limner.settings import Limits, ProjectConfig, ProjectSettings
from limner.stores.blobs import Blobs

SHAPE = (5, 4, 3)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])

PLUGIN = """
from limner.plugin import Ability, AppManifest, Need, Option, StrategyManifest, Task

manifests = [
    AppManifest(name="outline", version="1", factory=":make", task=Task.SEGMENTATION,
                dimensions=frozenset({2, 3}), abilities=frozenset(), title="Outlines",
                licence="Apache-2.0", max_classes=3,
                options={"depth": Option(default=2, help="How deep.", minimum=1, maximum=5)}),
    AppManifest(name="parts", version="1", factory=":make", task=Task.SEGMENTATION,
                dimensions=frozenset({2, 3}),
                abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.REGIONS}),
                title="Outlines of parts", licence="Apache-2.0"),
    AppManifest(name="objects", version="1", factory=":make", task=Task.INSTANCES,
                dimensions=frozenset({2, 3}), abilities=frozenset(), title="Objects",
                licence="Apache-2.0"),
    AppManifest(name="kinds", version="1", factory=":make", task=Task.CLASSIFICATION,
                dimensions=frozenset({2, 3}), abilities=frozenset(), title="Kinds",
                licence="Apache-2.0"),
    StrategyManifest(name="in-turn", version="1", factory=":make", needs=frozenset(),
                     title="In turn", licence="Apache-2.0"),
    StrategyManifest(name="unsure", version="1", factory=":make",
                     needs=frozenset({Need.SCORES}), title="Unsure", licence="Apache-2.0"),
]


def make():
    raise AssertionError("nothing here makes a plugin")
"""


class Clock:
    """Seconds since 1970; a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class RetrainRecorder:
    """Notes which projects had new labels."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def label_submitted(self, project: Project) -> None:
        self.told.append((project.name, project.labels_since_training))


class WakeRecorder:
    """Takes note of labels that are to be compared with what was offered."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


def _unsynced(connection: Any, _: object) -> None:
    """Wait for no disk: these tests are about rules, and durability has tests of its own."""
    connection.execute("PRAGMA synchronous=OFF")


class House:
    """Every part of the loop that needs no engine, wired as the service wires them."""

    def __init__(self, root: Path, registry: Registry, database: Path) -> None:
        self.root = root
        (root / "home").mkdir()
        shutil.copy(database, root / "home" / FILE_NAME)
        self.images = root / "images"
        self.images.mkdir()
        self.clock = Clock()
        self.limits = Limits()
        self.records = Records.open(root / "home")
        for engine in self.records.engines:
            event.listen(engine, "connect", _unsynced)
            engine.dispose()
        self.events = Events()
        self.blobs = Blobs(root / "home" / "blobs")
        self.registry = registry
        self.retrain = RetrainRecorder()
        self.projects = Projects(self.records, registry, self.events, self.clock, self.limits)
        self.samples = Samples(self.records, self.projects, self.events, self.clock)
        self.jobs = Jobs(self.records, self.events, self.clock)
        self.models = Models(
            self.records,
            self.projects,
            self.blobs,
            self.jobs,
            cast("Engine", None),
            self.events,
            self.clock,
        )
        self.assignments = Assignments(
            self.records, self.projects, self.jobs, self.events, self.clock
        )
        self.corrections = WakeRecorder()
        self.labels = Labels(
            self.records,
            self.projects,
            self.blobs,
            self.retrain,
            self.events,
            self.clock,
            self.limits,
            self.corrections,
        )
        self.tags = Tags(self.records, self.projects, self.events, self.clock)
        self.sessions = self.make_sessions()
        self.ingest = Ingest(
            self.records, self.projects, self.labels, self.jobs, self.events, self.clock
        )
        self.progress = ProgressReports(self.records, self.projects, self.models, self.jobs)
        self.exports = Exports(self.records, self.projects, self.blobs)

    def make_sessions(self) -> Sessions:
        """Make the sessions, as a start of the service does; they last an hour."""
        folder = self.root / "home" / "sessions"
        return Sessions(self.records, self.projects, folder, self.clock, 3600)

    def config(self, **changes: Any) -> ProjectConfig:
        settings = {"strategy": "unsure", "cold_start": "in-turn"} | changes.pop("settings", {})
        values: dict[str, Any] = {
            "name": "liver",
            "app": "outline",
            "images": self.images,
            "labels": ["organ", "tumour"],
        }
        return ProjectConfig(**(values | changes), settings=ProjectSettings(**settings))

    def project(self, **settings: Any) -> Project:
        """Make the project `liver`."""
        return self.projects.create(self.config(settings=settings))

    def pool(self, count: int) -> list[Sample]:
        """Put samples into `liver` that have no files: quick, for what reads no image."""
        project = self.projects.get("liver")
        rows = [
            {
                "project_id": project.id,
                "name": f"case{number:04d}",
                "files": [f"case{number:04d}.nii.gz"],
                "state": "ready",
                "shape": list(SHAPE),
                "spacing_mm": [1.0, 1.0, 2.0],
                "channels": 1,
                "format": ".nii.gz",
                "draw": draw_of(0, f"case{number:04d}"),
                "created_at": self.clock(),
            }
            for number in range(count)
        ]
        with self.records.write() as tx:
            sample_rows.add_many(tx, rows)
            project_rows.add_counts(tx, project.id, {"samples": count})
            return list(sample_rows.walk(tx, project.id))

    def queue(self, samples: list[Sample]) -> int:
        """Queue samples of `liver` as a strategy would."""
        project = self.projects.get("liver")
        entries = [
            QueueEntry(
                sample_id=each.id,
                strategy="unsure",
                score=1 - place / 1000,
                reason=f"place {place}",
                model_id=None,
            )
            for place, each in enumerate(samples)
        ]
        with self.records.write() as tx:
            return queue_rows.replace(tx, project.id, entries)

    def volume(self, name: str, *, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Path:
        """Write a small volume into the store."""
        values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)
        return path

    def volumes(self, count: int) -> list[Sample]:
        """Write volumes into the store of `liver` and take them in."""
        for number in range(count):
            self.volume(f"case{number:04d}.nii.gz", seed=number)
        self.ingest.sync("liver")
        return self.samples.list("liver", limit=1000).items

    def picture(self, name: str, *, seed: int = 0, shape: tuple[int, int] = (20, 30)) -> Path:
        """Write a small picture into the store."""
        pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(imagecodecs.png_encode(pixels))
        return path

    def mask(self, fill: int = 1, *, shape: tuple[int, ...] = SHAPE) -> bytes:
        """Return the bytes of a mask with one voxel of a class."""
        values = np.zeros(shape, np.uint8)
        values[0, 0, 0] = fill
        return cast("bytes", nibabel.Nifti1Image(values, AFFINE).to_bytes())

    def submit(
        self,
        sample_id: int,
        annotator: str = "ann",
        *,
        fill: int = 1,
        data: bytes | None = None,
        filename: str = "label.nii",
        **more: Any,
    ) -> Submitted:
        return self.labels.submit(
            "liver",
            sample_id,
            file=io.BytesIO(self.mask(fill) if data is None else data),
            filename=filename,
            annotator=annotator,
            **more,
        )

    def next(self, annotator: str = "ann", strategy: str | None = None) -> Lent:
        """Lend a sample; there has to be one."""
        lent = self.assignments.next("liver", annotator, strategy)
        assert isinstance(lent, Lent), lent
        return lent

    def kept_counts(self) -> Mapping[str, int]:
        """Return the counts that the project keeps."""
        project = self.projects.get("liver")
        return {name: getattr(project, name) for name in (*project_rows.COUNTS, "queued")}

    def scanned_counts(self) -> Mapping[str, int]:
        """Return the same counts by looking at every row."""
        project = self.projects.get("liver")
        with self.records.read() as tx:
            rows = tx.exec_driver_sql("SELECT state, is_validation FROM samples").all()
            queued = tx.exec_driver_sql("SELECT count(*) FROM queue").scalar_one()
        found = counts.total(
            counts.counted(row.state, is_validation=bool(row.is_validation)) for row in rows
        )
        assert project is not None
        return {name: found[name] for name in project_rows.COUNTS} | {"queued": queued}

    def audited(self) -> list[str]:
        """Return the actions of the audit trail, oldest first."""
        with self.records.read() as tx:
            return list(tx.exec_driver_sql("SELECT action FROM audit ORDER BY id").scalars())

    def close(self) -> None:
        self.events.close()
        self.records.close()


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    path = tmp_path_factory.mktemp("plugins") / "outline_plugins.py"
    path.write_text(PLUGIN)
    registry = Registry([path])
    registry.app("outline")
    return registry


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: migrating once spares a quarter of a second in each test."""
    home = tmp_path_factory.mktemp("home")
    Records.open(home).close()
    return home / FILE_NAME


@pytest.fixture(autouse=True)
def unsynced_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk; see `_unsynced`."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def make_house(tmp_path: Path, plugins: Registry, database: Path) -> Iterator[Callable[[], House]]:
    """Make houses that are closed at the end."""
    made: list[House] = []

    def make() -> House:
        root = tmp_path / f"house{len(made)}"
        root.mkdir()
        made.append(House(root, plugins, database))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: Callable[[], House]) -> House:
    return make_house()
