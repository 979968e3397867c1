"""What planning needs to know of each labelled case; checks it on the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, Image, Instances, LabelSchema, UnsuitableInput, window
from limner_apps.learning import images

_PERCENTILES = tuple(range(0, 101, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One case in numbers."""

    shape: tuple[int, ...]
    """Rows and columns."""
    channels: int
    whole: bool
    """Whether the intensities are 8-bit whole numbers, as photographs have them."""
    count: int
    """Objects in the label."""
    sides: tuple[float, ...]
    """Percentiles (0, 5, …, 100) of the objects' box sides, geometric means of the two; empty
    where there is no object."""
    values: tuple[int, ...]
    """Class values that occur."""
    bright: bool | None
    """Whether objects are brighter than what is between them; None where none can tell."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Survey:
        """Read what `as_json` gave."""
        bright = values["bright"]
        return cls(
            shape=tuple(int(n) for n in values["shape"]),
            channels=int(values["channels"]),
            whole=bool(values["whole"]),
            count=int(values["count"]),
            sides=tuple(float(n) for n in values["sides"]),
            values=tuple(int(n) for n in values["values"]),
            bright=None if bright is None else bool(bright),
        )


def survey_case(case: Case) -> Survey:
    """Read a case and measure it.

    Raises:
        UnsuitableInput: The case cannot be learnt from; the message names it.
    """
    image, label = load_pair(case)
    boxes = label.boxes.astype(np.float64)
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    return Survey(
        shape=tuple(image.shape),
        channels=image.channels,
        whole=image.array.dtype == np.uint8,
        count=len(boxes),
        sides=tuple(float(x) for x in np.percentile(sides, _PERCENTILES)) if len(sides) else (),
        values=tuple(int(value) for value in np.unique(label.classes)),
        bright=_is_bright(image.array, label),
    )


def load_pair(case: Case) -> tuple[Image, Instances]:
    """Read a case's image and label and check that they belong together.

    Raises:
        UnsuitableInput: They do not; the message names the case.
    """
    image = case.load_image()
    check_image(image, f"Case {case.id}")
    label = case.load_label()
    if not isinstance(label, Instances):
        raise UnsuitableInput(
            f"Case {case.id}: the label is {type(label).__name__}, but this app learns from "
            "instances; give an instance map, COCO or boxes."
        )
    for problem in _problems(label, tuple(image.shape)):
        raise UnsuitableInput(f"Case {case.id}: {problem}.")
    return image, label


def check_image(image: Image, who: str) -> None:
    """Refuse an image that no plan could take.

    Raises:
        UnsuitableInput: Wrong number of axes, an empty axis, a bad spacing or dtype.
    """
    axes = image.array.ndim - 1
    if axes != 2:
        raise UnsuitableInput(
            f"{who}: the image has {axes} spatial axes (array {image.array.shape}); instances are "
            "looked for in pictures (channels, rows, columns)."
        )
    images.check_image(image, who)


def check_values(values: Iterable[int], schema: LabelSchema, who: str) -> None:
    """Refuse a label with classes that the schema does not have.

    Raises:
        UnsuitableInput: There is such a class.
    """
    strange = sorted(set(values) - set(schema.values[1:]))
    if strange:
        raise UnsuitableInput(
            f"{who}: the label has objects of the classes {strange[:5]}, which the schema does not "
            f"have; its values are {list(schema.values[1:])}."
        )


def _problems(label: Instances, shape: tuple[int, ...]) -> Iterable[str]:
    count = len(label.boxes)
    if label.boxes.shape != (count, 4):
        yield f"the boxes have the shape {label.boxes.shape}, not (n, 4)"
        return
    if len(label.masks) != count or len(label.classes) != count:
        yield (
            f"there are {count} boxes, {len(label.masks)} masks and {len(label.classes)} classes; "
            "give one of each for every object"
        )
        return
    boxes = label.boxes.astype(np.float64)
    sound = np.isfinite(boxes).all(axis=1) & (boxes[:, :2] >= 0).all(axis=1)
    sound &= (boxes[:, 2:] <= np.asarray(shape)).all(axis=1)
    sound &= (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    for row in np.flatnonzero(~sound)[:1]:
        yield (
            f"object {row} has the box {label.boxes[row].tolist()}, which is empty or reaches "
            f"outside the image of {shape}; draw the label on this image"
        )
        return
    for row, (box, mask) in enumerate(zip(boxes, label.masks, strict=True)):
        wanted = tuple(axis.stop - axis.start for axis in window(box))
        if mask is not None and tuple(mask.shape) != wanted:
            yield (
                f"the mask of object {row} has the shape {mask.shape}, but its box covers {wanted}"
            )
            return


def _is_bright(array: npt.NDArray[Any], label: Instances) -> bool | None:
    """Compare the objects with the rest of the image, all channels together."""
    inside = np.zeros(array.shape[1:], bool)
    for box, mask in zip(label.boxes, label.masks, strict=True):
        inside[window(box)] |= True if mask is None else mask
    if inside.all() or not inside.any():
        return None
    grey = array.mean(axis=0, dtype=np.float64)
    return bool(grey[inside].mean() > np.median(grey[~inside]))
