"""The app's options, read from what the project set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limner.plugin import Json, UnsuitableInput
from limner_apps.classification import manifest
from limner_apps.learning.options import checked_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Values of the manifest's options; their meaning is said there."""

    model: str
    width: int
    image_size: int
    steps: int
    batch: int
    imbalance: str
    mirror: str
    dropout: float
    samples: int
    initial_weights: str

    @classmethod
    def read(cls, given: Mapping[str, Json]) -> Options:
        """Check what was given and fill in what was not.

        Raises:
            UnsuitableInput: An option is unknown or its value does not fit.
        """
        options = cls(**checked_options(given, manifest))
        if options.batch == 1:
            raise UnsuitableInput(
                "Option batch: 1 is too small, batch normalisation compares images with each "
                "other; take 2 or more, or 0 to have it planned."
            )
        return options
