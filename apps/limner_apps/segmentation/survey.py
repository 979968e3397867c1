"""What planning needs to know of each labelled case; checks it on the way."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, Image, LabelSchema, Mask, UnsuitableInput

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
    """(value, count) of every value in the label, background too."""
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
    values, counts = np.unique(mask.array, return_counts=True)
    return Survey(
        shape=tuple(image.shape),
        spacing=tuple(float(s) for s in image.spacing),
        channels=image.channels,
        modality=image.modality.upper(),
        whole=image.array.dtype == np.uint8,
        voxels=tuple((int(v), int(n)) for v, n in zip(values, counts, strict=True)),
        foreground=_foreground(image.array, mask.array, case) if image.modality == "CT" else (),
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


def check_image(image: Image, who: str) -> None:
    """Refuse an image that no plan could take.

    Raises:
        UnsuitableInput: Wrong number of axes, an empty axis, a bad spacing or dtype.
    """
    axes = image.array.ndim - 1
    if axes not in (2, 3):
        raise UnsuitableInput(
            f"{who}: the image has {axes} spatial axes (array {image.array.shape}); segmentation "
            "takes pictures (channels, rows, columns) and volumes (channels, i, j, k)."
        )
    if 0 in image.array.shape:
        raise UnsuitableInput(
            f"{who}: the image has an empty axis (array {image.array.shape}); give at least one "
            "channel and one voxel along every axis."
        )
    sound = all(np.isfinite(s) and s > 0 for s in image.spacing)
    if len(image.spacing) != axes or not sound:
        raise UnsuitableInput(
            f"{who}: the spacing {tuple(image.spacing)} is not one positive number for each of "
            f"{axes} axes; use 1.0 where it is unknown."
        )
    if image.array.dtype.kind not in "biuf":
        raise UnsuitableInput(
            f"{who}: the image holds {image.array.dtype}; give whole or real numbers."
        )


def check_alike(survey: Survey, first: Survey, what: str) -> None:
    """Check that a case goes together with the first one: pictures may mix grey and colour.

    Raises:
        UnsuitableInput: It has other axes or channels; the message names it by `what`.
    """
    if len(survey.shape) != len(first.shape):
        raise UnsuitableInput(
            f"{what} has {len(survey.shape)} axes, the first case {len(first.shape)}: pictures and "
            "volumes do not mix; make a project for each."
        )
    both = {survey.channels, first.channels}
    if len(both) > 1 and not (len(survey.shape) == 2 and both == {1, 3}):
        raise UnsuitableInput(
            f"{what} has {survey.channels} channels, the first case {first.channels}; give every "
            "image the same channels."
        )


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
