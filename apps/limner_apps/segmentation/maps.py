"""Collecting the maps that a description is made of, slab by slab, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Description, FloatArray, Region, cut_to
from limner_apps.segmentation.aggregation import aggregate
from limner_apps.segmentation.boxes import best_start, known_share
from limner_apps.segmentation.uncertainty import SCORES, class_scores, voxel_maps

_CELLS = 1_000_000
"""Cells that the maps may have; larger images are averaged over blocks of voxels."""


class DescriptionMaps:
    """Uncertainty and probabilities of an image, averaged over blocks of voxels.

    Args:
        shape: The image's spatial shape.
        classes: Classes, background left out.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        self._shape = shape
        self.block = max(1, math.ceil((math.prod(shape) / _CELLS) ** (1 / len(shape))))
        """Voxels along each axis that make a cell."""
        cells = [-(-size // self.block) for size in shape]
        # Three scores, K probabilities and K - 1 class uncertainties.
        self._maps = np.zeros((3 + 2 * classes + 1, *cells), dtype=np.float32)
        self._classes = classes
        self._sums = np.zeros(1 + classes, dtype=np.float64)

    def add(self, axis: int, first: int, last: int, probabilities: FloatArray) -> None:
        """Take in the rows from `first` to `last` along `axis`.

        Args:
            axis: The spatial axis of the rows.
            first: A multiple of `block`.
            last: One past the last row.
            probabilities: (K, *slab).
        """
        maps = voxel_maps(probabilities)
        uncertain = probabilities[1:] * maps[0]
        stack = np.concatenate([maps, probabilities, uncertain])
        rows = slice(first // self.block, -(-last // self.block))
        self._maps[(slice(None),) * (1 + axis) + (rows,)] = block_means(stack, self.block)
        self._sums += probabilities.reshape(len(probabilities), -1).sum(axis=1, dtype=np.float64)

    def describe(
        self,
        patch: Sequence[int],
        embedding: FloatArray,
        way: str,
        sampled: Mapping[str, FloatArray],
        extra: Mapping[str, float],
    ) -> Description:
        """Aggregate what was collected.

        Args:
            patch: The box of the patch maximum, in voxels.
            embedding: (d,).
            way: How maps become numbers, one of `aggregation.WAYS`.
            sampled: Further maps of the same cells, by the names of their scores.
            extra: Further scores.
        """
        box = [max(1, round(size / self.block)) for size in patch]
        probabilities = self._maps[3 : 4 + self._classes]
        labels = probabilities.argmax(axis=0)
        maps = {**dict(zip(SCORES, self._maps, strict=False)), **sampled}
        scores = {name: aggregate(each, labels, box, way) for name, each in maps.items()}
        # The class maps are p_c · H already, so the entropy to multiply by is one.
        products = self._maps[3 + self._classes :]
        fractions = self._sums / self._sums.sum()
        return Description(
            scores={**scores, **extra},
            class_scores=class_scores(products, np.ones((), dtype=np.float32), box),
            class_fractions=fractions.astype(np.float32),
            embedding=embedding,
        )

    def best_box(self, size: Sequence[int], labelled: Sequence[Region]) -> Region:
        """Return the box of a size with the most entropy in what is not labelled yet.

        Args:
            size: In voxels; cut to the image.
            labelled: What the box must not overlap, as long as there is room.
        """
        return best_start(
            self._maps[0], self._shape, self.block, cut_to(size, self._shape), labelled
        )

    def describe_box(
        self,
        box: Region,
        labelled: Sequence[Region],
        embedding: FloatArray,
        sampled: Mapping[str, FloatArray],
        extra: Mapping[str, float],
    ) -> Description:
        """Average what was collected over a box, what is labelled left out.

        Args:
            box: In voxels.
            labelled: Its uncertainty is worth nothing any more.
            embedding: (d,).
            sampled: Further maps of the same cells, by the names of their scores.
            extra: Further scores, of the box.
        """
        rows = tuple(
            slice(a // self.block, -(-b // self.block))
            for a, b in zip(box.start, box.stop, strict=True)
        )
        open_share = 1.0 - known_share(labelled, self._shape, self.block)[rows]
        maps = {**dict(zip(SCORES, self._maps, strict=False)), **sampled}
        scores = {
            name: float(np.clip((each[rows] * open_share).mean(), 0.0, 1.0))
            for name, each in maps.items()
        }
        products = self._maps[(slice(4 + self._classes, None), *rows)] * open_share
        fractions = self._maps[(slice(3, 4 + self._classes), *rows)]
        fractions = fractions.reshape(1 + self._classes, -1).sum(axis=1, dtype=np.float64)
        return Description(
            scores={**scores, **extra},
            class_scores=np.clip(products.reshape(self._classes, -1).mean(axis=1), 0.0, 1.0),
            class_fractions=(fractions / fractions.sum()).astype(np.float32),
            embedding=embedding,
            region=box,
        )


def block_means(values: npt.NDArray[Any], block: int) -> npt.NDArray[Any]:
    """Average over blocks along every axis but the first; the last block may be smaller."""
    if block == 1:
        return values
    for axis in range(1, values.ndim):
        size = values.shape[axis]
        starts = np.arange(0, size, block)
        counts = np.diff(np.append(starts, size)).astype(np.float32)
        sums = np.add.reduceat(values, starts, axis=axis)
        values = sums / counts.reshape(-1, *(1,) * (values.ndim - axis - 1))
    return values
