"""The label schema of a project: which classes there are and which value each has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

BACKGROUND = 0
"""The value of every pixel or voxel that belongs to no class."""

MAX_VALUE = 65_535
"""The largest class value: masks are at most 16 bits wide on disk."""

_NAME = re.compile(r"[^\x00-\x1f,/\\]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelClass:
    """One class of a schema."""

    name: str
    """Unique in its schema; 1 to 64 characters, no comma, slash or control character."""
    value: int
    """Value in a mask, 1 to 65535; 0 is background and never a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSchema:
    """The classes of a project, in the order of their values.

    A model's class axis has one more entry than `classes`: index 0 is background, index `i` is
    `classes[i - 1]`.

    Example:
        >>> LabelSchema.of("anterior", "posterior").values
        (0, 1, 2)
    """

    classes: tuple[LabelClass, ...]
    exclusive: bool = True
    """Of a classification: whether every image has exactly one of the classes. Where it is False an
    image may have several, or none."""

    def __post_init__(self) -> None:
        """Refuse a schema that no mask could follow.

        Raises:
            ValueError: No class, a repeated name or value, or a name or value out of bounds.
        """
        names = [each.name for each in self.classes]
        values = [each.value for each in self.classes]
        if not names:
            raise ValueError("A label schema needs at least one class; got none.")
        for name in names:
            if not _NAME.fullmatch(name) or name != name.strip():
                raise ValueError(
                    f"Class name {name!r} is not usable: take 1 to 64 characters without commas, "
                    "slashes, control characters or outer spaces."
                )
        for value in values:
            if not 1 <= value <= MAX_VALUE:
                raise ValueError(f"Class value {value} is not usable: take 1 to {MAX_VALUE}.")
        if len(set(names)) != len(names):
            raise ValueError(f"Class names must differ; got {names}.")
        if values != sorted(set(values)):
            raise ValueError(f"Class values must differ and rise; got {values}.")

    @classmethod
    def of(cls, *names: str) -> LabelSchema:
        """Number the names 1, 2, 3, … in the order given."""
        return cls.numbered(names)

    @classmethod
    def numbered(cls, names: Iterable[str]) -> LabelSchema:
        """Number the names 1, 2, 3, … in the order given."""
        return cls(
            classes=tuple(
                LabelClass(name=name, value=value) for value, name in enumerate(names, start=1)
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, background left out."""
        return tuple(each.name for each in self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """Every value that a mask may hold, background (0) first."""
        return (BACKGROUND, *(each.value for each in self.classes))
