"""Small drawn images whose class is the place of a bright blob, and a model trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from tests.apps.conftest import RecordingWatch

from limner.plugin import (
    Case,
    ClassScores,
    Image,
    Json,
    LabelClass,
    LabelSchema,
    LoadRequest,
    Trained,
    TrainRequest,
)
from limner_apps.classification.app import ClassificationApp
from limner_apps.classification.model import ClassificationModel

PLACES = (0.25, 0.75)
"""Where along the last axis the blob of each class is, as a share of it."""


class MakeImage(Protocol):
    def __call__(
        self,
        classes: Sequence[int],
        seed: int = 0,
        shape: tuple[int, ...] = (20, 24),
        channels: int = 1,
    ) -> Image: ...


class MakeRequest(Protocol):
    def __call__(self, cases: Sequence[Case], steps: int = 6, **options: Json) -> TrainRequest: ...


@pytest.fixture(scope="session")
def schema() -> LabelSchema:
    """Two exclusive classes whose values leave a gap."""
    classes = (LabelClass(name="left", value=2), LabelClass(name="right", value=5))
    return LabelSchema(classes=classes)


@pytest.fixture(scope="session")
def several(schema: LabelSchema) -> LabelSchema:
    """The same classes, of which an image may have both or none."""
    return replace(schema, exclusive=False)


@pytest.fixture(scope="session")
def make_image() -> MakeImage:
    """Draw noise with a bright blob at the place of every class given."""

    def make(
        classes: Sequence[int],
        seed: int = 0,
        shape: tuple[int, ...] = (20, 24),
        channels: int = 1,
    ) -> Image:
        random = np.random.default_rng(seed)
        array = random.normal(100.0, 10.0, (channels, *shape)).astype(np.float32)
        for index, there in enumerate(classes):
            if there:
                middle = [n / 2 + float(random.uniform(-0.15, 0.15)) * n for n in shape[:-1]]
                middle.append(PLACES[index] * shape[-1])
                grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
                square = sum(
                    ((axis - place) / (0.12 * shape[-1])) ** 2
                    for axis, place in zip(grid, middle, strict=True)
                )
                array += 80.0 * np.exp(-square).astype(np.float32)
        array.setflags(write=False)
        affine = np.eye(4) if len(shape) == 3 else None
        return Image(array=array, spacing=(1.0,) * len(shape), affine=affine, name=f"i{seed}")

    return make


@pytest.fixture(scope="session")
def make_case() -> Callable[[Image, Sequence[float]], Case]:
    """Make a case of an image and the classes that it has."""

    def make(image: Image, classes: Sequence[float]) -> Case:
        label = ClassScores(probabilities=np.array(classes, dtype=np.float32))
        key = f"{image.name}-{image.array.shape}-{image.array.sum()}-{tuple(classes)}"
        return Case(
            id=image.name, fingerprint=key, load_image=lambda: image, load_label=lambda: label
        )

    return make


@pytest.fixture(scope="session")
def cases(make_image: MakeImage, make_case: Callable[[Image, Sequence[float]], Case]) -> list[Case]:
    """Sixteen pictures, of each class eight."""
    return [
        make_case(make_image(classes, seed), classes)
        for seed in range(16)
        for classes in [(1, 0) if seed % 2 else (0, 1)]
    ]


@pytest.fixture(scope="session")
def several_cases(
    make_image: MakeImage, make_case: Callable[[Image, Sequence[float]], Case]
) -> list[Case]:
    """Twenty-four pictures: none, one, the other or both classes."""
    return [
        make_case(make_image(classes, seed), classes)
        for seed in range(24)
        for classes in [((seed // 2) % 2, seed % 2)]
    ]


@pytest.fixture
def make_request(tmp_path: Path, schema: LabelSchema) -> MakeRequest:
    """Make a request for a small, short training."""

    def make(cases: Sequence[Case], steps: int = 6, **options: Json) -> TrainRequest:
        return TrainRequest(
            schema=schema,
            train=cases,
            validation=(),
            parent=None,
            seed=3,
            workspace=tmp_path / "work",
            cache=tmp_path / "cache",
            threads=1,
            options={"steps": steps, "width": 4, "batch": 8, **options},
        )

    return make


def _train(folder: Path, schema: LabelSchema, cases: list[Case]) -> Trained:
    request = TrainRequest(
        schema=schema,
        train=cases,
        validation=cases[:6],
        parent=None,
        seed=1,
        workspace=folder / "work",
        cache=folder / "cache",
        threads=1,
        options={"steps": 80, "width": 8, "batch": 16},
    )
    return ClassificationApp().train(request, RecordingWatch())


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, schema: LabelSchema, cases: list[Case]
) -> Trained:
    """A model of exclusive classes that has learnt them."""
    return _train(tmp_path_factory.mktemp("trained"), schema, cases)


@pytest.fixture(scope="session")
def trained_several(
    tmp_path_factory: pytest.TempPathFactory, several: LabelSchema, several_cases: list[Case]
) -> Trained:
    """A model of classes that go together, which has learnt them."""
    return _train(tmp_path_factory.mktemp("several"), several, several_cases)


@pytest.fixture(scope="session")
def load(schema: LabelSchema) -> Callable[..., ClassificationModel]:
    """Load weights for the exclusive schema, or another."""

    def make(
        weights: Path, other: LabelSchema | None = None, **options: Json
    ) -> ClassificationModel:
        request = LoadRequest(weights=weights, schema=other or schema, threads=1, options=options)
        return ClassificationApp().load(request)

    return make


@pytest.fixture(scope="session")
def model(trained: Trained, load: Callable[..., ClassificationModel]) -> ClassificationModel:
    return load(trained.weights, samples=8)


@pytest.fixture(scope="session")
def several_model(
    trained_several: Trained, several: LabelSchema, load: Callable[..., ClassificationModel]
) -> ClassificationModel:
    return load(trained_several.weights, several, samples=8)
