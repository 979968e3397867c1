"""What people may write: annotators' names, reasons, titles."""

from __future__ import annotations

import math
import unicodedata

from limner.errors import InvalidRequest

_REFUSED = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories: control characters, lone surrogates, line and paragraph separators."""


def checked_annotator(name: str) -> str:
    """Return an annotator's name as it was given.

    Raises:
        InvalidRequest: Not 1 to 200 characters, blank, or with control characters.
    """
    if not 1 <= len(name) <= 200 or not name.strip() or _has_refused(name):
        raise InvalidRequest(
            f"annotator is {name[:50]!r}; take 1 to 200 characters, not all spaces, without "
            "control characters."
        )
    return name


def checked_text(what: str, text: str, most: int) -> str:
    """Return a free text of one line without outer spaces; it may be empty.

    Raises:
        InvalidRequest: Longer than `most` characters, or with control characters.
    """
    if len(text) > most or _has_refused(text):
        raise InvalidRequest(
            f"{what} is {text[:50]!r} of {len(text)} characters; take at most {most}, on one line, "
            "without control characters."
        )
    return text.strip()


def checked_seconds(seconds: float | None) -> float | None:
    """Return how long an annotator took, in seconds, where that is said.

    Raises:
        InvalidRequest: Negative, above a million, or not a number.
    """
    if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= 1e6):
        raise InvalidRequest(f"seconds is {seconds}; take a number from 0 to 1000000.")
    return seconds


def _has_refused(text: str) -> bool:
    return any(unicodedata.category(each) in _REFUSED for each in text)
