"""Which classes a MONAI Label server's labels have, as far as its studies folder tells.

Its clients note the names and values of what they drew (`label_info`), its models those of what
they predicted (`label_names`). Nothing makes these agree, so they are taken only where they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from limner.errors import ImageError, SettingsError
from limner.images import read_mask
from limner.plugin import LabelClass, LabelSchema
from limner.settings import Limits
from limner.stores.monai_label_folder import FINAL, ORIGINAL, Studies, StudyLabel

_VALUE_KEYS = ("idx", "labelID", "label")
_MOST_SHOWN = 20
_MOST_MASKS = 50
"""Masks that are opened to say which values there are."""


def classes_of(studies: Studies, limits: Limits) -> dict[str, int]:
    """Return the classes that the labels were drawn with, by name, in the order of their values.

    Raises:
        SettingsError: Nothing is noted, or what is noted does not agree; the message lists it and
            the values in the masks.
    """
    told = Counter(each for label in studies.labels for each in _told(label))
    if not told:
        raise _unknown("No label says how its classes are called", studies, limits)
    names = Counter(name for name, _ in told)
    values = Counter(value for _, value in told)
    doubtful = [
        f"{name} = {value} (in {_labels(count)})"
        for (name, value), count in sorted(told.items(), key=lambda each: (each[0][1], each[0][0]))
        if names[name] > 1 or values[value] > 1
    ]
    if doubtful:
        raise _unknown(f"The labels do not agree: {_listed(doubtful)}", studies, limits)
    pairs = sorted(told, key=lambda each: each[1])
    try:
        LabelSchema(classes=tuple(LabelClass(name=name, value=value) for name, value in pairs))
        odd = [name for name, _ in pairs if "=" in name]
        if odd:
            raise ValueError(f"Class name {odd[0]!r} has an equals sign.")
    except ValueError as error:
        raise _unknown(str(error).removesuffix("."), studies, limits) from error
    return dict(pairs)


def _told(label: StudyLabel) -> set[tuple[str, int]]:
    """Return the classes that one label says it has, background left out."""
    if label.tag == FINAL:
        found = _of_entries(label.info.get("label_info"))
    elif label.tag == ORIGINAL:
        params = label.info.get("params")
        found = _of_names(params.get("label_names") if isinstance(params, dict) else None)
    else:
        return set()
    return {(name, value) for name, value in found if value and name.lower() != "background"}


def _of_entries(entries: Any) -> Iterator[tuple[str, int]]:
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, Mapping):
            value = next((each[key] for key in _VALUE_KEYS if key in each), None)
            yield from _pair(each.get("name"), value)


def _of_names(names: Any) -> Iterator[tuple[str, int]]:
    if isinstance(names, list):
        words = [each for each in names if isinstance(each, str)]
        start = 0 if words and words[0].lower() == "background" else 1
        names = {name: value for value, name in enumerate(words, start)}
    for name, value in names.items() if isinstance(names, Mapping) else ():
        yield from _pair(name, value)


def _pair(name: Any, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(name, str) and name.strip() and is_number:
        yield name.strip(), value


def _unknown(why: str, studies: Studies, limits: Limits) -> SettingsError:
    return SettingsError(
        f"The classes of {studies.root} cannot be told. {why}. Name them with --labels, as in "
        f"--labels liver=1,tumour=2. {_values(studies, limits)}"
    )


def _values(studies: Studies, limits: Limits) -> str:
    """Say which values the masks hold."""
    found: set[int] = set()
    looked_at = 0
    for label in islice(sorted(studies.labels, key=lambda each: each.tag != FINAL), _MOST_MASKS):
        try:
            found.update(np.unique(read_mask(label.path, limits).array).tolist())
        except ImageError:
            continue
        looked_at += 1
    if not looked_at:
        return "There is no mask that can be read."
    values = [str(each) for each in sorted(found - {0})]
    return f"The values in {_labels(looked_at)} that were looked at: {_listed(values) or 'only 0'}."


def _labels(count: int) -> str:
    return f"{count} label{'s' if count != 1 else ''}"


def _listed(words: Iterable[str]) -> str:
    shown = list(words)
    more = [f"and {len(shown) - _MOST_SHOWN} more"] if len(shown) > _MOST_SHOWN else []
    return ", ".join(shown[:_MOST_SHOWN] + more)
