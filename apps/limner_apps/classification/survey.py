"""What planning needs to know of each labelled image; checks it on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from limner.plugin import Case
from limner_apps.learning.images import check_image

_SAMPLED = 1_000_000
"""Pixels or voxels looked at for an image's statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One image in numbers."""

    shape: tuple[int, ...]
    """Spatial shape."""
    spacing: tuple[float, ...]
    """Millimetres along each spatial axis."""
    channels: int
    modality: str
    whole: bool
    """Whether the intensities are 8-bit whole numbers, as ready for display."""
    low: float
    """Intensity that 0.5 % of the pixels are below, all channels together."""
    high: float
    """Intensity that 0.5 % are above."""
    mean: float
    deviation: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Survey:
        """Read what `as_json` gave."""
        return cls(
            shape=tuple(int(n) for n in values["shape"]),
            spacing=tuple(float(n) for n in values["spacing"]),
            channels=int(values["channels"]),
            modality=str(values["modality"]),
            whole=bool(values["whole"]),
            low=float(values["low"]),
            high=float(values["high"]),
            mean=float(values["mean"]),
            deviation=float(values["deviation"]),
        )


def survey_case(case: Case) -> Survey:
    """Read a case's image and measure it.

    Raises:
        UnsuitableInput: The image is one that no plan could take; the message names the case.
    """
    image = case.load_image()
    check_image(image, f"Case {case.id}")
    flat = image.array.reshape(-1)
    seen = flat[:: max(1, flat.size // _SAMPLED)].astype(np.float64)
    low, high = np.percentile(seen, [0.5, 99.5])
    inside = np.clip(seen, low, high)
    return Survey(
        shape=tuple(image.shape),
        spacing=tuple(float(s) for s in image.spacing),
        channels=image.channels,
        modality=image.modality.upper(),
        whole=image.array.dtype == np.uint8,
        low=float(low),
        high=float(high),
        mean=float(inside.mean()),
        deviation=float(inside.std()),
    )
