"""Agreement on classes beyond what chance would bring: Cohen's kappa.

`(p - e) / (1 - e)`, where p is the share of agreement and e the share that raters of the same
habits would reach by chance. 1 is perfect, 0 is chance. Where only one category was ever said, e is
1 and kappa says nothing.

Cohen 1960, A coefficient of agreement for nominal scales.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence

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
    return None if chance >= 1 else (same - chance) / (1 - chance)


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
    by_name = [
        cohen_kappa([name in each for each in first], [name in each for each in second])
        for name in names
    ]
    known = [each for each in by_name if each is not None]
    return float(np.mean(known)) if known else None
