"""The plan of a model: what was decided from the data, and all that is needed to use the model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from limner.plugin import Json

_ZOOM_MAY_DIFFER = 1.5
_ANCHORS_MAY_DIFFER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions of one model version."""

    model: str
    """`light` or `resnet50-v2`."""
    channels: int
    """Channels that an image is brought to."""
    colour: bool
    """Whether all channels are scaled together, and grey images are taken for colour ones."""
    polarity: float
    """Share of the crops that training turns from bright on dark to dark on bright, or back."""
    zoom: float
    """Images are enlarged by this before the network sees them."""
    crop: int
    """Side of a training crop, in enlarged pixels."""
    batch: int
    """Crops in a step."""
    widths: tuple[int, ...]
    """Channels of the light network's stages, finest first; of the other, empty."""
    pyramid: int
    """Channels of every feature map."""
    anchors: tuple[float, ...]
    """Side of the anchors of each feature map, in enlarged pixels, finest first."""
    proposals: int
    """Proposals that are looked at in prediction, for each tile."""
    training_proposals: int
    """Proposals that a training crop is sampled from."""
    regions: int
    """Proposals that are learnt from, for each crop."""
    detections: int
    """Most objects of a tile."""
    tile: int
    """Side of the tiles that large images are cut into, in enlarged pixels."""
    overlap: int
    """How far tiles reach into their neighbours, in enlarged pixels."""
    dropout: float

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
        return f"{self.channels}-{self.colour}-{self.zoom:g}"

    def obstacle(self, fresh: Plan) -> str | None:
        """Say why this plan cannot go on for data that `fresh` was made from; None when it can."""
        for name in ("model", "channels", "colour", "widths", "pyramid"):
            if getattr(self, name) != getattr(fresh, name):
                return f"its {name} is {getattr(self, name)}, now {getattr(fresh, name)}"
        if len(self.anchors) != len(fresh.anchors):
            return f"it has {len(self.anchors)} feature maps, now {len(fresh.anchors)}"
        if _apart(self.zoom, fresh.zoom) > _ZOOM_MAY_DIFFER:
            return f"its zoom is {self.zoom:g}, now {fresh.zoom:g}"
        if _apart(self.anchors[0], fresh.anchors[0]) > _ANCHORS_MAY_DIFFER:
            return f"its smallest anchor is {self.anchors[0]:g}, now {fresh.anchors[0]:g}"
        return None


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _apart(first: float, second: float) -> float:
    return max(first / second, second / first)
