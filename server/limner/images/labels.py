"""Labels of every task: which files can be one, reading them, and writing answers as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from limner.errors import UnsupportedFormat
from limner.images.class_labels import encode_class_scores, read_class_label, read_class_scores
from limner.images.coco import read_coco
from limner.images.coco_writing import encode_coco
from limner.images.header import Header
from limner.images.instance_maps import encode_instance_map, read_instance_map
from limner.images.masks import check_mask, encode_mask, read_mask
from limner.images.pieces import in_several_pieces
from limner.images.suffixes import MASK_TYPES, Kind, image_suffix, mask_suffixes
from limner.plugin import Answer, ClassScores, Instances, LabelSchema, Mask, Task
from limner.settings import Limits

JSON = ".json"

_JSON_TYPE = {"application/json": JSON}
_TYPES: Mapping[Task, Mapping[str, str]] = {
    Task.SEGMENTATION: MASK_TYPES,
    Task.INSTANCES: MappingProxyType({**_JSON_TYPE, **MASK_TYPES}),
    Task.CLASSIFICATION: MappingProxyType(_JSON_TYPE),
}
_MOST_NAMED = 10


def label_types(task: Task) -> Mapping[str, str]:
    """Return the suffix of the label format that each media type asks for."""
    return _TYPES[task]


def label_suffixes(task: Task, kind: Kind) -> tuple[str, ...]:
    """Return the suffixes of the formats that can carry a label of such an image, best first."""
    if task is Task.CLASSIFICATION:
        return (JSON,)
    if task is Task.INSTANCES and kind == "picture":
        return (JSON, *mask_suffixes(kind))
    return mask_suffixes(kind)


def label_suffix(filename: str, task: Task) -> str:
    """Return the format of a label file by its name.

    Raises:
        UnsupportedFormat: The name is none of a label of such a task.
    """
    suffix = JSON if filename.lower().endswith(JSON) else image_suffix(filename)
    if suffix == ".tiff":
        suffix = ".tif"
    formats = sorted(set(label_types(task).values()))
    if suffix not in formats:
        raise UnsupportedFormat(
            f"A label file is called {filename[:200]!r}, which says no format of a label of "
            f"{task.value}; name it with one of {', '.join(formats)}."
        )
    return suffix


def read_label(
    path: Path, suffix: str, header: Header, schema: LabelSchema, task: Task, limits: Limits
) -> Answer:
    """Read a label file and check it against its image and the classes.

    Args:
        path: A file.
        suffix: Its format.
        header: Of the image. Where it has no affine, only shapes are compared.
        schema: The classes.
        task: Says which kind of answer the label is.
        limits: What the file may ask for.

    Raises:
        UnsupportedFormat: The format cannot carry a label of such an image.
        GeometryMismatch: It does not lie on its image.
        InvalidLabelValues: It says what the schema has not.
        ImageError: It cannot be read; see `read_mask`, `read_instance_map`, `read_coco`,
            `read_class_label`.
    """
    _check_suffix(suffix, label_suffixes(task, header.kind), header, "given")
    if task is Task.CLASSIFICATION:
        return read_class_label(path, schema, limits)
    if task is Task.INSTANCES:
        return _read_instances(path, suffix, header, schema, limits, keep_scores=False)
    mask = read_mask(path, limits, suffix=suffix)
    check_mask(mask, header, schema)
    return mask


def decode_answer(
    path: Path, suffix: str, header: Header, schema: LabelSchema, task: Task, limits: Limits
) -> Answer:
    """Read back what `encode_answer` wrote: like `read_label`, but with scores and probabilities.

    Raises:
        ImageError: As in `read_label`.
    """
    _check_suffix(suffix, label_suffixes(task, header.kind), header, "given")
    if task is Task.CLASSIFICATION:
        return read_class_scores(path, schema, limits)
    if task is Task.INSTANCES:
        return _read_instances(path, suffix, header, schema, limits, keep_scores=True)
    return read_label(path, suffix, header, schema, task, limits)


def encode_answer(
    answer: Answer,
    header: Header,
    schema: LabelSchema,
    suffix: str,
    *,
    file_name: str = "",
    dtype: str | None = None,
    compress: bool | None = None,
) -> bytes:
    """Write a label or a prediction as a file. The same answer gives the same bytes.

    Args:
        answer: Of an image.
        header: The image's.
        schema: The classes.
        suffix: One of `label_suffixes`.
        file_name: What a COCO file says that its image is called.
        dtype: Type of a mask's values, as in `encode_mask`; other answers do not look at it.
        compress: Whether a mask is packed, as in `encode_mask`; other answers do not look at it.

    Raises:
        UnsupportedFormat: The format cannot carry such an answer.
        ImageError: As in `encode_mask`, `encode_instance_map`, `encode_coco`.
    """
    if isinstance(answer, Mask):
        return encode_mask(answer, header, suffix, dtype=dtype, compress=compress)
    task = Task.INSTANCES if isinstance(answer, Instances) else Task.CLASSIFICATION
    _check_suffix(suffix, label_suffixes(task, header.kind), header, "written")
    if isinstance(answer, ClassScores):
        return encode_class_scores(answer, schema)
    if suffix == JSON:
        return encode_coco(answer, header, schema, file_name=file_name)
    return encode_instance_map(answer, header, schema, suffix)


def label_oddities(answer: Answer) -> str:
    """Say what is odd about a label and no reason to refuse it; empty where nothing is.

    Objects are numbered from 1 in the order of the answer.
    """
    if not isinstance(answer, Instances):
        return ""
    several = in_several_pieces(answer.masks)
    if not several:
        return ""
    return f"{_named(several)} in several pieces"


def _read_instances(
    path: Path,
    suffix: str,
    header: Header,
    schema: LabelSchema,
    limits: Limits,
    *,
    keep_scores: bool,
) -> Instances:
    if suffix == JSON:
        return read_coco(path, header, schema, limits, keep_scores=keep_scores)
    return read_instance_map(path, suffix, header, schema, limits)


def _check_suffix(suffix: str, allowed: Sequence[str], header: Header, done: str) -> None:
    if suffix not in allowed:
        raise UnsupportedFormat(
            f"A label of this {header.kind} cannot be {done} as {suffix!r}; use one of "
            f"{', '.join(allowed)}."
        )


def _named(rows: Sequence[int]) -> str:
    """Name instances by their numbers, a few of many."""
    numbers = [str(row + 1) for row in rows[:_MOST_NAMED]]
    if len(rows) == 1:
        return f"instance {numbers[0]} is"
    if len(rows) > _MOST_NAMED:
        return f"instances {', '.join(numbers)} and {len(rows) - _MOST_NAMED} more are"
    return f"instances {', '.join(numbers[:-1])} and {numbers[-1]} are"
