"""Values from plugins, made fit for a JSON column and for clients that parse strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return what JSON can say of a value: no NaN, no infinity, no array, no tuple.

    A number that is not finite becomes None; numpy's numbers and arrays become Python's; what JSON
    has no word for becomes its text.
    """
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)
