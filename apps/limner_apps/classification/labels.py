"""Reading a label: which classes an image has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import ClassScores, LabelSchema, UnsuitableInput


def read_label(label: object, schema: LabelSchema, who: str) -> npt.NDArray[np.uint8]:
    """Return a label as (classes,) of 0 and 1.

    Args:
        label: What `Case.load_label` gave.
        schema: The project's classes.
        who: Names the case in messages.

    Raises:
        UnsuitableInput: It is no label of these classes.
    """
    if not isinstance(label, ClassScores):
        raise UnsuitableInput(
            f"{who}: the label is {type(label).__name__}, but classification learns from class "
            "scores; say which classes the image has."
        )
    values: npt.NDArray[Any] = np.asarray(label.probabilities)
    if values.shape != (len(schema.classes),):
        raise UnsuitableInput(
            f"{who}: the label has shape {values.shape}, but the schema has "
            f"{len(schema.classes)} classes ({', '.join(schema.names)}); give one number for each."
        )
    strange = [each for each in values.tolist() if each not in (0, 1)]
    if strange:
        raise UnsuitableInput(
            f"{who}: the label holds {strange[0]}; give 1 for the classes that the image has and 0 "
            "for the others."
        )
    found = values.astype(np.uint8)
    if schema.exclusive and found.sum() != 1:
        names = [name for name, there in zip(schema.names, found, strict=True) if there]
        raise UnsuitableInput(
            f"{who}: the label has {len(names)} classes ({', '.join(names) or 'none'}), but the "
            "schema's are exclusive; give exactly one."
        )
    return found
