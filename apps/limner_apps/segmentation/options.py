"""The app's options, read from what the project set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limner.plugin import Json
from limner_apps.learning.options import checked_options
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
    sampling: str
    aggregation: str

    @classmethod
    def read(cls, given: Mapping[str, Json]) -> Options:
        """Check what was given and fill in what was not.

        Raises:
            UnsuitableInput: An option is unknown or its value does not fit.
        """
        return cls(**checked_options(given, manifest))
