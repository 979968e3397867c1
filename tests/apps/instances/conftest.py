"""Drawn pictures of round cells, and a model trained once for all tests of the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest
from tests.apps.conftest import RecordingWatch

from limner.plugin import (
    Case,
    Image,
    Instances,
    Json,
    LabelClass,
    LabelSchema,
    LoadRequest,
    Trained,
    TrainRequest,
    from_instance_map,
)
from limner_apps.instances.app import InstancesApp
from limner_apps.instances.model import InstancesModel


class Draw(Protocol):
    def __call__(
        self,
        seed: int = 0,
        shape: tuple[int, int] = (96, 96),
        count: int = 5,
        channels: int = 1,
    ) -> tuple[Image, Instances]: ...


class MakeRequest(Protocol):
    def __call__(self, cases: Sequence[Case], steps: int = 4, **options: Json) -> TrainRequest: ...


@pytest.fixture(scope="session")
def schema() -> LabelSchema:
    """Two classes whose values leave a gap."""
    return LabelSchema(
        classes=(LabelClass(name="round", value=2), LabelClass(name="square", value=5))
    )


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draw bright discs and squares that do not overlap, on a dark, noisy ground."""

    def make(
        seed: int = 0,
        shape: tuple[int, int] = (96, 96),
        count: int = 5,
        channels: int = 1,
    ) -> tuple[Image, Instances]:
        random = np.random.default_rng(seed)
        numbered: npt.NDArray[np.uint16] = np.zeros(shape, np.uint16)
        rows, columns = np.indices(shape)
        classes: list[int] = []
        for _ in range(20 * count):
            if len(classes) == count:
                break
            radius = int(random.integers(8, 12))
            row, column = (int(random.integers(radius + 1, n - radius - 1)) for n in shape)
            value = int(random.choice([2, 5]))
            apart = np.stack([abs(rows - row), abs(columns - column)])
            distance = np.hypot(*apart) if value == 2 else apart.max(axis=0)
            inside = distance <= radius
            if numbered[apart.max(axis=0) <= radius + 1].any():
                continue
            classes.append(value)
            numbered[inside] = len(classes)
        array = random.normal(20.0, 4.0, (channels, *shape)) + 150.0 * (numbered > 0)
        stored = np.clip(array, 0, 255).astype(np.uint8)
        stored.setflags(write=False)
        image = Image(array=stored, spacing=(1.0, 1.0), name=f"drawn-{seed}")
        return image, from_instance_map(numbered, np.asarray(classes))

    return make


@pytest.fixture(scope="session")
def make_case() -> Callable[[Image, Instances], Case]:
    """Make a case of a pair."""

    def make(image: Image, label: Instances) -> Case:
        key = f"{image.name}-{image.array.shape}-{hash(label.boxes.tobytes())}-{len(label.masks)}"
        return Case(
            id=image.name, fingerprint=key, load_image=lambda: image, load_label=lambda: label
        )

    return make


@pytest.fixture(scope="session")
def cases(draw: Draw, make_case: Callable[[Image, Instances], Case]) -> list[Case]:
    """Eight pictures."""
    return [make_case(*draw(seed)) for seed in range(8)]


@pytest.fixture
def make_request(tmp_path: Path, schema: LabelSchema) -> MakeRequest:
    """Make a request for a small, short training."""

    def make(cases: Sequence[Case], steps: int = 4, **options: Json) -> TrainRequest:
        return TrainRequest(
            schema=schema,
            train=cases,
            validation=(),
            parent=None,
            seed=3,
            workspace=tmp_path / "work",
            cache=tmp_path / "cache",
            threads=1,
            options={"steps": steps, "width": 16, "batch": 2, "crop": 64, **options},
        )

    return make


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, schema: LabelSchema, cases: list[Case]
) -> Trained:
    """A model of the pictures, trained well enough to find the cells."""
    folder = tmp_path_factory.mktemp("trained")
    request = TrainRequest(
        schema=schema,
        train=cases,
        validation=cases[:2],
        parent=None,
        seed=1,
        workspace=folder / "work",
        cache=folder / "cache",
        threads=1,
        options={"steps": 120, "width": 16, "batch": 2, "crop": 96},
    )
    return InstancesApp().train(request, RecordingWatch())


@pytest.fixture(scope="session")
def load(schema: LabelSchema) -> Callable[..., InstancesModel]:
    """Load weights for the schema."""

    def make(weights: Path, **options: Json) -> InstancesModel:
        request = LoadRequest(weights=weights, schema=schema, threads=1, options=options)
        return InstancesApp().load(request)

    return make


@pytest.fixture(scope="session")
def model(trained: Trained, load: Callable[..., InstancesModel]) -> InstancesModel:
    return load(trained.weights, samples=3)
