"""Labels and predictions of a classification, as JSON.

A label is `{"classes": ["pneumonia"]}`. A prediction says the probabilities as well, and what they
come to; sent back as it is, it is a label:
`{"classes": ["pneumonia"], "probabilities": {"normal": 0.1, "pneumonia": 0.9}}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limner.errors import InvalidLabelValues, UnreadableImage
from limner.images.strict_json import read_json, shown
from limner.plugin import ClassScores, LabelSchema
from limner.settings import Limits

MOST_BYTES = 2**22
"""Largest file; a schema of every class that there may be fits twice."""

LIKELY = 0.5
"""Probability from which a class counts as chosen, where an image may have several."""

_DIGITS = 6
"""Decimal places of a probability."""


def read_class_label(path: Path, schema: LabelSchema, limits: Limits) -> ClassScores:
    """Read a label: 1 for the classes it names, 0 for the others.

    The probabilities of a prediction that is sent back are checked and left out.

    Raises:
        InvalidLabelValues: Classes that the schema has not, one twice, or, where classes exclude
            each other, not exactly one.
        UnreadableImage: No JSON, or not of this form.
    """
    found = _document(path, limits)
    _probabilities(found, path.name, schema)
    return one_hot(_class_names(found, path.name), schema)


def read_class_scores(path: Path, schema: LabelSchema, limits: Limits) -> ClassScores:
    """Read a prediction with its probabilities, or a label where it has none.

    Raises:
        ImageError: As in `read_class_label`.
    """
    found = _document(path, limits)
    label = one_hot(_class_names(found, path.name), schema)
    return _probabilities(found, path.name, schema) or label


def encode_class_scores(scores: ClassScores, schema: LabelSchema) -> bytes:
    """Write class scores: with their probabilities, unless all are 0 or 1 as in a label."""
    names = list(chosen(scores, schema))
    values = scores.probabilities
    if np.isin(values, (0.0, 1.0)).all():
        return encode_class_names(names)
    told = {
        name: round(float(value), _DIGITS) for name, value in zip(schema.names, values, strict=True)
    }
    return _encoded({"classes": names, "probabilities": told})


def encode_class_names(names: Sequence[str]) -> bytes:
    """Write a label; whether the schema has the classes is seen when it is read."""
    return _encoded({"classes": list(names)})


def chosen(scores: ClassScores, schema: LabelSchema) -> tuple[str, ...]:
    """Return the classes that scores come to: the likeliest, or all of at least 0.5."""
    values = scores.probabilities
    if schema.exclusive:
        return (schema.names[int(values.argmax())],)
    return tuple(name for name, p in zip(schema.names, values, strict=True) if p >= LIKELY)


def one_hot(names: Sequence[str], schema: LabelSchema) -> ClassScores:
    """Return the scores of a label that names classes.

    Raises:
        InvalidLabelValues: As in `read_class_label`.
    """
    strange = [name for name in names if name not in schema.names]
    if strange:
        raise InvalidLabelValues(
            f"The label names {_shown(strange)}, which the project has not; its classes are "
            f"{_shown(schema.names)}."
        )
    if len(set(names)) != len(names):
        raise InvalidLabelValues(f"The label names a class twice: {_shown(names)}.")
    if schema.exclusive and len(names) != 1:
        raise InvalidLabelValues(
            f"The label names {len(names)} classes ({_shown(names) or 'none'}); in this project an "
            f"image has exactly one of {_shown(schema.names)}."
        )
    values = [float(name in names) for name in schema.names]
    return ClassScores(probabilities=np.asarray(values, np.float32))


def _document(path: Path, limits: Limits) -> dict[str, Any]:
    found = read_json(path, limits, most_bytes=MOST_BYTES)
    if not isinstance(found, dict) or "classes" not in found:
        raise UnreadableImage(
            f'{path.name} is no label of a classification; write {{"classes": ["NAME"]}}.'
        )
    strange = sorted(set(found) - {"classes", "probabilities"})
    if strange:
        raise UnreadableImage(
            f"{path.name} has {_shown(strange)} beside its classes; a label of a classification "
            'is {"classes": ["NAME"]} and nothing else.'
        )
    return found


def _class_names(found: dict[str, Any], name: str) -> list[str]:
    names = found["classes"]
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise UnreadableImage(f"{name}: its classes are no list of names in quotes.")
    return names


def _probabilities(found: dict[str, Any], name: str, schema: LabelSchema) -> ClassScores | None:
    told = found.get("probabilities")
    if told is None:
        return None
    if not isinstance(told, dict) or set(told) != set(schema.names):
        raise UnreadableImage(
            f"{name}: its probabilities are not one for each of {_shown(schema.names)}."
        )
    values = [told[each] for each in schema.names]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UnreadableImage(f"{name}: a probability is {shown(value)}, not from 0 to 1.")
    return ClassScores(probabilities=np.asarray(values, np.float32))


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name[:64]!r}" for name in names[:10])
    return shown + (", …" if len(names) > 10 else "")
