"""What planning needs to know of each labelled case; checks it on the way."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, Image, LabelSchema, Mask, UnsuitableInput
from limner_apps.learning.images import check_image
from limner_apps.segmentation.labelled import labelled_voxels

_KEPT = 500
"""Foreground intensities kept of each channel; enough for percentiles over many cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One case in numbers."""

    shape: tuple[int, ...]
    """Spatial shape."""
    spacing: tuple[float, ...]
    """Millimetres along each spatial axis."""
    channels: int
    modality: str
    whole: bool
    """Whether the intensities are 8-bit whole numbers, as photographs have them."""
    voxels: tuple[tuple[int, int], ...]
    """(value, count) of every value in what is labelled, background too."""
    foreground: tuple[tuple[float, ...], ...]
    """Per channel, some intensities inside the foreground; only of `CT`."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Survey:
        """Read what `as_json` gave."""
        return cls(
            shape=tuple(int(n) for n in values["shape"]),
            spacing=tuple(float(n) for n in values["spacing"]),
            channels=int(values["channels"]),
            modality=str(values["modality"]),
            whole=bool(values["whole"]),
            voxels=tuple((int(v), int(n)) for v, n in values["voxels"]),
            foreground=tuple(tuple(float(x) for x in each) for each in values["foreground"]),
        )


def survey_case(case: Case) -> Survey:
    """Read a case and measure it.

    Raises:
        UnsuitableInput: The case cannot be learnt from; the message names it.
    """
    image, mask = load_pair(case)
    labelled = labelled_voxels(case, mask.array.shape)
    known = mask.array if labelled is None else mask.array[labelled]
    values, counts = np.unique(known, return_counts=True)
    drawn = mask.array if labelled is None else np.where(labelled, mask.array, 0)
    return Survey(
        shape=tuple(image.shape),
        spacing=tuple(float(s) for s in image.spacing),
        channels=image.channels,
        modality=image.modality.upper(),
        whole=image.array.dtype == np.uint8,
        voxels=tuple((int(v), int(n)) for v, n in zip(values, counts, strict=True)),
        foreground=_foreground(image.array, drawn, case) if image.modality == "CT" else (),
    )


def load_pair(case: Case) -> tuple[Image, Mask]:
    """Read a case's image and label and check that they belong together.

    Raises:
        UnsuitableInput: They do not; the message names the case.
    """
    image = case.load_image()
    check_image(image, f"Case {case.id}")
    label = case.load_label()
    if not isinstance(label, Mask):
        raise UnsuitableInput(
            f"Case {case.id}: the label is {type(label).__name__}, but segmentation learns from "
            "masks; give a mask."
        )
    if tuple(label.array.shape) != tuple(image.shape):
        raise UnsuitableInput(
            f"Case {case.id}: the label's shape {tuple(label.array.shape)} is not the image's "
            f"{tuple(image.shape)}; draw the label on this image."
        )
    if not np.issubdtype(label.array.dtype, np.integer) and label.array.dtype != np.bool_:
        raise UnsuitableInput(
            f"Case {case.id}: the label holds {label.array.dtype}, but class values are whole "
            "numbers; store it as uint8 or uint16."
        )
    return image, label


def check_values(survey: Survey, schema: LabelSchema, who: str) -> None:
    """Refuse a label with values that the schema does not have.

    Raises:
        UnsuitableInput: There is such a value.
    """
    strange = sorted({value for value, _ in survey.voxels} - set(schema.values))
    if strange:
        raise UnsuitableInput(
            f"{who}: the label holds {strange[:5]}, which the schema does not have; its values are "
            f"{list(schema.values)}."
        )


def _foreground(
    array: npt.NDArray[Any], mask: npt.NDArray[Any], case: Case
) -> tuple[tuple[float, ...], ...]:
    inside = np.flatnonzero(mask)
    seed = int.from_bytes(hashlib.sha256(case.fingerprint.encode()).digest()[:8], "big")
    if len(inside) > _KEPT:
        inside = np.random.default_rng(seed).choice(inside, _KEPT, replace=False)
    return tuple(
        tuple(float(x) for x in channel.reshape(-1)[inside].astype(np.float64)) for channel in array
    )
