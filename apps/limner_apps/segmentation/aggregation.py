"""From a voxel map of uncertainty to the one number of an image. Numpy only.

The ways to do so, of a map `u` in [0, 1]:

- `patch`: the largest mean in any box of a fixed size. It finds a region that the model does not
  understand, an object it missed included, and is not diluted by a large background (nnActive, Lüth
  et al. 2025; Zenk et al. 2025).
- `foreground`: the mean over the predicted foreground, dilated by a few voxels. It does not grow
  with the object's size.
- `patch_and_foreground`: the mean of the two.
- `top_share`: the mean of the highest 2 % of the voxels.
- `boundary`: the mean over a band along the edges of what is predicted. Every outline is unsure
  there, the longer the more; the mean shows an outline that is so beyond its length.
- `classes`: the mean over the region of each predicted class, dilated, averaged over the classes:
  a small class counts as much as a large one.

The mean over the whole image grows with the object and is diluted by background, and is not among
them. Where nothing is predicted, the ways that look at what is predicted give the patch maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WAYS = ("patch_and_foreground", "patch", "foreground", "top_share", "boundary", "classes")

_REACH = 2
"""Voxels by which a predicted region is dilated."""
_BAND = 1
"""Voxels to either side of an edge."""
_TOP_SHARE = 0.02


def aggregate(
    values: npt.NDArray[Any], labels: npt.NDArray[Any], patch: Sequence[int], way: str = WAYS[0]
) -> float:
    """Return the number of a map.

    Args:
        values: (*spatial) in [0, 1].
        labels: (*spatial), the index of the predicted class, 0 for background.
        patch: The box of the patch maximum, in voxels.
        way: One of `WAYS`.
    """
    if way == "top_share":
        return top_share(values)
    if way == "boundary":
        mean = boundary_mean(values, labels)
    elif way == "classes":
        mean = classes_mean(values, labels)
    else:
        mean = None if way == "patch" else region_mean(values, labels > 0)
    if mean is None:
        return patch_maximum(values, patch)
    return 0.5 * (patch_maximum(values, patch) + mean) if way == WAYS[0] else mean


def patch_maximum(values: npt.NDArray[Any], size: Sequence[int]) -> float:
    """Return the largest mean over a box; boxes larger than the array are cut to it."""
    box = [min(length, have) for length, have in zip(size, values.shape, strict=True)]
    # The share of the box that the array fills counts: what lies outside is certain.
    wanted = float(np.prod(np.asarray(size, dtype=np.float64)))
    return float(np.clip(box_sums(values, box).max() / wanted, 0.0, 1.0))


def top_share(values: npt.NDArray[Any]) -> float:
    """Return the mean of the highest 2 % of a map, and of one voxel at least."""
    flat = values.reshape(-1)
    count = max(1, round(_TOP_SHARE * flat.size))
    return float(np.clip(np.partition(flat, flat.size - count)[-count:].mean(), 0.0, 1.0))


def region_mean(values: npt.NDArray[Any], region: npt.NDArray[np.bool_]) -> float | None:
    """Return the mean over a dilated region; None when it is empty."""
    if not region.any():
        return None
    return float(np.clip(values[dilate(region, _REACH)].mean(), 0.0, 1.0))


def boundary_mean(values: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float | None:
    """Return the mean over a band along the edges between classes; None without any edge."""
    edges = np.zeros(labels.shape, dtype=bool)
    for axis in range(labels.ndim):
        differ = np.diff(labels, axis=axis) != 0
        before = [(0, 0)] * labels.ndim
        after = list(before)
        before[axis], after[axis] = (0, 1), (1, 0)
        edges |= np.pad(differ, before) | np.pad(differ, after)
    if not edges.any():
        return None
    return float(np.clip(values[dilate(edges, _BAND)].mean(), 0.0, 1.0))


def classes_mean(values: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float | None:
    """Return the mean over the predicted classes of the mean over each; None without any."""
    present = np.unique(labels)
    means = [region_mean(values, labels == index) for index in present[present > 0]]
    found = [mean for mean in means if mean is not None]
    return float(np.mean(found)) if found else None


def dilate(region: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Grow a region by a box of `2 · reach + 1`."""
    grown = np.pad(region, reach)
    return box_sums(grown, [2 * reach + 1] * region.ndim) > 0.5


def box_sums(values: npt.NDArray[Any], size: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sum over every box that lies inside the array.

    Args:
        values: (*spatial).
        size: The box along each axis; at most the array's.

    Returns:
        (n - size + 1) along each axis.
    """
    sums = values.astype(np.float64)
    for axis, length in enumerate(size):
        sums = np.cumsum(sums, axis=axis)
        first = np.take(sums, [length - 1], axis=axis)
        after = np.take(sums, range(length, sums.shape[axis]), axis=axis)
        before = np.take(sums, range(sums.shape[axis] - length), axis=axis)
        sums = np.concatenate([first, after - before], axis=axis)
    return sums
