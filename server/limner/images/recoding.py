"""Giving the classes of a mask other values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limner.errors import InvalidLabelValues
from limner.images.masks import label_values
from limner.plugin import Mask
from limner.plugin.schema import MAX_VALUE


def recoded(mask: Mask, values: Mapping[int, int]) -> Mask:
    """Return a mask with other class values, uint8 where they allow, else uint16.

    All values change at once, so two classes may swap theirs.

    Args:
        mask: Of any values of a mask.
        values: The new value of each old one; values that are not in it stay as they are.

    Raises:
        InvalidLabelValues: A new value, or a value of the mask, is no whole number from 0 to 65535.
    """
    wrong = [new for new in values.values() if not 0 <= new <= MAX_VALUE]
    if wrong:
        raise InvalidLabelValues(
            f"A class cannot have the value {wrong[0]}; class values are whole numbers from 0 to "
            f"{MAX_VALUE}."
        )
    old = label_values(mask.array, "the mask")
    table = np.arange(np.iinfo(old.dtype).max + 1, dtype=np.uint16)
    for value, new in values.items():
        if 0 <= value < len(table):
            table[value] = new
    return Mask(
        array=label_values(table[old], "the mask"), spacing=mask.spacing, affine=mask.affine
    )
