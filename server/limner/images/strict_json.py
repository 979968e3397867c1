"""JSON from strangers, strictly: bounded in size, every number finite, no key twice.

Standard: RFC 8259, and I-JSON (RFC 7493) for what it leaves open.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from limner.errors import ImageTooLarge, UnreadableImage
from limner.images.faults import image_errors
from limner.images.reading import check_regular
from limner.settings import Limits

MOST_BYTES = 64 * 2**20
"""Largest label of one image; parsed, it may take twenty times as much memory."""

_MOST_DIGITS = 18
"""Of a whole number: more do not fit 64 bits."""


class _Strange(ValueError):
    """Something that JSON's grammar allows, or Python's reader, and that nobody means."""


def read_json(path: Path, limits: Limits, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read a JSON file.

    Args:
        path: A file.
        limits: What it may ask for.
        most_bytes: Bound of its size, beside that of the limits.

    Raises:
        UnreadableImage: No file, no JSON, or not strictly: NaN, infinity, a whole number of more
            than 18 digits, a key twice, nesting without end.
        ImageTooLarge: Over the limits, or over `most_bytes`.
    """
    with image_errors(path):
        size = check_regular(path, limits)
        if size > most_bytes:
            raise ImageTooLarge(
                f"{path.name} has {size:,} bytes; as JSON at most {most_bytes:,} are read."
            )
        with open(path, "rb") as file:
            data = file.read(most_bytes + 1)
        return parsed_json(data, path.name)


def parsed_json(data: bytes, name: str) -> Any:
    """Parse JSON; `name` is the file's, for messages.

    Raises:
        UnreadableImage: As in `read_json`.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise UnreadableImage(f"{name} is not JSON: it is not text in UTF-8.") from error
    except json.JSONDecodeError as error:
        raise UnreadableImage(
            f"{name} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except _Strange as error:
        raise UnreadableImage(f"{name} cannot be read as JSON: {error}.") from error
    except RecursionError as error:
        raise UnreadableImage(f"{name} cannot be read as JSON: it is nested too deep.") from error


def shown(value: Any) -> str:
    """Return a few words for any value, for messages."""
    if isinstance(value, str):
        return repr(value[:100])
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return json.dumps(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Strange(f"an object has the key {twice[:100]!r} twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise _Strange(f"the number {text[:20]}… has {len(text)} digits")
    return int(text)


def _decimal(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Strange(f"the number {text[:20]} is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise _Strange(f"{text} is no number")
