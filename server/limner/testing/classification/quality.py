"""How well probabilities tell classes, measured without the app."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def balanced_accuracy(
    scores: npt.NDArray[np.float32], truths: npt.NDArray[np.bool_], *, exclusive: bool
) -> float:
    """Return how often classes are told rightly, rare ones counting as much as frequent ones.

    Where classes are exclusive it is the mean recall of the classes that occur. Where they are not,
    each class is a question of its own, answered yes from 0.5 on: it is the mean of sensitivity and
    specificity, over the classes where both are defined.

    Args:
        scores: (n, classes), probabilities.
        truths: (n, classes), which classes each image has.
        exclusive: Whether each has exactly one.

    References:
        Brodersen et al. 2010, The balanced accuracy and its posterior distribution.
    """
    if exclusive:
        hits = scores.argmax(axis=1) == truths.argmax(axis=1)
        return float(np.mean([hits[row].mean() for row in truths.T if row.any()]))
    right = (scores >= 0.5) == truths
    return float(
        np.mean(
            [
                (hits[has].mean() + hits[~has].mean()) / 2
                for hits, has in zip(right.T, truths.T, strict=True)
                if has.any() and not has.all()
            ]
        )
    )


def mean_auroc(scores: npt.NDArray[np.float32], truths: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of each class against all others, as a mean.

    It is the share of pairs, one image with the class and one without, of which the first has the
    higher score; half a pair where they are equal. Classes without a pair are left out.

    Args:
        scores: (n, classes), probabilities.
        truths: (n, classes), which classes each image has.

    References:
        Hanley and McNeil 1982, The meaning and use of the area under a receiver operating
        characteristic (ROC) curve.
    """
    areas = []
    for column, has in zip(scores.T, truths.T, strict=True):
        ahead = column[has][:, None] - column[~has][None]
        if ahead.size:
            areas.append(float(((np.sign(ahead) + 1) / 2).mean()))
    return float(np.mean(areas))
