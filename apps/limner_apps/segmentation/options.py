"""The app's options, read from what the project set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.plugin import Json, UnsuitableInput
from limner_apps.segmentation import manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Values of the manifest's options; their meaning is said there."""

    dimension: str
    steps: int
    width: int
    batch: int
    mirror: str
    dropout: float
    samples: int

    @classmethod
    def read(cls, given: Mapping[str, Json]) -> Options:
        """Check what was given and fill in what was not.

        Raises:
            UnsuitableInput: An option is unknown or its value does not fit.
        """
        unknown = sorted(set(given) - set(manifest.options))
        if unknown:
            raise UnsuitableInput(
                f"Option {unknown[0]!r} is unknown; the app takes {sorted(manifest.options)}."
            )
        values: dict[str, Any] = {}
        for name, option in manifest.options.items():
            value = given.get(name, option.default)
            problem = next(iter(option.problems(value)), None)
            if problem:
                raise UnsuitableInput(f"Option {name}: {problem}.")
            values[name] = value
        return cls(**values)
