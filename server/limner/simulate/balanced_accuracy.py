"""Balanced accuracy of classes against known ones, over all cases together."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def balanced_accuracy(
    found: Sequence[Collection[str]],
    true: Sequence[Collection[str]],
    names: Sequence[str],
    *,
    exclusive: bool = True,
) -> float:
    """Mean over the classes of how many of their cases are right.

    Brodersen et al. 2010, The balanced accuracy and its posterior distribution. Where classes
    exclude each other: the mean recall of those that occur. Else each class is a question of its
    own, and of those that some cases have and others have not, the recalls of yes and no are
    averaged.

    Args:
        found: Names of the classes that a model chose, case by case.
        true: Those that are known.
        names: All classes.
        exclusive: Whether an image has exactly one.

    Raises:
        ValueError: There is no case, none that says anything of a class, or more of one than of
            the other.
    """
    chosen, known = ([[name in each for name in names] for each in side] for side in (found, true))
    answers, truths = np.array(chosen, bool), np.array(known, bool)
    if answers.shape != truths.shape:
        raise ValueError(f"{len(found)} cases were found, but {len(true)} are known.")
    scores = []
    for column in range(len(names)) if len(truths) else ():
        is_true, is_right = truths[:, column], answers[:, column] == truths[:, column]
        sides = (is_true,) if exclusive else (is_true, ~is_true)
        if all(side.any() for side in sides):
            scores.append(np.mean([is_right[side].mean() for side in sides]))
    if not scores:
        raise ValueError("No known case has any of the classes; balanced accuracy says nothing.")
    return float(np.mean(scores))
