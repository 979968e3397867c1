"""Suspect masks: how likely a model thinks what the mask says, pixel by pixel.

Lad and Mueller 2023 (see `softmin`): a pixel's score is the out-of-sample probability of the class
that it is labelled with; an image's score is their softmin, which a small error moves and a long
uncertain outline does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from limner.loop.suspects.finding import Finding
from limner.loop.suspects.softmin import softmin
from limner.plugin import Json, LabelSchema

SUSPECT_BELOW = 0.5
"""From here on the pixels that the model doubts outweigh all others."""

_MOST_TOLD = 5


def pixel_scores(given: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the probability of each pixel's label.

    Args:
        given: (*spatial), rows of the class axis: 0 for background, `i` for the i-th class.
        probabilities: (1 + classes, *spatial), out of sample, background first.

    Returns:
        (*spatial), of the probabilities' type.
    """
    found = np.take_along_axis(probabilities, given[None].astype(np.int64), axis=0)
    return np.asarray(found[0])


def judge_mask(
    mask: npt.NDArray[Any], probabilities: npt.NDArray[Any], schema: LabelSchema
) -> Finding:
    """Judge the mask of one image.

    Args:
        mask: (*spatial), values of the schema.
        probabilities: (1 + classes, *spatial), out of sample, background first.
        schema: The classes.

    Raises:
        ValueError: The shapes do not belong together.
    """
    if probabilities.shape != (len(schema.values), *mask.shape):
        raise ValueError(
            f"The probabilities have shape {probabilities.shape}; a mask of shape {mask.shape} and "
            f"{len(schema.classes)} classes need {(len(schema.values), *mask.shape)}."
        )
    given = np.searchsorted(np.asarray(schema.values), mask)
    score = softmin(pixel_scores(given, probabilities))
    if score >= SUSPECT_BELOW:
        return Finding(score=score, is_suspect=False, reason="", model_says={})
    reason, says = _told(given, probabilities.argmax(axis=0), schema, mask.size)
    return Finding(score=score, is_suspect=True, reason=reason, model_says=says)


def _told(
    given: npt.NDArray[Any], said: npt.NDArray[Any], schema: LabelSchema, size: int
) -> tuple[str, dict[str, Json]]:
    """Say where the likeliest class is another than the label's, the largest confusion first."""
    names = ("background", *schema.names)
    pairs = np.bincount((given * len(names) + said).reshape(-1), minlength=len(names) ** 2)
    pairs = pairs.reshape(len(names), len(names))
    np.fill_diagonal(pairs, 0)
    differ = int(pairs.sum())
    order = [int(each) for each in np.argsort(-pairs, axis=None, kind="stable")]
    confusions = [
        (names[each // len(names)], names[each % len(names)], int(pairs.flat[each]))
        for each in order[:_MOST_TOLD]
        if pairs.flat[each]
    ]
    says: dict[str, Json] = {
        "differs_at": differ,
        "confusions": [
            {"labelled": labelled, "model_says": instead, "voxels": count}
            for labelled, instead, count in confusions
        ],
    }
    if not confusions:
        return "The model finds what the mask says unlikely, and nothing else likelier.", says
    labelled, instead, count = confusions[0]
    return (
        f"The model says otherwise at {differ:,} of {size:,} voxels; most of them, {count:,}, are "
        f"labelled {labelled!r} and look like {instead!r}."
    ), says
