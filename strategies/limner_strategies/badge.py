"""BADGE: samples whose gradients would be large, and different from each other's.

The gradient of the loss with respect to the last layer, were the predicted class the true one, is
the outer product `g_i = a_i z_i'` of `a_i = p_i - onehot(argmax p_i)` and the embedding `z_i`. It
is long where the model is unsure. k-means++ on the gradients draws each pick with probability
proportional to the squared distance to the nearest pick so far; the first is the longest gradient
(Ash et al. 2020, Deep batch active learning by diverse, uncertain gradient lower bounds).

No outer product is ever formed: `<g_i, g_j> = <a_i, a_j> <z_i, z_j>`.

`p` are the predicted class fractions: of exclusive classes their probabilities. Of masks and
objects they are shares of the image, so there the strategy sees which classes an image holds, not
how unsure the model is, and is weak. The labelled samples have no gradient and do not count.

Needs `classes`, `embedding`. Takes O(n count (d + classes)) and O(n (d + classes)) memory, so a
pool of a million is drawn from whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.fallback import drawn_at_random
from limner_strategies.noise import gumbels, sub_seed
from limner_strategies.ranking import best
from limner_strategies.space import norms, space_of

manifest = StrategyManifest(
    name="badge",
    version="1.0.0",
    factory=":Badge",
    needs=frozenset({Need.CLASSES, Need.EMBEDDING}),
    title="Where the model would change most, each time otherwise",
    licence="Apache-2.0",
)

_NO_BACKGROUND = 1e-6


def probabilities(fractions: FloatArray) -> FloatArray:
    """Return class probabilities of class fractions, background first.

    Background is a class of its own, unless it is nowhere: then the classes are exclusive.

    Args:
        fractions: (n, 1 + classes), finite.

    Returns:
        (n, classes) or (n, 1 + classes), rows that sum to one.
    """
    p = np.maximum(fractions, 0.0)
    if not (p[:, 0] > _NO_BACKGROUND).any():
        p = p[:, 1:]
    total = p.sum(axis=1, keepdims=True)
    shares: FloatArray = np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])
    return shares


def residuals(p: FloatArray) -> FloatArray:
    """Return `p - onehot(argmax p)` of (n, k) probabilities: how the last layer would be pushed."""
    a = p.copy()
    a[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
    return a


def gradient_distances(a: FloatArray, z: FloatArray, row: int) -> npt.NDArray[np.floating]:
    """Return the squared distance of each gradient to that of one row: (n,), at least 0.

    Args:
        a: (n, k), residuals.
        z: (n, d), embeddings.
        row: Which one.
    """
    lengths = norms(a) * norms(z)
    products = (a @ a[row]) * (z @ z[row])
    squared: npt.NDArray[np.floating] = lengths + lengths[row] - 2 * products
    np.maximum(squared, 0.0, out=squared)
    return squared


def badge_rows(
    a: FloatArray, z: FloatArray, ids: IntArray, count: int, seed: int
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Draw rows by k-means++ on their gradients.

    Args:
        a: (n, k), residuals.
        z: (n, d), embeddings.
        ids: (n,), distinct; the draw goes by them.
        count: How many rows; all of them where there are fewer.
        seed: Decides the draw.

    Returns:
        (min(count, n),) rows, first drawn first, and the distance of each to the nearest one before
        it; of the first its length.
    """
    count = max(0, min(count, len(ids)))
    rows = np.empty(count, np.int64)
    apart = np.zeros(count)
    least: npt.NDArray[np.floating] = norms(a) * norms(z)
    for place in range(count):
        if place == 0:
            row = best(least, ids, seed)
        else:
            with np.errstate(divide="ignore"):
                chance = np.log(np.maximum(least, 0.0), dtype=np.float64)
            keys = chance + gumbels(ids, sub_seed(seed, place))
            # Where nothing differs any more every row that is left is as good as another.
            row = best(np.where(least < 0, -np.inf, np.maximum(keys, -1e300)), ids, seed)
        rows[place], apart[place] = row, np.sqrt(max(0.0, float(least[row])))
        squared = gradient_distances(a, z, row)
        least = np.minimum(least, squared) if place else squared
        least[rows[: place + 1]] = -1.0
    return rows, apart


class Badge:
    """The strategy `badge`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows by their gradients. See `Strategy.pick`."""
        fractions = pool.class_fractions
        if fractions is None:
            return drawn_at_random(pool, count, seed, "the model says nothing of classes, so ")
        space = space_of(pool, seed, np.asarray(np.isfinite(fractions).all(axis=1)))
        if space is None:
            return drawn_at_random(pool, count, seed)
        a = residuals(probabilities(fractions[space.rows]))
        rows, apart = badge_rows(a, space.points, space.ids, count, seed)
        reasons = (
            f"the model would change much here, unlike at the picks before: {each:.2f}"
            for each in apart
        )
        return answered(pool, space.rows[rows], apart, reasons, count, seed)
