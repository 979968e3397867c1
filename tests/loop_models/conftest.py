"""A project on phantoms with real records, files and plugins; the engine works in this process."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from sqlalchemy import event
from tests.loop_models.in_process_engine import DEADLINE_S, InProcessEngine

from limner.images import encode_mask
from limner.loop.corrections import Corrections
from limner.loop.events import Events
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.predict import Predictions
from limner.loop.prediction_files import PredictionFiles
from limner.loop.prediction_keeper import PredictionKeeper
from limner.loop.projects import Projects
from limner.loop.retrain import Retrain
from limner.loop.review import Review
from limner.loop.score import Score
from limner.loop.suspect_list import SuspectList
from limner.loop.trials import Trials
from limner.plugin import (
    Mask,
)
from limner.records import assignments as assignment_rows
from limner.records import jobs as job_rows
from limner.records import labels as label_rows
from limner.records import models as model_rows
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import FILE_NAME, Records
from limner.records.rows import Job, JobKind, JobState, ModelVersion, Project, Sample, SampleState
from limner.registry import Registry
from limner.settings import Limits, ProjectConfig, ProjectSettings
from limner.stores.blobs import Blobs

PLUGINS = Path(__file__).parent.parent / "plugins"
SHAPE = (10, 9, 8)


@dataclass
class Clock:
    """A clock that goes on only when it is told to."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Lab:
    """A project with its parts of the loop, and short ways to make things happen."""

    home: Path
    images: Path
    settings: ProjectSettings
    plugins: Sequence[Path] = ()
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.registry = Registry(
            [PLUGINS / "tiny_app.py", PLUGINS / "tiny_strategy.py", *self.plugins]
        )
        self.engine = InProcessEngine(self.registry)
        self.open()
        self.project_id = self.projects.create(
            ProjectConfig(
                name="demo",
                app="tiny",
                images=self.images,
                labels=["blob"],
                settings=self.settings,
            )
        ).id

    def open(self) -> None:
        """Wire everything, as the server does when it starts."""
        self.records = Records.open(self.home)
        for each in self.records.engines:
            event.listen(each, "connect", _unsynced)
            each.dispose()
        self.events = Events()
        self.projects = Projects(self.records, self.registry, self.events, self.clock, Limits())
        self.blobs = Blobs(self.home / "blobs")
        self.prediction_blobs = Blobs(self.home / "predictions")
        self.jobs = Jobs(self.records, self.events, self.clock)
        self.models = Models(
            self.records,
            self.projects,
            self.blobs,
            self.jobs,
            self.engine,
            self.events,
            self.clock,
        )
        self.trials = Trials(
            self.records,
            self.projects,
            self.jobs,
            self.engine,
            self.blobs,
            self.registry,
            self.home / "work",
            self.clock,
        )
        self.retrain = Retrain(
            self.records,
            self.projects,
            self.models,
            self.jobs,
            self.engine,
            self.blobs,
            self.registry,
            self.home / "work",
            self.clock,
            trained=self.trials.consider,
        )
        self.review = Review(
            self.records,
            self.projects,
            self.jobs,
            self.engine,
            self.blobs,
            self.registry,
            self.home / "work",
            self.clock,
        )
        self.suspects = SuspectList(self.records, self.projects)
        self.files = PredictionFiles(self.records, self.prediction_blobs, self.clock)
        self.keeper = PredictionKeeper(self.files)
        parts = (self.records, self.projects, self.models, self.engine, self.files, self.keeper)
        self.predictions = Predictions(*parts)
        self.corrections = Corrections(
            self.records, self.projects, self.models, self.blobs, self.files, self.keeper
        )
        self.score = Score(
            self.records,
            self.projects,
            self.models,
            self.jobs,
            self.engine,
            self.files,
            self.registry,
            self.events,
            self.clock,
            self.corrections,
        )

    def start(self) -> None:
        self.jobs.start(
            {
                **self.retrain.handlers(),
                **self.score.handlers(),
                **self.review.handlers(),
                **self.trials.handlers(),
            }
        )

    def close(self) -> None:
        for each in (self.retrain, self.jobs, self.keeper, self.corrections):
            each.stop()
        self.events.close()
        self.records.close()

    def restart(self) -> None:
        """End as a server does and come up again, with nothing running yet."""
        self.close()
        self.open()

    @property
    def project(self) -> Project:
        return self.projects.get("demo")

    def add_images(self, count: int, *, validation: int = 0) -> list[int]:
        """Draw phantoms and take them in; the last ones are for validation. Returns their ids."""
        with self.records.read() as tx:
            before = sample_rows.newest_id(tx, self.project_id)
        rows = []
        for number in range(before, before + count):
            path = self.images / f"case{number:03d}.nii.gz"
            write_phantom(path, number)
            rows.append(
                {
                    "project_id": self.project_id,
                    "name": path.name.removesuffix(".nii.gz"),
                    "files": [path.name],
                    "state": SampleState.READY.value,
                    "shape": list(SHAPE),
                    "spacing_mm": [1.0, 1.0, 2.0],
                    "channels": 1,
                    "format": ".nii.gz",
                    "size_bytes": path.stat().st_size,
                    "modified_ns": path.stat().st_mtime_ns,
                    "is_validation": number >= before + count - validation,
                    "draw": draw(number),
                    "created_at": self.clock(),
                }
            )
        with self.records.write() as tx:
            sample_rows.add_many(tx, rows)
            project_rows.add_counts(tx, self.project_id, {"samples": count})
            listed = sample_rows.page(tx, self.project_id, after=before, limit=count)
        return [each.id for each in listed]

    def label(
        self,
        sample_ids: Sequence[int],
        *,
        author: str = "ann",
        seconds: float | None = None,
        assignment: int | None = None,
    ) -> None:
        """Submit the true outline of samples, as collecting does, without its checks."""
        for sample_id in sample_ids:
            sample = self.sample(sample_id)
            source = self.projects.source(self.project, sample)
            mask = truth(int(sample.name.removeprefix("case")))
            blob = self.blobs.put_bytes(encode_mask(mask, source.header(), ".nii.gz"))
            with self.records.write() as tx:
                label = label_rows.add(
                    tx,
                    project_id=self.project_id,
                    sample_id=sample_id,
                    version=len(label_rows.of_sample(tx, sample_id)) + 1,
                    state="submitted",
                    author=author,
                    seconds=seconds,
                    sha256=blob.sha256,
                    size_bytes=blob.size_bytes,
                    format=".nii.gz",
                    assignment_id=assignment,
                    adopted_from=None,
                    note="",
                    created_at=self.clock(),
                )
                sample_rows.change(
                    tx,
                    sample_id,
                    label_id=label.id,
                    state=SampleState.LABELLED.value,
                    readings=1,
                )
                if assignment is not None:
                    assignment_rows.change(tx, assignment, state="done", ended_at=self.clock())
                project_rows.add_counts(
                    tx, self.project_id, {"labelled": 1, "labels_since_training": 1}
                )

    def sample(self, sample_id: int) -> Sample:
        with self.records.read() as tx:
            found = sample_rows.find(tx, sample_id)
        assert found is not None
        return found

    def touch(self, sample_id: int) -> None:
        """Change a sample's image, as the watched folder would notice."""
        sample = self.sample(sample_id)
        path = self.images / sample.files[0]
        write_phantom(path, 500 + sample_id)
        with self.records.write() as tx:
            sample_rows.change(
                tx,
                sample_id,
                modified_ns=sample.modified_ns + 1_000_000,
                size_bytes=path.stat().st_size,
            )

    def train(self, **params: Any) -> Job:
        """Ask for a training and wait for its end."""
        return self.wait(self.retrain.request("demo", "ann", params))

    def rescore(self) -> Job:
        return self.wait(self.jobs.ensure(self.project_id, JobKind.SCORE))

    def wait(self, job: Job | int, *states: JobState) -> Job:
        """Wait until a job has ended, or is in one of the states given."""
        wanted = states or (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
        job_id = job if isinstance(job, int) else job.id
        end = time.monotonic() + DEADLINE_S
        with self.events.subscribe(job=job_id) as news:
            while (found := self.jobs.get(job_id)).state not in wanted:
                assert time.monotonic() < end, f"job {job_id} is still {found.state}"
                news.get(timeout_s=0.5)
        return found

    def idle(self) -> None:
        """Wait until no job waits or runs."""
        while unfinished := self.jobs.unfinished(self.project_id):
            self.wait(unfinished[0])

    def open_jobs(self) -> list[Job]:
        with self.records.read() as tx:
            return job_rows.unfinished(tx)

    def versions(self) -> list[ModelVersion]:
        """Every version, oldest first."""
        return self.models.list("demo").items[::-1]

    def serving(self) -> ModelVersion | None:
        return self.models.serving("demo")

    def seen_by(self, version: ModelVersion) -> set[int]:
        """Ids of the samples that a version was trained on."""
        with self.records.read() as tx:
            return set(model_rows.trained_on(tx, version.id).values())

    def queue(self) -> list[int]:
        """Sample ids of the queue, best first."""
        found = []
        with self.records.write() as tx:
            while entry := queue_rows.first(tx, self.project_id, "somebody", 1):
                found.append(entry.sample.id)
                queue_rows.remove(tx, entry.sample.id)
            tx.rollback()
        return found


def _unsynced(connection: Any, _record: object) -> None:
    """These tests end no power: what would be synced to disk need not be."""
    connection.execute("PRAGMA synchronous=OFF")


def draw(number: int) -> float:
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:6], "big") / 2**48


def truth(number: int) -> Mask:
    """The outline of a phantom: a box whose place and size vary."""
    random = np.random.default_rng(number)
    array = np.zeros(SHAPE, np.uint8)
    low = random.integers(1, 4, size=3)
    high = low + random.integers(3, 5, size=3)
    array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return Mask(array=array, spacing=(1.0, 1.0, 2.0), affine=np.diag([1.0, 1.0, 2.0, 1.0]))


def write_phantom(path: Path, number: int) -> None:
    """A bright box in noise that differs from one phantom to the next."""
    random = np.random.default_rng((number, 1))
    array = truth(number).array * 60 + random.normal(20, 8 + number % 5, size=SHAPE)
    image = nibabel.Nifti1Image(array.astype(np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    nibabel.save(image, path)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest migration: tests take copies, which is quicker."""
    Records.open(home := tmp_path_factory.mktemp("migrated")).close()
    return home / FILE_NAME


@pytest.fixture
def make_lab(tmp_path: Path, migrated: Path) -> Iterator[Callable[..., Lab]]:
    """Make a project with the settings given; its jobs are not started."""
    made: list[Lab] = []

    def make(plugins: Sequence[Path] = (), **settings: Any) -> Lab:
        defaults = {"strategy": "entropy", "cold_start": "first", "retrain_every": 0, "seed": 3}
        images, home = tmp_path / "images", tmp_path / "home"
        images.mkdir()
        home.mkdir()
        shutil.copy(migrated, home)
        lab = Lab(home, images, ProjectSettings(**{**defaults, **settings}), plugins)
        made.append(lab)
        return lab

    yield make
    for each in made:
        each.close()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    (made := make_lab()).start()
    return made
