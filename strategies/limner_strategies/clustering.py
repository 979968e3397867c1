"""Clusters of points: k-means and average linkage, the same for any order of the points.

k-means is begun by k-means++ (Arthur and Vassilvitskii 2007) and improved by Lloyd's iterations, on
at most `MOST_POINTS` points drawn at random; every point belongs to the nearest centre that comes
of it. Average linkage (Sokal and Michener 1958) takes all points, so the caller gives few. Both are
scikit-learn's, which the functions import: a server loads every strategy to list it, and would hold
some 50 MiB of scikit-learn and SciPy that only a worker that picks has a use for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray
from limner_strategies.noise import sub_seed
from limner_strategies.random_order import random_rows

MOST_POINTS = 50_000
"""Of more points, so many decide where the centres are."""

_ITERATIONS = 25


def k_means(
    points: FloatArray,
    ids: IntArray,
    count: int,
    seed: int,
    weights: npt.NDArray[np.floating] | None = None,
) -> FloatArray:
    """Return the centres of clusters of small variance.

    Args:
        points: (n, d), at least one.
        ids: (n,), distinct; the draw goes by them.
        count: How many clusters; fewer where fewer points differ.
        seed: Decides the draw.
        weights: (n,), how much each point counts, at least 0; all alike when None.

    Returns:
        (k, d), k at most `count`. Takes O(min(n, 50,000) · count · d) for each of 25 iterations.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    rows = random_rows(ids, MOST_POINTS, sub_seed(seed, 0))
    mass = np.ones(len(rows)) if weights is None else weights[rows].astype(np.float64)
    if (mass > 0).any():
        rows, mass = rows[mass > 0], mass[mass > 0]
    else:
        mass = np.ones(len(rows))
    some = points[rows]
    clusters = min(count, len(np.unique(some, axis=0)))
    found = KMeans(clusters, n_init=1, max_iter=_ITERATIONS, random_state=sub_seed(seed, 1))
    # Threads would add up in an order of their own, so that equal seeds would give other centres.
    with threadpool_limits(limits=1):
        found.fit(some, sample_weight=mass)
    centres: FloatArray = found.cluster_centers_.astype(np.float32)
    return centres


def average_linkage(points: npt.NDArray[np.floating], count: int) -> IntArray:
    """Merge the two clusters of least mean distance until there are so many; return labels.

    Args:
        points: (n, d).
        count: How many clusters are left, at least 1.

    Returns:
        (n,), numbers from 0 on, clusters by their first point. Takes O(n²) time and memory.
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(points) < 2:
        return np.zeros(len(points), np.int64)
    clusters = max(1, min(count, len(points)))
    labels = AgglomerativeClustering(clusters, linkage="average").fit_predict(points)
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)
