"""Folds of a review: every label is held out once, and every class is in every training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limner.loop.crossvalidation import Fold


def review_folds(strata: Mapping[int, str], folds: int, seed: int) -> tuple[Fold, ...]:
    """Split labels so that each is judged by a training that did not see it.

    Labels of one stratum are dealt out to the folds in turn: a class that is left out of a training
    would be unlikely to that model, and its labels suspect for no fault of theirs.

    Args:
        strata: By label id, what to spread evenly: the label's classes, or the same text for all.
        folds: How many, at least 2 and at most the number of labels.
        seed: Of the split.

    Raises:
        ValueError: There are fewer labels than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(strata):
        raise ValueError(f"{len(strata)} labels cannot be split into {folds} folds.")
    every = sorted(strata)
    random = np.random.default_rng(seed)
    shuffled = [every[place] for place in random.permutation(len(every))]
    dealt = sorted(shuffled, key=strata.__getitem__)  # stable: random within a stratum
    parts = []
    for number in range(folds):
        held_out = set(dealt[number::folds])
        train = tuple(label for label in every if label not in held_out)
        parts.append(Fold(train=train, held_out=tuple(sorted(held_out))))
    return tuple(parts)
