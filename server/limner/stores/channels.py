"""Which files of one folder are the channels of one sample.

Two habits are understood:

- A folder for each sample, whose images differ by nothing but a sequence's name (`T1`, `T2`,
  `FLAIR`, …, alone or after `_`, `-` or `.`) or by `_0000`, `_0001`, …
- nnU-Net's flat folder: every volume ends in `_0000`, `_0001`, …, and at least two samples have the
  same set of them. Then even a single `_0000` is left out of the sample's name.

Numbered pictures are frames far more often than channels, so numbers group volumes only, and at
most eight of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from limner.images import IMAGE_SUFFIXES

Files: TypeAlias = Sequence[tuple[str, str]]
"""Stem and suffix of each image in a folder."""

Group: TypeAlias = tuple[str | None, list[str]]
"""A sample: its name inside the folder, None when it is the folder itself, and its file names."""

_SEQUENCES = frozenset(
    ("t1", "t1w", "t1n", "t1c", "t1ce", "t1gd", "t1post", "t2", "t2w", "t2f", "t2star", "flair",
     "pd", "pdw", "dwi", "adc", "hbv", "swi", "asl", "pwi", "cbf", "cbv", "dce", "ct", "pet",
     "suv", "mra")
)  # fmt: skip
"""Endings that name a sequence, in lower case."""

_LABELS = frozenset(("seg", "label", "labels", "mask", "segmentation"))
"""Endings of finished labels that lie in a sample's own folder, as BraTS has them."""

_MOST_NUMBERED = 8


def grouped(files: Files, *, is_root: bool) -> list[Group]:
    """Group the images of one folder into samples, in the order of their names."""
    return (
        (None if is_root else _by_sequence(files))
        or _by_number(files, is_root=is_root)
        or [(stem, [stem + suffix]) for stem, suffix in files]
    )


def _by_sequence(files: Files) -> list[Group] | None:
    """Take a whole folder as one sample, when all its images but labels are sequences."""
    if len(files) < 2:
        return None
    starts = set()
    found = {}
    for stem, suffix in files:
        cut = max(stem.rfind(mark) for mark in "_-.") + 1
        ending = stem[cut:].lower()
        starts.add(stem[:cut].lower() or None)
        if ending in _LABELS:
            continue
        if ending not in _SEQUENCES or ending in found:
            return None
        found[ending] = stem + suffix
    # A label may be called plainly `seg` beside `p1_t1`; sequences must share their start.
    if len(found) < 2 or len(starts - {None}) > 1:
        return None
    return [(None, [found[ending] for ending in sorted(found)])]


def _by_number(files: Files, *, is_root: bool) -> list[Group] | None:
    """Group volumes that all end in `_0000` and following."""
    found: dict[str, list[str]] = {}
    numbers: dict[str, list[int]] = {}
    for stem, suffix in files:
        start, number = stem[:-5], stem[-4:]
        if stem[-5:-4] != "_" or not start or not (number.isascii() and number.isdigit()):
            return None
        if IMAGE_SUFFIXES[suffix.lower()] != "volume":
            return None
        found.setdefault(start, []).append(stem + suffix)
        numbers.setdefault(start, []).append(int(number))
    if not found:
        return None
    count = len(next(iter(numbers.values())))
    if count > _MOST_NUMBERED or any(each != list(range(count)) for each in numbers.values()):
        return None
    if len(found) == 1:
        return None if is_root or count < 2 else [(None, next(iter(found.values())))]
    return list(found.items())
