"""JSON bodies, read strictly (RFC 8259): what other readers would see differently is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_BYTES = 1 << 20
"""Largest JSON body."""

# An escaped NUL that is not itself escaped: databases and file systems cut or refuse such text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def check_json(raw: bytes) -> None:
    """Refuse a body that is no sound JSON.

    Raises:
        ValueError: Not UTF-8, not JSON, NaN or an infinity, a repeated name in one object, a NUL
            character, or nested too deeply. The message says which.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"The body is not UTF-8: byte {error.start} does not fit.") from None
    if _NUL.search(text):
        raise ValueError("The body holds a NUL character; leave it out.")
    try:
        json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_distinct,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise ValueError("The body is nested too deeply.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"The body holds {name}; JSON knows finite numbers only.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("The body holds a number that is too large.")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("The body names the same field twice in one object.")
    return names
