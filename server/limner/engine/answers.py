"""Whether a model's answers keep the contract, and their plain form.

A worker checks before it sends: what reaches the loop is what `limner.plugin` promises, made of
numpy arrays and numbers of Python alone. Work on volumes goes slab by slab, so that a check never
costs as much memory as the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.engine.numbers import Broken, finite, float_array
from limner.plugin import (
    MOST_INSTANCES,
    Answer,
    ClassScores,
    Described,
    Description,
    FloatArray,
    Image,
    Instances,
    LabelSchema,
    Mask,
    Prediction,
    PredictRequest,
    Region,
    Task,
    cut_to,
    window,
)

SUM_TOLERANCE = 1e-3
"""How far probabilities may be from summing to one: the contract's own bound."""

SLAB_BYTES = 8 * 2**20
"""About how much of an array is looked at in one go."""

_ANSWERS: dict[Task, type[Mask] | type[Instances] | type[ClassScores]] = {
    Task.SEGMENTATION: Mask,
    Task.INSTANCES: Instances,
    Task.CLASSIFICATION: ClassScores,
}


def checked_prediction(
    prediction: object, image: Image, schema: LabelSchema, task: Task, request: PredictRequest
) -> Prediction:
    """Return a prediction in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    if not isinstance(prediction, Prediction):
        raise Broken(f"the answer is a {type(prediction).__name__}, not a Prediction")
    probabilities = prediction.probabilities
    return Prediction(
        answer=checked_answer(prediction.answer, image, schema, task),
        probabilities=_checked_probabilities(probabilities, image, schema)
        if probabilities is not None and request.probabilities
        else None,
    )


def checked_answer(answer: object, image: Image, schema: LabelSchema, task: Task) -> Answer:
    """Return a mask, instances or class scores in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    wanted = _ANSWERS[task]
    if not isinstance(answer, wanted):
        raise Broken(f"the answer is a {type(answer).__name__}; {task} asks for {wanted.__name__}")
    if isinstance(answer, Mask):
        return _checked_mask(answer, image, schema)
    if isinstance(answer, Instances):
        return _checked_instances(answer, image, schema)
    scores = float_array("class scores", answer.probabilities, (len(schema.classes),))
    _check_unit("class scores", scores)
    if schema.exclusive and abs(float(scores.sum()) - 1) > SUM_TOLERANCE:
        raise Broken(f"class scores must sum to one, not to {scores.sum()}: classes are exclusive")
    return ClassScores(probabilities=scores)


def checked_described(
    described: object, image: Image, schema: LabelSchema, task: Task, request: PredictRequest
) -> Described:
    """Return a description and its prediction in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    if not isinstance(described, Described):
        raise Broken(f"the answer is a {type(described).__name__}, not a Described")
    prediction = checked_prediction(described.prediction, image, schema, task, request)
    description = _checked_description(described.description, schema)
    region = _checked_region(described.description.region, image, request)
    return Described(prediction=prediction, description=replace(description, region=region))


def checked_map(given: object, image: Image) -> FloatArray:
    """Return a map of what speaks for a class in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    array = float_array("the map", given, tuple(image.shape))
    _check_unit("the map", array)
    return array


def _checked_mask(mask: Mask, image: Image, schema: LabelSchema) -> Mask:
    array = _array("the mask", mask.array)
    if array.shape != image.shape:
        raise Broken(f"the mask has shape {array.shape}, its image {image.shape}")
    if array.dtype not in (np.uint8, np.uint16):
        raise Broken(f"the mask has dtype {array.dtype}, which must be uint8 or uint16")
    _check_values("the mask", array, schema)
    if not _same_affine(mask.affine, image.affine):
        raise Broken("the mask's affine is not its image's; give back the image's own")
    return Mask(array=_contiguous(array), spacing=image.spacing, affine=image.affine)


def _checked_instances(found: Instances, image: Image, schema: LabelSchema) -> Instances:
    axes = len(image.shape)
    boxes = float_array("boxes", found.boxes, (None, 2 * axes))
    count = len(boxes)
    if count > MOST_INSTANCES:
        raise Broken(f"there are {count} instances; at most {MOST_INSTANCES} can be told")
    low, high = boxes[:, :axes], boxes[:, axes:]
    outside = (low < 0).any() or (high > np.asarray(image.shape, np.float32)).any()
    if outside or (high <= low).any():
        raise Broken(f"boxes must lie inside the image, {image.shape}, and not be empty")
    if not isinstance(found.masks, tuple) or len(found.masks) != count:
        raise Broken(f"the instances' masks must be a tuple of {count}, one for each box")
    masks = tuple(map(_checked_cut, found.masks, boxes))
    scores = float_array("instance scores", found.scores, (count,))
    _check_unit("instance scores", scores)
    classes = _array("the instances' classes", found.classes)
    known = np.isin(classes, schema.values[1:])
    if classes.shape != (count,) or not known.all():
        raise Broken(f"the instances' classes must be {count} of {list(schema.values[1:])}")
    return Instances(boxes=boxes, masks=masks, classes=classes.astype(np.int64), scores=scores)


def _checked_cut(mask: object, box: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Return one object's mask in plain form."""
    if mask is None:
        return None
    array = _array("an instance's mask", mask)
    wanted = tuple(each.stop - each.start for each in window(box))
    if array.dtype != np.bool_ or array.shape != wanted:
        raise Broken(
            f"an instance's mask is {array.dtype} of shape {array.shape}; it must be bool of "
            f"{wanted}, the window of its box {box.tolist()}"
        )
    return _contiguous(array)


def _checked_probabilities(given: object, image: Image, schema: LabelSchema) -> npt.NDArray[Any]:
    array = _array("probabilities", given)
    shape = (len(schema.values), *image.shape)
    if array.shape != shape or array.dtype.kind != "f":
        raise Broken(
            f"probabilities are {array.dtype} of shape {array.shape}; they must be float32 of "
            f"{shape}, background first"
        )
    for slab in _slabs(array, whole=1):
        total = slab.sum(axis=0, dtype=np.float32)
        if not np.isfinite(total).all():
            raise Broken("probabilities hold NaN or infinity")
        if np.abs(total - 1).max() > SUM_TOLERANCE or slab.min() < -SUM_TOLERANCE:
            raise Broken("probabilities must be at least 0 and sum to one along the first axis")
    return _contiguous(array.astype(np.float32, copy=False))


def _checked_description(description: object, schema: LabelSchema) -> Description:
    if not isinstance(description, Description):
        raise Broken(f"the description is a {type(description).__name__}, not a Description")
    classes = len(schema.classes)
    class_scores = float_array("class_scores", description.class_scores, (classes,))
    _check_unit("class_scores", class_scores)
    fractions = float_array("class_fractions", description.class_fractions, (1 + classes,))
    if abs(float(fractions.sum()) - 1) > SUM_TOLERANCE or fractions.min() < -SUM_TOLERANCE:
        raise Broken(f"class_fractions must be at least 0 and sum to one, not to {fractions.sum()}")
    embedding = description.embedding
    return Description(
        scores={str(k): finite(f"score {k}", v) for k, v in description.scores.items()},
        class_scores=class_scores,
        class_fractions=fractions,
        embedding=None if embedding is None else float_array("embedding", embedding, (None,)),
    )


def _checked_region(region: object, image: Image, request: PredictRequest) -> Region | None:
    """Return the part that was asked for; None where none was."""
    if request.region is None:
        return None
    if not isinstance(region, Region):
        raise Broken(f"a part was asked for and region is a {type(region).__name__}, no Region")
    if not region.lies_in(image.shape):
        raise Broken(f"the region {region} does not lie on its image of shape {image.shape}")
    if region.shape != cut_to(request.region, image.shape):
        raise Broken(f"the region has the shape {region.shape}; asked for was {request.region}")
    return region


def _check_values(what: str, array: npt.NDArray[Any], schema: LabelSchema) -> None:
    has_no_gaps = schema.values == tuple(range(len(schema.values)))
    if array.size == 0 or (has_no_gaps and int(array.max()) < len(schema.values)):
        return  # nearly always, and very much faster than what follows
    allowed = np.zeros(np.iinfo(array.dtype).max + 1, dtype=np.bool_)
    allowed[[value for value in schema.values if value < len(allowed)]] = True
    for slab in _slabs(array):
        known = allowed[slab]
        if not known.all():
            raise Broken(
                f"{what} holds the value {slab[~known].min()}; the schema has {list(schema.values)}"
            )


def _check_unit(what: str, array: npt.NDArray[Any]) -> None:
    if array.size and (array.min() < -SUM_TOLERANCE or array.max() > 1 + SUM_TOLERANCE):
        raise Broken(f"{what} must lie in [0, 1]; they reach {array.min()} and {array.max()}")


def _same_affine(left: object, right: object) -> bool:
    if left is None or right is None:
        return left is right
    return np.array_equal(np.asarray(left), np.asarray(right))


def _array(what: str, given: object) -> npt.NDArray[Any]:
    if not isinstance(given, np.ndarray):
        raise Broken(f"{what} must be a numpy array, not a {type(given).__name__}")
    return np.asarray(given)


def _contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy where there are gaps: only arrays without them go by shared memory."""
    is_dense = array.flags.c_contiguous or array.flags.f_contiguous
    return array if is_dense else np.ascontiguousarray(array)


def _slabs(array: npt.NDArray[Any], *, whole: int = 0) -> Iterator[npt.NDArray[Any]]:
    """Cut into views of about `SLAB_BYTES` that lie together in memory.

    Args:
        array: What is cut.
        whole: How many of the first axes are never cut.
    """
    axis = array.ndim - 1 if array.flags.f_contiguous else whole
    length = array.shape[axis]
    step = max(1, length * SLAB_BYTES // max(array.nbytes, 1))
    before: Sequence[slice] = [slice(None)] * axis
    for start in range(0, length if array.size else 0, step):
        yield array[(*before, slice(start, start + step))]
