"""Real workers, small images, and a way to wait for things."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import psutil
import pytest

from limner.engine import CaseSource, ModelRef, TrainTask
from limner.engine.local import LocalEngine
from limner.images import ImageSource
from limner.plugin import Json, LabelSchema, Progress
from limner.registry import Registry
from limner.settings import EngineSettings

PLUGINS = Path(__file__).parent.parent / "plugins"
ODD = Path(__file__).parent / "plugins"
SHAPE = (12, 14, 10)


@dataclass
class Watcher:
    """Remembers what it is told, and stops the work once `stop` is set."""

    reports: list[Progress] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)
        self.began.set()

    def should_stop(self) -> bool:
        return self.stop.is_set()


@dataclass(frozen=True)
class World:
    """Images with labels, a schema, and weights of the tiny app."""

    folder: Path
    schema: LabelSchema
    images: tuple[ImageSource, ...]
    cases: tuple[CaseSource, ...]
    weights: Path

    def model(self, key: str = "", *, app: str = "tiny", **options: Json) -> ModelRef:
        return ModelRef(
            app=app,
            key=key or repr(options),
            weights=self.weights,
            schema=self.schema,
            options=options,
        )

    def task(self, workspace: Path, *, app: str = "tiny", **options: Json) -> TrainTask:
        return TrainTask(
            app=app,
            schema=self.schema,
            train=self.cases,
            validation=(),
            parent=None,
            seed=3,
            workspace=workspace,
            cache=self.folder / "cache",
            options=options,
        )


@pytest.fixture(scope="session")
def registry() -> Registry:
    files = ("tiny_app.py", "clicking.py", "tiny_strategy.py")
    return Registry([*(PLUGINS / file for file in files), ODD])


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, engine: LocalEngine) -> World:
    folder = tmp_path_factory.mktemp("engine")
    schema = LabelSchema.of("bright", "brighter")
    images, cases = [], []
    for number in range(6):
        image, label = _drawn(folder, number)
        source = ImageSource(paths=(image,), name=f"image {number}")
        images.append(source)
        cases.append(
            CaseSource(
                id=str(number),
                image=source,
                label=label,
                label_format=".nii.gz",
                fingerprint=str(number),
            )
        )
    task = TrainTask(
        app="tiny",
        schema=schema,
        train=cases,
        validation=(),
        parent=None,
        seed=0,
        workspace=folder / "first",
        cache=folder / "cache",
    )
    weights = engine.train(task, Watcher()).weights
    return World(folder, schema, tuple(images), tuple(cases), weights)


@pytest.fixture(scope="session")
def clicking(
    engine: LocalEngine, world: World, tmp_path_factory: pytest.TempPathFactory
) -> ModelRef:
    """A model that takes prompts."""
    workspace = tmp_path_factory.mktemp("clicking")
    trained = engine.train(world.task(workspace, app="clicking"), Watcher())
    return replace(world.model("clicking", app="clicking"), weights=trained.weights)


def _drawn(folder: Path, number: int) -> tuple[Path, Path]:
    """Write a volume of noise with two boxes in it, and the mask of the boxes."""
    rng = np.random.default_rng(number)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:6, 3:9, 2:8] = 1
    mask[7:10, 3:9, 2:8] = 2
    array = (mask.astype(np.float64) * 300 + rng.normal(0, 30, SHAPE)).astype(np.int16)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = number
    image, label = folder / f"image-{number}.nii.gz", folder / f"label-{number}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, affine), image)
    nibabel.save(nibabel.Nifti1Image(mask, affine), label)
    return image, label


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], Any], float], Any]:
    """Wait for a condition; fails when it does not come true in time."""

    def wait(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not true within {timeout_s} s"
            pause.wait(0.005)
        return value

    return wait


MakeEngine = Callable[..., LocalEngine]


@pytest.fixture
def make_engine(registry: Registry, tmp_path: Path) -> Iterator[MakeEngine]:
    """Make started engines of given settings, and stop them at the end."""
    made: list[LocalEngine] = []

    def make(**settings: Any) -> LocalEngine:
        engine = LocalEngine(
            EngineSettings(device="cpu", **settings), registry, tmp_path / f"logs{len(made)}"
        )
        made.append(engine)
        engine.start()
        return engine

    yield make
    for engine in made:
        engine.stop()


@pytest.fixture(scope="session")
def engine(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """One engine for all tests that leave it healthy."""
    engine = LocalEngine(EngineSettings(device="cpu"), registry, tmp_path_factory.mktemp("workers"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def children() -> Callable[[], set[int]]:
    """List the living children of this process."""

    def living() -> set[int]:
        return {
            each.pid
            for each in psutil.Process().children(recursive=True)
            if each.status() != psutil.STATUS_ZOMBIE
        }

    return living
