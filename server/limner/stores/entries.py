"""What a look at a folder finds: samples, and what is wrong without being one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sample, as the names of its files say. Nothing of it has been opened."""

    name: str
    """Path inside the store without suffix, with forward slashes, such as `patient1/t1`."""
    files: tuple[str, ...]
    """Paths inside the store with forward slashes; one, or one for each channel."""
    size_bytes: int
    """Of all files together."""
    modified_ns: int
    """Of the youngest file, nanoseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the folder that should be looked at, and stops nothing."""

    path: str
    """Inside the store, with forward slashes; `.` is the store itself."""
    problem: str
    """What is wrong and what to do, in words."""
