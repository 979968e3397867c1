"""Which images are measured on, which are picked from, and which are for validation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.errors import SettingsError
from limner.loop.adopted_sources import names_of
from limner.loop.intake import draw_of
from limner.loop.seeds import derived_seed
from limner.simulate.truth import Truth
from limner.simulate.whole_files import read_json, write_json

FILE = "split.json"

_SPLIT_SEED = 0
"""The test set is the same for every seed of a comparison, and for every comparison."""
_FEWEST_TEST = 2
_IMAGE_COLUMNS = ("image", "filename", "file_name", "file", "path")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Names of images, each in the order of the names."""

    test: tuple[str, ...]
    """Only ever measured on: never handed out, never described, never trained on."""
    pool: tuple[str, ...]
    """What is picked from, and what the bound of all labels is trained on."""

    def save(self, folder: Path) -> None:
        """Keep it beside the results."""
        write_json(folder / FILE, {"test": list(self.test), "pool": list(self.pool)})

    @classmethod
    def load(cls, folder: Path) -> Split:
        """Read what `save` kept."""
        stored: Mapping[str, Any] = read_json(folder / FILE)
        return cls(test=tuple(stored["test"]), pool=tuple(stored["pool"]))

    def validation(self, seed: int, target: int) -> tuple[str, ...]:
        """Return the images that a project with this seed draws for validation, all of them."""
        ordered = sorted(self.pool, key=lambda name: draw_of(seed, name), reverse=True)
        return tuple(ordered[:target])

    def drawn(self, seed: int, count: int, without: Sequence[str] = ()) -> tuple[str, ...]:
        """Return images of the pool in the random order of a seed."""
        left = set(self.pool).difference(without)
        return tuple(sorted(left, key=lambda name: draw_of(seed, name))[:count])


def check_same(folder: Path, split: Split) -> None:
    """Refuse to go on with other images than a folder of results was begun with.

    Raises:
        SettingsError: Its test set or its pool is another one.
    """
    if read_json(folder / FILE) is None or Split.load(folder) == split:
        return
    raise SettingsError(
        f"{folder} was begun with other images for the test or to pick from: the table of --test "
        "has changed. Give the same to go on with it, or choose another folder with --out."
    )


def split_of(truth: Truth, test: str, pool: int, table: Path | None) -> Split:
    """Put images aside for the test.

    Args:
        truth: The images whose labels are known.
        test: A share of them below 1, a number of them, or `COLUMN=VALUE` of a table.
        pool: Most images that are left to pick from; 0 for all.
        table: Says which images are for the test; needed for `COLUMN=VALUE` only.

    Raises:
        SettingsError: It cannot be read so, or leaves nothing to measure on or to pick from.
    """
    if "=" in test:
        if table is None:
            raise SettingsError(
                f"--test {test} names a column; give the table with --test-table, where the "
                "labels do not come from one."
            )
        chosen = _by_column(truth, test, table)
    else:
        chosen = _at_random(truth, _number(test))
    left = [name for name in truth.known if name not in chosen]
    if len(chosen) < _FEWEST_TEST or len(left) < 2:
        raise SettingsError(
            f"Of {len(truth.known)} images with a label, {len(chosen)} are for the test and "
            f"{len(left)} are left to pick from: too few labels to compare anything. Give more, or "
            "another --test."
        )
    if pool and len(left) > pool:
        seed = derived_seed(_SPLIT_SEED, "pool")
        left = sorted(sorted(left, key=lambda name: draw_of(seed, name))[:pool])
    return Split(test=tuple(each for each in truth.known if each in chosen), pool=tuple(left))


def _number(test: str) -> float:
    try:
        number = float(test)
    except ValueError:
        number = -1.0
    if not number > 0 or (number >= 1 and not number.is_integer()):
        raise SettingsError(
            f"--test {test!r} is neither a share such as 0.25 nor a number of images such as 60."
        )
    return number


def _at_random(truth: Truth, wanted: float) -> set[str]:
    """Draw the test set; of a classification each kind of image in its share."""
    strata: dict[str, list[str]] = {}
    for each in truth.known.values():
        strata.setdefault(each.stratum, []).append(each.name)
    share = wanted if wanted < 1 else wanted / max(1, len(truth.known))
    total = round(share * len(truth.known))
    exact = {key: share * len(names) for key, names in strata.items()}
    counts = {key: int(value) for key, value in exact.items()}
    by_rest = sorted(exact, key=lambda key: (counts[key] - exact[key], key))
    for key in by_rest[: max(0, total - sum(counts.values()))]:
        counts[key] += 1
    chosen: set[str] = set()
    for key in sorted(strata):
        random = np.random.default_rng(derived_seed(_SPLIT_SEED, f"test/{key}"))
        order = random.permutation(len(strata[key]))
        chosen.update(strata[key][place] for place in order[: counts[key]])
    return chosen


def _by_column(truth: Truth, test: str, table: Path) -> set[str]:
    column, _, value = (each.strip() for each in test.partition("="))
    rows = _rows(table)
    image = next((name for name in _IMAGE_COLUMNS if name in rows[0]), None) if rows else None
    if image is None or column.lower() not in rows[0]:
        known = ", ".join(rows[0]) if rows else "none"
        raise SettingsError(
            f"{table} must have a column of images ({', '.join(_IMAGE_COLUMNS)}) and a column "
            f"{column!r}; its columns are {known}."
        )
    chosen: set[str] = set()
    for row in rows:
        if row[column.lower()].strip() == value:
            names = (name for name in names_of(row[image]) if name in truth.known)
            chosen.update(name for name in [next(names, None)] if name)
    if not chosen:
        values = sorted({row[column.lower()].strip() for row in rows})[:10]
        raise SettingsError(
            f"No image with a label has {column} {value!r} in {table}; values are "
            f"{', '.join(map(repr, values))}."
        )
    return chosen


def _rows(table: Path) -> list[dict[str, str]]:
    """Read a table, the names of its columns in lower case."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The table {table} cannot be read: {error}.") from error
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [
        {str(key).strip().lower(): str(value or "") for key, value in row.items()} for row in reader
    ]
