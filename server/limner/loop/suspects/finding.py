"""What a review finds of one label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limner.plugin import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How good one label looks to a model that has not learnt from it."""

    score: float
    """In [0, 1]; smaller is worse. Comparable between labels of one review."""
    is_suspect: bool
    """Whether somebody should look at it."""
    reason: str
    """Why, in words that an annotator understands; empty where nothing is suspect."""
    model_says: Mapping[str, Json]
    """What the model says instead: plain values whose names depend on the task."""
