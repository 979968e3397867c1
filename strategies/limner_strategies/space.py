"""Where samples lie for each other: embeddings made comparable, and distances in bounded memory.

Every dimension of an embedding is standardised over the pool and the labelled samples, as nnActive
does with encoder features: else the few dimensions with large numbers decide alone. A dimension
that never changes counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Pool
from limner_strategies.noise import Doubles
from limner_strategies.random_order import random_rows

MOST_LABELLED = 4096
"""Of more labelled samples, so many drawn at random stand for all."""

_CELLS = 1 << 22
"""Distances held at a time."""
_BLOCK = 1 << 16
_CONSTANT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The described samples of a pool as points."""

    rows: IntArray
    """(n,), rows of the pool."""
    ids: IntArray
    """(n,), their ids."""
    points: FloatArray
    """(n, d), standardised."""
    labelled: FloatArray
    """(m, d), the labelled samples in the same units; at most `MOST_LABELLED`."""


def space_of(pool: Pool, seed: int, known: npt.NDArray[np.bool_] | None = None) -> Space | None:
    """Return a pool's described samples as points; None where the model gives no embedding.

    Args:
        pool: The pool.
        seed: Decides which labelled samples stand for very many.
        known: (n,), further rows to leave out where False.
    """
    embedding = pool.embedding
    if embedding is None or not embedding.shape[1]:
        return None
    finite = np.empty(len(embedding), bool)
    for start in range(0, len(embedding), _BLOCK):
        finite[start : start + _BLOCK] = np.isfinite(embedding[start : start + _BLOCK]).all(axis=1)
    rows = np.flatnonzero(finite if known is None else finite & known)
    if not len(rows):
        return None
    labelled = pool.labelled_embedding
    if labelled is None or labelled.shape[1:] != embedding.shape[1:]:
        labelled = np.empty((0, embedding.shape[1]), np.float32)
    labelled = labelled[np.isfinite(labelled).all(axis=1)]
    numbers = np.arange(len(labelled))
    labelled = labelled[np.sort(random_rows(numbers, MOST_LABELLED, seed))]
    points, labelled = standardised(embedding, rows, labelled)
    return Space(rows, pool.ids[rows], points, labelled)


def standardised(
    embedding: FloatArray, rows: IntArray, labelled: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Shift and scale every dimension to mean 0 and variance 1 over rows and labelled together.

    Args:
        embedding: (n, d).
        rows: (k,), which of its rows count.
        labelled: (m, d).

    Returns:
        (k, d) and (m, d). One copy is made of the rows, and none of the embedding.
    """
    total = np.zeros(embedding.shape[1])
    for _, block in _blocks(embedding, rows):
        total += block.sum(axis=0, dtype=np.float64)
    total += labelled.sum(axis=0, dtype=np.float64)
    count = len(rows) + len(labelled)
    mean = total / count
    squares = np.zeros(embedding.shape[1])
    for _, block in _blocks(embedding, rows):
        squares += ((block - mean) ** 2).sum(axis=0)
    squares += ((labelled - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / count)
    # What only rounding tells apart must not be blown up to the size of everything else.
    constant = deviation <= _CONSTANT * np.maximum(np.abs(mean), deviation.max(initial=0.0))
    scale = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))
    points = np.empty((len(rows), embedding.shape[1]), np.float32)
    for at, block in _blocks(embedding, rows):
        points[at] = (block - mean) * scale
    return points, ((labelled - mean) * scale).astype(np.float32)


def norms(points: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the squared length of each point: (n,)."""
    lengths: npt.NDArray[np.floating] = np.einsum("ij,ij->i", points, points)
    return lengths


def distances_to(
    points: FloatArray, lengths: npt.NDArray[np.floating], centre: FloatArray
) -> npt.NDArray[np.floating]:
    """Return the squared distance of each point to one: (n,), at least 0. Takes O(n d)."""
    squared: npt.NDArray[np.floating] = lengths + centre @ centre - 2 * (points @ centre)
    np.maximum(squared, 0.0, out=squared)
    return squared


def distance_blocks(
    points: npt.NDArray[np.floating], centres: npt.NDArray[np.floating]
) -> Iterator[tuple[slice, npt.NDArray[np.floating]]]:
    """Yield the squared distances of points (n, d) to centres (m, d), block by block of points.

    Yields:
        Which points, and (block, m), at least 0.
    """
    lengths = norms(centres)
    height = max(1, _CELLS // max(1, len(centres)))
    for start in range(0, len(points), height):
        block = points[start : start + height]
        squared = block @ centres.T
        squared *= -2
        squared += norms(block)[:, None]
        squared += lengths
        yield slice(start, start + len(block)), np.maximum(squared, 0.0, out=squared)


def nearest(points: FloatArray, centres: FloatArray) -> npt.NDArray[np.floating]:
    """Return the squared distance of each point to the nearest centre, infinite without any: (n,).

    Takes O(n m d) and bounded memory.
    """
    least = np.full(len(points), np.inf, np.float32)
    if len(centres):
        for at, squared in distance_blocks(points, centres):
            least[at] = squared.min(axis=1)
    return least


def assigned(points: FloatArray, centres: FloatArray) -> IntArray:
    """Return the index of the nearest of several centres, for each point: (n,)."""
    numbers = np.empty(len(points), np.int64)
    for at, squared in distance_blocks(points, centres):
        numbers[at] = squared.argmin(axis=1)
    return numbers


def _blocks(embedding: FloatArray, rows: IntArray) -> Iterator[tuple[slice, Doubles]]:
    for start in range(0, len(rows), _BLOCK):
        part = embedding[rows[start : start + _BLOCK]].astype(np.float64)
        yield slice(start, start + len(part)), part
