"""The types of numbers that a mask can be written as, where a client asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import InvalidLabelValues, UnsupportedFormat

NUMBER_TYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64",
)  # fmt: skip
"""Those that NIfTI, NRRD, MetaImage and TIFF all know, by their numpy names."""


def of_type(
    values: npt.NDArray[Any], dtype: str, carried: Sequence[str], suffix: str
) -> npt.NDArray[Any]:
    """Return class values as numbers of another type, every one unchanged.

    Args:
        values: (*spatial), uint8 or uint16.
        dtype: Name of the type wanted.
        carried: Names of the types that the format can carry.
        suffix: The format's, for messages.

    Raises:
        UnsupportedFormat: The format does not carry the type, or there is none of that name.
        InvalidLabelValues: A value is too large for the type.
    """
    if dtype not in carried:
        raise UnsupportedFormat(
            f"A mask cannot be written as {suffix} with values of type {str(dtype)[:40]!r}; use "
            f"one of {', '.join(carried)}."
        )
    wanted = np.dtype(dtype)
    if wanted.kind in "iu" and values.max() > np.iinfo(wanted).max:
        raise InvalidLabelValues(
            f"The mask holds the value {values.max()}, which is more than {dtype} can say; ask "
            "for a wider type, such as uint16 or int32."
        )
    # Even float32 holds every whole number to 2^24, so a class value of 16 bits is exact in all.
    return values.astype(wanted, order="K", copy=False)
