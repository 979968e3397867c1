"""The plan of a model: what was decided from the data, and all that is needed to use the model.

The rules are those of nnU-Net (Isensee et al. 2021, Nature Methods 18:203) with smaller networks:
the median spacing, a patch of the median shape as far as memory and time go, strides that make
voxels cubic, and intensities by modality.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from limner.plugin import Json

_SPACING_MAY_DIFFER = 1.25
_SHAPE_MAY_DIFFER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions of one model version. Axes are the image's own."""

    dimension: str
    """`2d`, `2.5d` or `3d`."""
    axes: int
    """Spatial axes of the images, 2 or 3."""
    channels: int
    """Channels of the images."""
    intensity: str
    """`ct`: clip and scale by the data set's foreground. `colour`: clip and z-score of each image,
    all channels together. `z-score`: clip and z-score of each image and channel."""
    clip: tuple[tuple[float, float], ...]
    """Per channel, lowest and highest intensity; only of `ct`."""
    scale: tuple[tuple[float, float], ...]
    """Per channel, mean and standard deviation; only of `ct`."""
    spacing: tuple[float, ...]
    """Millimetres that images are resampled to, unless theirs is near."""
    median_shape: tuple[int, ...]
    """Of the training images, at `spacing`."""
    cut: int | None
    """The axis that volumes are cut along into slices; None for pictures and 3D."""
    neighbours: int
    """Slices that the network sees at once, odd; the middle one is outlined."""
    patch: tuple[int, ...]
    """Size along every axis of what a training step sees; not used along `cut`."""
    batch: int
    """Patches or slices in a step."""
    widths: tuple[int, ...]
    """Channels of the network's levels, finest first."""
    strides: tuple[tuple[int, ...], ...]
    """Shrinking from each level to the next, along the network's axes."""
    norm: str
    """`batch` or `instance`."""
    dropout: float
    mirrored: tuple[int, ...]
    """Axes that training mirrors."""

    @property
    def network_axes(self) -> int:
        """Spatial axes that the network convolves."""
        return 3 if self.dimension == "3d" else 2

    @property
    def network_channels(self) -> int:
        """Channels that the network takes."""
        return self.channels * self.neighbours

    @property
    def plane(self) -> tuple[int, ...]:
        """The image's axes that the network convolves."""
        return tuple(axis for axis in range(self.axes) if axis != self.cut)

    def as_json(self) -> dict[str, Json]:
        """Return plain values, the same after a way through JSON."""
        plain: dict[str, Json] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """Read what `as_json` gave."""
        return cls(**{name: _frozen(value) for name, value in values.items()})

    def preprocessing_key(self) -> str:
        """Name what changes a preprocessed image, for the cache."""
        parts = (self.axes, self.channels, self.intensity, self.clip, self.scale, self.spacing)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def obstacle(self, fresh: Plan) -> str | None:
        """Say why this plan cannot go on for data that `fresh` was made from; None when it can."""
        for name in ("dimension", "axes", "channels", "intensity", "neighbours"):
            if getattr(self, name) != getattr(fresh, name):
                return f"its {name} is {getattr(self, name)}, now {getattr(fresh, name)}"
        if self.widths[0] != fresh.widths[0]:
            return f"its width is {self.widths[0]}, now {fresh.widths[0]}"
        if _apart(self.spacing, fresh.spacing) > _SPACING_MAY_DIFFER:
            return f"its spacing is {self.spacing}, now {fresh.spacing}"
        if _apart(self.median_shape, fresh.median_shape) > _SHAPE_MAY_DIFFER:
            return f"its median shape is {self.median_shape}, now {fresh.median_shape}"
        return None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _apart(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return max(max(a / b, b / a) for a, b in zip(first, second, strict=True))
