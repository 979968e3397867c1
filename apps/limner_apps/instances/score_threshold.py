"""The least score of an object that is answered: what makes the best answers on held-out cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from limner.plugin import Case, LabelSchema
from limner_apps.instances.inference import Inference
from limner_apps.instances.panoptic import class_qualities, image_quality
from limner_apps.instances.plan import Plan
from limner_apps.instances.preprocess import preprocess
from limner_apps.instances.survey import check_values, load_pair

USUAL = 0.6
"""Taken where no case is held out. On nuclei 0.6 to 0.8 had the best panoptic quality, and 0.5 up
to 0.03 less."""
_TRIED = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_CASES = 12
_GAIN = 0.005
"""Panoptic quality that a threshold must gain over the usual one to be taken."""


def best_threshold(
    inference: Inference,
    plan: Plan,
    schema: LabelSchema,
    cases: Sequence[Case],
    pause: Callable[[], None],
) -> float | None:
    """Return the threshold of the largest mean panoptic quality; None when there is no case.

    Raises:
        UnsuitableInput: A case is not one the plan can take.
    """
    values = schema.values[1:]
    qualities = []
    for case in cases[:_CASES]:
        image, label = load_pair(case)
        check_values(label.classes.tolist(), schema, f"Case {case.id}")
        array = preprocess(image, plan, f"Case {case.id}")
        found = inference.run(array, (image.shape[0], image.shape[1]), pause=pause).detections[0]
        qualities.append(
            [
                image_quality(class_qualities(found.answer(schema, least), label, values))
                for least in _TRIED
            ]
        )
    if not qualities:
        return None
    means = np.mean(qualities, axis=0)
    best = int(np.argmax(means))
    return _TRIED[best] if means[best] > means[_TRIED.index(USUAL)] + _GAIN else USUAL
