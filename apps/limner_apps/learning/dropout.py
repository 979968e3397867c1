"""Dropout that can be drawn once and kept, so that sampled predictions are of one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelDropout(nn.Module):
    """Drops whole feature channels; in sampling, the same ones until told otherwise.

    One mask for a whole image keeps its slices, windows and objects from disagreeing for no reason
    but chance (consistent dropout, Gal and Ghahramani 2016, arXiv 1506.02142, section 3).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self._kept: Tensor | None = None

    def draw(self, channels: int, generator: torch.Generator | None) -> None:
        """Fix which channels are dropped from now on; None for the generator drops none."""
        if generator is None:
            self._kept = None
            return
        kept = torch.rand(channels, generator=generator) >= self.rate
        self._kept = kept.float() / max(1.0 - self.rate, 1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, channels, *spatial) of the same shape; there may be no spatial axis."""
        if self._kept is not None:
            shape = (1, -1, *(1,) * (features.dim() - 2))
            return features * self._kept.to(features).reshape(shape)
        if not self.training or self.rate == 0:
            return features
        shape = (*features.shape[:2], *(1,) * (features.dim() - 2))
        return features * functional.dropout(features.new_ones(shape), self.rate)
