"""Numbers that plugins give, made plain: floats of Python, float32 arrays, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, Json


class Broken(Exception):
    """What a plugin answered breaks the contract. Says what, without naming the plugin."""


def finite(what: str, value: object) -> float:
    """Return a finite number as a float.

    Raises:
        Broken: It is none.
    """
    number = _number(what, value)
    if not math.isfinite(number):
        raise Broken(f"{what} is {number}, which is not finite")
    return number


def unit(what: str, value: object) -> float:
    """Return a number in [0, 1] as a float.

    Raises:
        Broken: It is none.
    """
    number = finite(what, value)
    if not 0 <= number <= 1:
        raise Broken(f"{what} is {number}, outside [0, 1]")
    return number


def whole(what: str, value: object) -> int:
    """Return a whole number as an int.

    Raises:
        Broken: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise Broken(f"{what} is {value!r}, not a whole number")
    return int(value)


def finite_only(numbers: Mapping[str, object]) -> dict[str, float]:
    """Return the numbers by name, leaving out NaN and infinity, which JSON cannot say.

    Raises:
        Broken: One is no number.
    """
    kept = {}
    for name, value in numbers.items():
        number = _number(str(name), value)
        if math.isfinite(number):
            kept[str(name)] = number
    return kept


def float_array(what: str, given: object, shape: tuple[int | None, ...]) -> FloatArray:
    """Return a finite float32 array of a shape; None in the shape stands for any length.

    Raises:
        Broken: It is none.
    """
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "fiu":
        raise Broken(f"{what} must be a numpy array of float32")
    array: npt.NDArray[Any] = np.asarray(given)
    if array.ndim != len(shape) or any(
        wanted is not None and size != wanted
        for size, wanted in zip(array.shape, shape, strict=True)
    ):
        words = ", ".join("any" if size is None else str(size) for size in shape)
        raise Broken(f"{what} has shape {array.shape}; it must be ({words})")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise Broken(f"{what} holds NaN or infinity")
    return array


def plain_json(what: str, given: object) -> Json:
    """Return a value as JSON says it: numbers of numpy become Python's, tuples become lists.

    Raises:
        Broken: JSON cannot say it.
    """
    try:
        return cast(Json, json.loads(json.dumps(given, default=_plain, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise Broken(f"{what} cannot be said in JSON: {error}") from None


def _number(what: str, value: object) -> float:
    try:
        return float(cast(Any, value))
    except (TypeError, ValueError):
        raise Broken(f"{what} is a {type(value).__name__}, not a number") from None


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON type")
