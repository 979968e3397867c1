"""Tiny phantoms, and a model trained once for all tests of the folder."""

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
    Image,
    Json,
    LabelClass,
    LabelSchema,
    LoadRequest,
    Mask,
    Trained,
    TrainRequest,
)
from limner_apps.segmentation.app import SegmentationApp
from limner_apps.segmentation.model import SegmentationModel


class MakeImage(Protocol):
    def __call__(
        self,
        seed: int = 0,
        shape: tuple[int, ...] = (20, 24, 16),
        channels: int = 1,
        spacing: tuple[float, ...] | None = None,
    ) -> tuple[Image, Mask]: ...


class MakeRequest(Protocol):
    def __call__(self, cases: Sequence[Case], steps: int = 12, **options: Json) -> TrainRequest: ...


@pytest.fixture(scope="session")
def schema() -> LabelSchema:
    """Two classes whose values leave a gap."""
    return LabelSchema(classes=(LabelClass(name="head", value=2), LabelClass(name="tail", value=5)))


@pytest.fixture(scope="session")
def make_pair(schema: LabelSchema) -> MakeImage:
    """Draw an image of two bright boxes beside each other, and its mask."""

    def make(
        seed: int = 0,
        shape: tuple[int, ...] = (20, 24, 16),
        channels: int = 1,
        spacing: tuple[float, ...] | None = None,
    ) -> tuple[Image, Mask]:
        random = np.random.default_rng(seed)
        mask = np.zeros(shape, dtype=np.uint8)
        start = [int(random.integers(n // 6, n // 4 + 1)) for n in shape]
        for index, value in enumerate(schema.values[1:]):
            box = [slice(s, s + max(2, n // 2)) for s, n in zip(start, shape, strict=True)]
            half = max(1, shape[1] // 4)
            box[1] = slice(start[1] + index * half, start[1] + (index + 1) * half)
            mask[tuple(box)] = value
        array = random.normal(100.0, 10.0, (channels, *shape)).astype(np.float32)
        array += 60.0 * (mask == 2) + 120.0 * (mask == 5)
        array.setflags(write=False)
        space = spacing or (1.0,) * len(shape)
        affine = np.diag([*space, 1.0]) if len(shape) == 3 else None
        image = Image(array=array, spacing=space, affine=affine, modality="MR", name=f"p{seed}")
        return image, Mask(array=mask, spacing=space, affine=affine)

    return make


@pytest.fixture(scope="session")
def make_case() -> Callable[[Image, Mask], Case]:
    """Make a case of a pair."""

    def make(image: Image, mask: Mask) -> Case:
        key = f"{image.name}-{image.array.shape}-{hash(mask.array.tobytes())}"
        return Case(
            id=image.name, fingerprint=key, load_image=lambda: image, load_label=lambda: mask
        )

    return make


@pytest.fixture(scope="session")
def cases(make_pair: MakeImage, make_case: Callable[[Image, Mask], Case]) -> list[Case]:
    """Four volumes."""
    return [make_case(*make_pair(seed)) for seed in range(4)]


@pytest.fixture
def make_request(tmp_path: Path, schema: LabelSchema) -> MakeRequest:
    """Make a request for a small, short training."""

    def make(cases: Sequence[Case], steps: int = 12, **options: Json) -> TrainRequest:
        return TrainRequest(
            schema=schema,
            train=cases,
            validation=(),
            parent=None,
            seed=3,
            workspace=tmp_path / "work",
            cache=tmp_path / "cache",
            threads=1,
            options={"steps": steps, "width": 8, "batch": 4, **options},
        )

    return make


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, schema: LabelSchema, cases: list[Case]
) -> Trained:
    """A 2.5D model of the volumes, trained well enough to outline them."""
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
        options={"steps": 100, "width": 8, "batch": 12, "dimension": "2.5d"},
    )
    return SegmentationApp().train(request, RecordingWatch())


@pytest.fixture(scope="session")
def load(schema: LabelSchema) -> Callable[..., SegmentationModel]:
    """Load weights for the schema."""

    def make(weights: Path, **options: Json) -> SegmentationModel:
        request = LoadRequest(weights=weights, schema=schema, threads=1, options=options)
        return SegmentationApp().load(request)

    return make


@pytest.fixture(scope="session")
def model(trained: Trained, load: Callable[..., SegmentationModel]) -> SegmentationModel:
    return load(trained.weights, samples=3)


@pytest.fixture
def with_seed() -> Callable[[TrainRequest, int], TrainRequest]:
    return lambda request, seed: replace(request, seed=seed)
