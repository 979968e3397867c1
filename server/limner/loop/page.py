"""Lists in pages: what is on one, and the cursor that leads to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from limner.errors import InvalidRequest

T = TypeVar("T")

MAX_LIMIT = 1000
"""Most items of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None
    """Cursor of the page that follows; None on the last one."""


def encode_cursor(place: int | str) -> str:
    """Write where a list goes on as an opaque text that is safe in a URL."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | str | None:
    """Read a cursor back; None for the beginning.

    Raises:
        InvalidRequest: It is none that a page gave.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    # SQLite's integers have 64 bits.
    is_number = isinstance(place, int) and not isinstance(place, bool) and abs(place) < 2**63
    if not is_number and not isinstance(place, str):
        raise InvalidRequest(
            f"Cursor {cursor[:100]!r} is none that a list gave; take `next` of the page before, "
            "or leave it out."
        )
    return place  # type: ignore[no-any-return]


def number_cursor(cursor: str | None) -> int | None:
    """Read the cursor of a list that goes by number.

    Raises:
        InvalidRequest: It belongs to another list, or to none.
    """
    place = decode_cursor(cursor)
    if isinstance(place, str):
        raise InvalidRequest(
            f"Cursor {str(cursor)[:100]!r} belongs to another list; take `next` of the page before."
        )
    return place


def checked_limit(limit: int) -> int:
    """Return a page's size.

    Raises:
        InvalidRequest: Not from 1 to `MAX_LIMIT`.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit is {limit}; take 1 to {MAX_LIMIT}.")
    return limit


def page_of(rows: Sequence[T], limit: int, place: Callable[[T], int | str]) -> Page[T]:
    """Make a page of rows that were asked for with a limit of one more than it holds."""
    items = list(rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next=encode_cursor(place(items[-1])) if more else None)
