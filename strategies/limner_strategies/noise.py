"""Randomness that goes by a sample's id, and the stochastic batches that are made with it.

Of a redundant pool the top of a ranking holds much the same image many times. Noise on the scores
turns any ranking into a batch (Kirsch et al. 2022, arXiv 2106.12059): take the highest of

- `power`: `ln s + g`, which draws without replacement with probability proportional to `s^β`;
- `softmax`: `s + g`, in proportion to `exp(β s)`;
- `softrank`: `-ln r + g`, in proportion to `r^-β`, where `r` is the rank, 1 for the highest;

with `g` from a Gumbel distribution of scale `1/β`. `top` adds nothing. A draw depends on the id and
the seed alone, so neither the order of the pool nor what else is in it matters. Takes O(n), with
`softrank` O(n log n).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray
from limner_strategies.random_order import draws

Doubles: TypeAlias = npt.NDArray[np.float64]

WAYS = ("top", "power", "softmax", "softrank")
"""How a batch is made of scores."""

_LAST = -1e300
"""Below every score with noise: for what power sampling never draws before anything else."""


def sub_seed(seed: int, *numbers: int) -> int:
    """Return a seed for one purpose, independent of those for others."""
    state = np.random.SeedSequence([abs(seed), *numbers]).generate_state(1, np.uint32)
    return int(state[0])


def uniforms(ids: IntArray, seed: int) -> Doubles:
    """Draw from between 0 and 1, neither included, for every id: (n,)."""
    bits = draws(ids, seed).view(np.uint64) >> np.uint64(11)
    drawn: Doubles = (bits.astype(np.float64) + 0.5) * 2.0**-53
    return drawn


def gumbels(ids: IntArray, seed: int) -> Doubles:
    """Draw from the standard Gumbel distribution for every id: (n,)."""
    drawn: Doubles = -np.log(-np.log(uniforms(ids, seed)))
    return drawn


def perturbed(scores: npt.NDArray[Any], ids: IntArray, way: str, beta: float, seed: int) -> Doubles:
    """Return what to rank by so that the highest make a batch.

    Args:
        scores: (n,) floats, NaN where nothing is known. Of power sampling, those that are not above
            0 are drawn after all others.
        ids: (n,), distinct.
        way: One of `WAYS`.
        beta: Larger follows the scores more closely; above 0.
        seed: Decides the noise.

    Returns:
        (n,), NaN where the score is.
    """
    values = scores.astype(np.float64)
    if way == "top":
        return values
    noise = gumbels(ids, seed) / beta
    if way == "power":
        positive = values > 0
        raised = np.log(values, out=np.full(len(values), _LAST), where=positive) + noise
        keys: Doubles = np.where(positive | np.isnan(values), raised, _LAST)
    elif way == "softmax":
        keys = values + noise
    else:
        keys = noise - np.log(_ranks(values, ids, seed))
    return np.where(np.isnan(values), np.nan, keys)


def _ranks(scores: Doubles, ids: IntArray, seed: int) -> Doubles:
    order = np.lexsort((draws(ids, sub_seed(seed, 1)), -scores))  # NaN are last
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    return ranks
