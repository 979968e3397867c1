"""What annotators say beside an image, from the parameters of each viewer to `Prompt`.

Points come as voxel indices in the image's own order: (i, j, k), or (x, y) of a picture, whose axes
in Limner are (row, column).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import InvalidRequest
from limner.http.monai_label.entries import Entry
from limner.images import Header
from limner.plugin import LabelSchema, Mask, Prompt

MOST_POINTS = 10_000
"""Points of one request."""

_BACKGROUND, _FOREGROUND = "background", "foreground"


@dataclass
class _Said:
    """What was said about one class."""

    points: list[list[float]] = field(default_factory=list)
    positive: list[bool] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    scribble: npt.NDArray[np.uint8] | None = None


def prompts_of(
    entry: Entry,
    params: Mapping[str, Any],
    header: Header,
    schema: LabelSchema,
    scribbles: Mask | None,
) -> list[Prompt]:
    """Read the prompts of a request to an interactive model; empty where nothing is said.

    Args:
        entry: The model.
        params: The request's parameters.
        header: The image's.
        schema: The classes.
        scribbles: What came as the form's `label`, with values of the client's own.

    Raises:
        InvalidRequest: Points, boxes or classes that cannot be understood.
    """
    said: dict[int, _Said] = {}
    if entry.type == "scribbles":
        value, scribble = _scribbled(params, header, schema, scribbles)
        said[value] = _Said(scribble=scribble)
    elif "point_labels" in params:
        _add_numbered(said, params, header, schema)
    elif entry.type == "deepedit" and any(name in params for name in schema.names):
        _add_by_class(said, params, header, schema)
    else:
        _add_for_one(said, params, header, schema)
    if entry.boxes and params.get("roi"):
        value = _chosen(params, schema)
        said.setdefault(value, _Said()).boxes.append(_box(params["roi"], params, header))
    return [_prompt(value, each, header) for value, each in sorted(said.items())]


def _add_by_class(
    said: dict[int, _Said], params: Mapping[str, Any], header: Header, schema: LabelSchema
) -> None:
    """Clicks by class, as Slicer and OHIF send them for several classes."""
    background = _points(params, _BACKGROUND, header)
    for each in schema.classes:
        points = _points(params, each.name, header)
        if points:
            one = said.setdefault(each.value, _Said())
            one.points += points
            one.positive += [True] * len(points)
    if background:
        # Background is against whatever class is being drawn.
        value = _chosen(params, schema) if not said else None
        for one in said.values() if value is None else [said.setdefault(value, _Said())]:
            one.points += background
            one.positive += [False] * len(background)


def _add_for_one(
    said: dict[int, _Said], params: Mapping[str, Any], header: Header, schema: LabelSchema
) -> None:
    """Clicks for and against one class."""
    groups = [(_FOREGROUND, True), (_BACKGROUND, False)]
    for name, is_positive in groups:
        points = _points(params, name, header)
        if points:
            one = said.setdefault(_chosen(params, schema), _Said())
            one.points += points
            one.positive += [is_positive] * len(points)


def _add_numbered(
    said: dict[int, _Said], params: Mapping[str, Any], header: Header, schema: LabelSchema
) -> None:
    """Points with a 1 or a 0 for each, and a class by its place."""
    points, labels = _points(params, "points", header), params["point_labels"]
    if not isinstance(labels, list) or len(labels) != len(points):
        raise InvalidRequest(f"point_labels must have {len(points)} numbers, one for each point.")
    if points:
        one = said.setdefault(_chosen(params, schema), _Said())
        one.points += points
        one.positive += [each == 1 for each in labels]


def _chosen(params: Mapping[str, Any], schema: LabelSchema) -> int:
    """Return the value of the class that is being drawn; the first one where nothing is said."""
    prompt = params.get("label_prompt")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
        if not 1 <= prompt[0] <= len(schema.classes):
            raise InvalidRequest(f"label_prompt is {prompt[:5]!r}; take 1 to {len(schema.names)}.")
        return schema.classes[prompt[0] - 1].value
    name = params.get("label") or params.get("selected_label_name")
    if name in (None, ""):
        return schema.classes[0].value
    for each in schema.classes:
        if each.name == name:
            return each.value
    raise InvalidRequest(f"label is {str(name)[:64]!r}; the classes are {', '.join(schema.names)}.")


def _points(params: Mapping[str, Any], name: str, header: Header) -> list[list[float]]:
    given = params.get(name)
    if given in (None, []):
        return []
    axes = len(header.shape)
    if not isinstance(given, list) or len(given) > MOST_POINTS:
        raise InvalidRequest(f"{name} is no list of at most {MOST_POINTS} points.")
    found = []
    for point in given:
        if not _is_numbers(point) or not axes <= len(point) <= 3:
            raise InvalidRequest(
                f"{name} has the point {str(point)[:50]}; take {axes} numbers, voxel indices."
            )
        index = [float(each) for each in point[:axes]]
        if header.kind == "picture":
            index.reverse()
        if not all(0 <= each < size for each, size in zip(index, header.shape, strict=True)):
            raise InvalidRequest(f"{name} has the point {point}, outside of the image.")
        found.append(index)
    return found


def _box(roi: Any, params: Mapping[str, Any], header: Header) -> list[float]:
    """Read a region: first corner, then last, one past the end.

    3D Slicer sends each axis as a pair, CVAT the corners of a picture, x before y.
    """
    axes = len(header.shape)
    if not _is_numbers(roi) or len(roi) not in (4, 6):
        raise InvalidRequest(f"roi is {str(roi)[:80]}; take four numbers, or six.")
    numbers = [float(each) for each in roi]
    if len(roi) == 6:
        pairs = [sorted(numbers[at : at + 2]) for at in (0, 2, 4)][:axes]
    else:
        pairs = [sorted(numbers[at::2]) for at in (0, 1)]
        if axes == 3:
            at = params.get("slice")
            number = float(at) if isinstance(at, int | float) else 0.0
            pairs.append([number, number])
    if header.kind == "picture":
        pairs.reverse()
    low = [max(0.0, first) for first, _ in pairs]
    high = [min(float(size), last + 1) for (_, last), size in zip(pairs, header.shape, strict=True)]
    if any(first >= last for first, last in zip(low, high, strict=True)):
        raise InvalidRequest(f"roi is {str(roi)[:80]}, which lies outside of the image.")
    return [*low, *high]


def _scribbled(
    params: Mapping[str, Any], header: Header, schema: LabelSchema, scribbles: Mask | None
) -> tuple[int, npt.NDArray[np.uint8]]:
    """Return the class and what was scribbled: 1 for it, 2 against it."""
    if scribbles is None:
        raise InvalidRequest("Scribbles are sent as the form's file `label`; there is none.")
    if tuple(scribbles.array.shape) != header.shape:
        raise InvalidRequest(
            f"The scribbles have shape {tuple(scribbles.array.shape)}, the image {header.shape}."
        )
    count = len(schema.classes)
    numbers = {"background_scribbles": count + 1, "foreground_scribbles": count + 2}
    info = params.get("label_info")
    for each in info if isinstance(info, Sequence) and not isinstance(info, str) else ():
        if isinstance(each, Mapping) and each.get("name") in numbers:
            number = each.get("id", each.get("idx"))
            if isinstance(number, int):
                numbers[str(each["name"])] = number
    drawn = np.zeros(header.shape, np.uint8)
    drawn[scribbles.array == numbers["foreground_scribbles"]] = 1
    drawn[scribbles.array == numbers["background_scribbles"]] = 2
    return _chosen(params, schema), drawn


def _prompt(value: int, said: _Said, header: Header) -> Prompt:
    axes = len(header.shape)
    return Prompt(
        points=np.array(said.points, np.float32).reshape(-1, axes),
        positive=np.array(said.positive, np.bool_),
        boxes=np.array(said.boxes, np.float32).reshape(-1, 2 * axes),
        scribble=said.scribble,
        value=value,
    )


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )
