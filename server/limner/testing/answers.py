"""What is true of every mask, and how the kit itself measures one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    Answer,
    Case,
    FloatArray,
    Image,
    LabelSchema,
    Mask,
    Prediction,
    PredictRequest,
    Predicts,
)


def mask_of(answer: Answer) -> Mask:
    """Return an answer that must be a mask."""
    assert isinstance(answer, Mask), f"the answer is a {type(answer).__name__}, not a Mask"
    return answer


def assert_mask_sound(answer: Answer, image: Image, schema: LabelSchema) -> None:
    """Check type, geometry and values of a mask against its image."""
    mask = mask_of(answer)
    kind = mask.array.dtype
    assert kind in (np.uint8, np.uint16), f"the mask's dtype is {kind}; uint8 or uint16 is wanted"
    assert mask.array.shape == image.shape, (
        f"the mask's shape is {mask.array.shape}, its image's is {image.shape}"
    )
    assert mask.spacing == image.spacing, (
        f"the mask's spacing is {mask.spacing}, its image's is {image.spacing}"
    )
    if image.affine is None:
        assert mask.affine is None, "the mask has an affine, its image has none"
    else:
        assert mask.affine is not None, "the mask has no affine, its image has one"
        assert np.array_equal(mask.affine, image.affine), "the mask's affine is not its image's"
    unknown = sorted(set(np.unique(mask.array).tolist()) - set(schema.values))
    assert not unknown, f"the mask holds {unknown}; the schema has {schema.values}"


def assert_probabilities_sound(
    prediction: Prediction, image: Image, schema: LabelSchema, agreement: float
) -> None:
    """Check shape, range and sum of probabilities, and that the mask is their largest."""
    probabilities = prediction.probabilities
    assert probabilities is not None, "probabilities were asked for and are None"
    wanted = (1 + len(schema.classes), *image.shape)
    assert probabilities.shape == wanted, (
        f"probabilities have shape {probabilities.shape}; {wanted} is wanted"
    )
    assert probabilities.dtype == np.float32, f"probabilities are {probabilities.dtype}"
    assert np.isfinite(probabilities).all(), "some probabilities are not finite"
    assert probabilities.min() >= 0, f"the smallest probability is {probabilities.min()}"
    furthest = float(np.abs(probabilities.sum(axis=0) - 1).max())
    assert furthest <= 1e-3, f"probabilities sum to one only within {furthest:.2g}"
    best = np.array(schema.values)[probabilities.argmax(axis=0)]
    share = float((best == mask_of(prediction.answer).array).mean())
    assert share >= agreement, f"mask and likeliest class agree on {share:.1%} of the pixels only"


def probabilities_of(model: Predicts, image: Image, seed: int = 0) -> FloatArray:
    """Return the probabilities (1 + classes, *spatial) that a model answers when asked."""
    prediction = model.predict(image, PredictRequest(probabilities=True, seed=seed))
    assert prediction.probabilities is not None, "probabilities were asked for and are None"
    return prediction.probabilities


def dice_by_class(
    answer: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], schema: LabelSchema
) -> dict[str, float]:
    """Return Dice, 2|A∩B| / (|A| + |B|), of each class that is in one of two masks.

    References:
        Dice 1945, Measures of the amount of ecologic association between species.
    """
    scores = {}
    for each in schema.classes:
        left, right = answer == each.value, truth == each.value
        size = int(left.sum()) + int(right.sum())
        if size:
            scores[each.name] = 2 * int((left & right).sum()) / size
    return scores


def mean_dice(model: Predicts, cases: Sequence[Case], schema: LabelSchema) -> float:
    """Return the mean Dice over cases and classes, measured without the model's `evaluate`."""
    scores: list[float] = []
    for case in cases:
        answer = mask_of(model.predict(case.load_image(), PredictRequest()).answer)
        truth = mask_of(case.load_label())
        scores += dice_by_class(answer.array, truth.array, schema).values()
    return float(np.mean(scores))
