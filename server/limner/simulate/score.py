"""How good what a server answers is, against known labels: one measure for each task."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.client import Predicted, Project
from limner.images import MASK_TYPES, Header, label_suffix, read_header, read_label, read_mask
from limner.images.class_labels import chosen, read_class_label
from limner.images.run_lengths import runs_of_counts, unpacked
from limner.loop.agreement.dice import mean_dice
from limner.loop.agreement.panoptic_quality import panoptic_quality
from limner.plugin import Instances, LabelClass, LabelSchema, Task, no_instances
from limner.settings import Limits
from limner.simulate.balanced_accuracy import balanced_accuracy

Pair: TypeAlias = tuple[Predicted, Path]
"""What the server answered for a sample, and the file of its known label."""

_LIMITS = Limits()


class Score(Protocol):
    """A measure of answers; higher is better."""

    measure: str
    """What it is called, as in a heading."""

    def of(self, pairs: Iterable[Pair]) -> float:
        """Measure all cases together; they are asked for one by one.

        Raises:
            ImageError: A known label or an answer cannot be read.
            ValueError: An answer does not fit its label.
        """
        ...


def score_of(project: Project) -> Score:
    """Choose the measure for a project's task."""
    classes = [LabelClass(name=each["name"], value=each["value"]) for each in project.labels]
    is_exclusive = not project.settings.get("multi_label", False)
    schema = LabelSchema(classes=tuple(classes), exclusive=is_exclusive)
    match Task(project.task):
        case Task.SEGMENTATION:
            return DiceScore(schema)
        case Task.INSTANCES:
            return PanopticScore(schema)
        case Task.CLASSIFICATION:
            return ClassScore(schema)


class DiceScore:
    """Dice, averaged over the classes of a case and over cases."""

    measure = "Dice"

    def __init__(self, schema: LabelSchema) -> None:
        """Take the classes; background is none."""
        self._values = schema.values[1:]

    def of(self, pairs: Iterable[Pair]) -> float:
        """See `Score`."""
        return float(np.mean([self._dice(*pair) for pair in pairs]))

    def _dice(self, predicted: Predicted, known: Path) -> float:
        with tempfile.TemporaryDirectory(prefix="limner-score-") as folder:
            found = read_mask(_saved(predicted, Path(folder)), _LIMITS)
        return mean_dice(found.array, read_mask(known, _LIMITS).array, self._values)


class PanopticScore:
    """Panoptic quality, averaged over the classes of a case and over cases."""

    measure = "PQ"

    def __init__(self, schema: LabelSchema) -> None:
        """Take the classes."""
        self._schema = schema

    def of(self, pairs: Iterable[Pair]) -> float:
        """See `Score`."""
        return float(np.mean([self._quality(*pair) for pair in pairs]))

    def _quality(self, predicted: Predicted, known: Path) -> float:
        found, header = self._found(predicted)
        true = self._read(known, header)
        return panoptic_quality(found, true)

    def _found(self, predicted: Predicted) -> tuple[Instances, Header]:
        if predicted.media_type not in MASK_TYPES:
            document = predicted.document
            return instances_of(document["instances"]), _picture(document["shape"])
        with tempfile.TemporaryDirectory(prefix="limner-score-") as folder:
            file = _saved(predicted, Path(folder))
            header = read_header(file, _LIMITS)
            return self._read(file, header), header

    def _read(self, file: Path, header: Header) -> Instances:
        suffix = label_suffix(file.name, Task.INSTANCES)
        label = read_label(file, suffix, header, self._schema, Task.INSTANCES, _LIMITS)
        assert isinstance(label, Instances)  # noqa: S101 - by the task
        return label


class ClassScore:
    """Balanced accuracy, over all cases together."""

    measure = "balanced accuracy"

    def __init__(self, schema: LabelSchema) -> None:
        """Take the classes, and whether they exclude each other."""
        self._schema = schema

    def of(self, pairs: Iterable[Pair]) -> float:
        """See `Score`."""
        found, true = [], []
        for predicted, known in pairs:
            found.append(predicted.document["classes"])
            true.append(chosen(read_class_label(known, self._schema, _LIMITS), self._schema))
        names = self._schema.names
        return balanced_accuracy(found, true, names, exclusive=self._schema.exclusive)


def instances_of(entries: Iterable[Mapping[str, Any]]) -> Instances:
    """Turn the objects of a prediction's JSON into arrays.

    Args:
        entries: As the server sends them: `value`, `score`, `box` and `mask`, which is None or run
            lengths of the whole image as COCO packs them.
    """
    listed = list(entries)
    if not listed:
        return no_instances(2)
    boxes, masks = zip(*(_box_and_mask(each) for each in listed), strict=True)
    return Instances(
        boxes=np.array(boxes, np.float32),
        masks=masks,
        classes=np.array([each["value"] for each in listed], np.int64),
        scores=np.array([each["score"] for each in listed], np.float32),
    )


def _box_and_mask(
    entry: Mapping[str, Any],
) -> tuple[Sequence[float], npt.NDArray[np.bool_] | None]:
    """Return an object's tight box and the mask cut to it, or its box as it was sent."""
    lengths = entry["mask"]
    if lengths is None:
        return entry["box"], None
    runs = runs_of_counts(unpacked(lengths["counts"].encode()), lengths["size"])
    box = runs.box()
    return box, runs.mask(box)


def _saved(predicted: Predicted, folder: Path) -> Path:
    """Write an answer to a file whose name says its format."""
    file = folder / f"predicted{MASK_TYPES[predicted.media_type]}"
    file.write_bytes(predicted.data)
    return file


def _picture(shape: Iterable[int]) -> Header:
    """Return the header of a picture of which only the shape is known."""
    return Header(
        kind="picture",
        shape=tuple(shape),
        channels=1,
        dtype="uint8",
        spacing=(1.0, 1.0),
        affine=None,
        format=".png",
        size_bytes=0,
        modified_ns=0,
    )
