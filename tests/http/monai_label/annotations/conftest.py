"""Small pictures and volumes that no file holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from limner.http.monai_label.annotations.asap import read_asap
from limner.images import Header
from limner.plugin import Affine, Instances, LabelClass, LabelSchema, Mask, Task


@pytest.fixture
def schema() -> LabelSchema:
    """Classes whose names and values make trouble."""
    return LabelSchema(
        classes=(
            LabelClass(name='a<b & "c"', value=1),
            LabelClass(name="Tumour", value=4),
            LabelClass(name="stroma", value=300),
        )
    )


@pytest.fixture
def picture() -> Callable[..., Header]:
    """Make the header of a picture."""

    def make(rows: int = 40, columns: int = 60) -> Header:
        return Header(
            kind="picture",
            shape=(rows, columns),
            channels=1,
            dtype="uint8",
            spacing=(1.0, 1.0),
            affine=None,
            format=".png",
            size_bytes=1,
            modified_ns=1,
        )

    return make


@pytest.fixture
def volume() -> Callable[[Affine], Header]:
    """Make the header of a volume with an affine to RAS+ millimetres."""

    def make(affine: Affine) -> Header:
        return Header(
            kind="volume",
            shape=(20, 30, 40),
            channels=1,
            dtype="int16",
            spacing=tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
            affine=affine,
            format=".nrrd",
            size_bytes=1,
            modified_ns=1,
        )

    return make


@pytest.fixture
def mask_read(picture: Callable[..., Header], schema: LabelSchema) -> Callable[..., Any]:
    """Read a document as a mask and return its array."""

    def read(content: bytes, rows: int = 40, columns: int = 60) -> Any:
        mask = read_asap(content, picture(rows, columns), schema, Task.SEGMENTATION)
        assert isinstance(mask, Mask)
        assert mask.array.shape == (rows, columns)
        return mask.array

    return read


@pytest.fixture
def objects_read(picture: Callable[..., Header], schema: LabelSchema) -> Callable[..., Instances]:
    """Read a document as instances."""

    def read(content: bytes) -> Instances:
        found = read_asap(content, picture(), schema, Task.INSTANCES)
        assert isinstance(found, Instances)
        return found

    return read
