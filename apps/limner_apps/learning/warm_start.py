"""Going on from the serving version without inheriting its prejudices."""

from __future__ import annotations

import torch
from torch import Tensor

SHRINK = 0.6
"""Share of the old weights that is kept."""
PERTURB = 0.2
"""Share of freshly drawn weights that is added."""


def shrink_and_perturb(fresh: dict[str, Tensor], old: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mix trained weights with newly drawn ones (Ash and Adams 2020, arXiv 1910.08475).

    A network that goes on from trained weights fits the new labels but generalises worse than one
    that starts over; shrinking the weights and adding noise keeps what was learnt and the freedom
    to learn. Convolutions are mixed; the parameters of normalisation move halfway to their start,
    and running statistics start again, since they belong to the old weights.

    Args:
        fresh: A state newly drawn.
        old: The trained state, of the same names and shapes.

    Raises:
        KeyError: The states are of different networks.
        ValueError: So are their shapes.
    """
    mixed = {}
    if set(fresh) != set(old):
        raise KeyError("The two networks differ in their layers.")
    for name, new in fresh.items():
        before = old[name]
        if before.shape != new.shape:
            raise ValueError(f"{name} is {tuple(before.shape)}, now {tuple(new.shape)}.")
        if not new.is_floating_point() or "running_" in name:
            mixed[name] = new.clone()
        elif new.dim() > 1:
            mixed[name] = SHRINK * before + PERTURB * new
        else:
            mixed[name] = torch.lerp(new, before, 0.5)
    return mixed
