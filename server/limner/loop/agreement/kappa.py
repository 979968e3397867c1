"""Agreement on classes beyond what chance would bring: Cohen's kappa, and Fleiss' for several.

`(p - e) / (1 - e)`, where p is the share of agreement and e the share that raters of the same
habits would reach by chance. 1 is perfect, 0 is chance. Where only one category was ever said, e is
1 and kappa says nothing.

Cohen 1960, A coefficient of agreement for nominal scales. Fleiss 1971, Measuring nominal scale
agreement among many raters; items may have different numbers of ratings, each weighs the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence

import numpy as np


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Return the agreement of two raters, None where it says nothing.

    Args:
        first: What one rater said, item by item.
        second: What the other said of the same items.
    """
    items = len(first)
    if not items:
        return None
    same = sum(a == b for a, b in zip(first, second, strict=True)) / items
    ours, theirs = Counter(first), Counter(second)
    chance = sum(number * theirs[said] for said, number in ours.items()) / items**2
    return _beyond(same, chance)


def fleiss_kappa(ratings: Sequence[Sequence[Hashable]]) -> float | None:
    """Return the agreement of several raters, None where it says nothing.

    Args:
        ratings: What was said of each item, by whoever rated it; items with one rating are left
            out.
    """
    rated = [Counter(each) for each in ratings if len(each) > 1]
    if not rated:
        return None
    same = np.mean(
        [
            sum(number * (number - 1) for number in each.values())
            / (each.total() * (each.total() - 1))
            for each in rated
        ]
    )
    said: Counter[Hashable] = sum(rated, Counter())
    chance = sum((number / said.total()) ** 2 for number in said.values())
    return _beyond(float(same), chance)


def class_kappa(
    first: Sequence[Collection[str]],
    second: Sequence[Collection[str]],
    names: Sequence[str],
    *,
    exclusive: bool,
) -> float | None:
    """Return Cohen's kappa of the classes that two say of the same images.

    Where an image may have several classes, each is a question of its own, yes or no, and the mean
    over those of which kappa says something is returned.

    Args:
        first: Names of the classes, image by image.
        second: Likewise.
        names: All classes.
        exclusive: Whether an image has exactly one.
    """
    if exclusive:
        return cohen_kappa([tuple(each) for each in first], [tuple(each) for each in second])
    return mean_known(
        cohen_kappa([name in each for each in first], [name in each for each in second])
        for name in names
    )


def class_fleiss(
    ratings: Sequence[Sequence[Collection[str]]], names: Sequence[str], *, exclusive: bool
) -> float | None:
    """Return Fleiss' kappa of the classes that several say; else as `class_kappa`."""
    if exclusive:
        return fleiss_kappa([[tuple(said) for said in each] for each in ratings])
    return mean_known(
        fleiss_kappa([[name in said for said in each] for each in ratings]) for name in names
    )


def mean_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of those that are known, None where none is."""
    known = [each for each in values if each is not None]
    return float(np.mean(known)) if known else None


def _beyond(same: float, chance: float) -> float | None:
    return None if chance >= 1 else (same - chance) / (1 - chance)
