"""The plan of a model: what was decided from the images, and all that using it needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from limner.plugin import Json

_SHAPE_MAY_DIFFER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions of one model version. Axes are the image's own."""

    model: str
    """`resnet18`, `resnet50` or `vgg16`."""
    width: int
    """Channels of the network's first stage."""
    stem: str
    """`small`: one convolution of 3 pixels that keeps the resolution. `large`: the published one,
    which quarters it."""
    axes: int
    """Spatial axes of the images, 2 or 3."""
    channels: int
    """Channels of the images."""
    intensity: str
    """`display`: 8-bit intensities, shifted and scaled by the data set's. `ct`: likewise, clipped
    before. `image`: clip and z-score of each image, all channels together. `channel`: of each image
    and channel."""
    bounds: tuple[float, float]
    """What intensities are clipped to; only of `display` and `ct`."""
    mean: float
    """Subtracted after clipping; only of `display` and `ct`."""
    deviation: float
    """Divided by after that; only of `display` and `ct`."""
    shape: tuple[int, ...]
    """Pixels or voxels that every image is fitted into, its aspect kept and its rims repeated."""
    batch: int
    """Images in a step."""
    dropout: float
    mirrored: tuple[int, ...]
    """Axes that training mirrors."""

    def as_json(self) -> dict[str, Json]:
        """Return plain values, the same after a way through JSON."""
        plain: dict[str, Json] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """Read what `as_json` gave."""
        lists = {name: tuple(each) for name, each in values.items() if isinstance(each, list)}
        return cls(**{**values, **lists})

    def preprocessing_key(self) -> str:
        """Name what changes a preprocessed image, for the cache."""
        parts = (
            (self.axes, self.channels, self.shape),
            (self.intensity, self.bounds, self.mean, self.deviation),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def obstacle(self, fresh: Plan) -> str | None:
        """Say why this plan cannot go on for images that `fresh` was made from; None if it can."""
        for name in ("model", "width", "stem", "axes", "channels", "intensity"):
            if getattr(self, name) != getattr(fresh, name):
                return f"its {name} is {getattr(self, name)}, now {getattr(fresh, name)}"
        apart = max(max(a / b, b / a) for a, b in zip(self.shape, fresh.shape, strict=True))
        if apart > _SHAPE_MAY_DIFFER:
            return f"its image shape is {self.shape}, now {fresh.shape}"
        return None
