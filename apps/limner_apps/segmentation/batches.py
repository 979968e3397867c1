"""The training cases in memory, and the draw of a batch from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import FloatArray
from limner_apps.learning.new_labels import draw_shares
from limner_apps.segmentation.labelled import IGNORED
from limner_apps.segmentation.plan import Plan

_ON_FOREGROUND = 1 / 3
"""Share of the draws that are placed on a voxel of a class, as in nnU-Net."""
_POSITIONS = 2_000
"""Voxels remembered of each class and case, and of what is labelled of a case."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """One preprocessed case."""

    image: FloatArray
    """(channels, *spatial)."""
    labels: npt.NDArray[np.uint16]
    """(*spatial), class indices, `IGNORED` where nothing is labelled."""
    positions: tuple[npt.NDArray[np.int64], ...]
    """For each class that occurs, (n, spatial axes) voxels of it."""
    is_new: bool
    labelled: npt.NDArray[np.int64] | None = None
    """(n, spatial axes) voxels of what is labelled, where that is a part: every view has one."""

    @classmethod
    def of(cls, image: FloatArray, labels: npt.NDArray[np.uint16], is_new: bool) -> TrainingCase:
        """Remember where the classes are."""
        flat = labels.reshape(-1)
        known = flat != IGNORED
        foreground = np.flatnonzero((flat != 0) & known)
        positions = [
            _some(foreground[flat[foreground] == index], labels.shape)
            for index in np.unique(flat[foreground])
        ]
        labelled = None if known.all() else _some(np.flatnonzero(known), labels.shape)
        return cls(image, labels, tuple(positions), is_new, labelled)


def _some(places: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return (n, spatial axes) of some places in a flattened array, evenly drawn."""
    places = places[:: max(1, len(places) // _POSITIONS)]
    return np.stack(np.unravel_index(places, shape), axis=1)


class BatchDraw:
    """Draws batches; the same seed and step give the same batch.

    Args:
        cases: What to draw from.
        plan: How a batch looks.
        seed: Decides every draw.
    """

    def __init__(self, cases: Sequence[TrainingCase], plan: Plan, seed: int) -> None:
        self._cases = cases
        self._plan = plan
        self._seed = seed
        self._shares = draw_shares([case.is_new for case in cases])

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Draw the batch of a step.

        Returns:
            Images (batch, channels, *spatial) float32, and labels (batch, *spatial) int64.
        """
        random = np.random.default_rng([self._seed & 0xFFFF_FFFF_FFFF, step])
        chosen = random.choice(len(self._cases), size=self._plan.batch, p=self._shares)
        pairs = [self._view(self._cases[index], random) for index in chosen]
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        labels = torch.from_numpy(np.stack([label for _, label in pairs]))
        return images, labels

    def _view(
        self, case: TrainingCase, random: np.random.Generator
    ) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Cut one patch, or one slice with its neighbours as further channels."""
        centre = None
        if case.positions and random.random() < _ON_FOREGROUND:
            voxels = case.positions[random.integers(len(case.positions))]
            centre = voxels[random.integers(len(voxels))]
        elif case.labelled is not None:
            centre = case.labelled[random.integers(len(case.labelled))]
        image, labels = case.image, case.labels
        plane, cut = self._plan.plane, self._plan.cut
        if cut is not None:
            depth = labels.shape[cut]
            row = int(random.integers(depth)) if centre is None else int(centre[cut])
            rows = neighbouring(row, depth, self._plan.neighbours)
            stack = np.take(image, rows, axis=1 + cut)
            # Neighbours come before the channels of the file: (neighbour, channel) is one axis.
            stack = np.moveaxis(stack, 1 + cut, 0)
            image = stack.reshape(-1, *stack.shape[2:])
            labels = np.take(labels, row, axis=cut)
        return _crop(
            image,
            labels,
            [self._plan.patch[axis] for axis in plane],
            None if centre is None else [int(centre[axis]) for axis in plane],
            0 if case.labelled is None else IGNORED,
            random,
        )


def neighbouring(row: int, depth: int, count: int) -> npt.NDArray[np.int64]:
    """Return `count` rows around one; at the ends the last row is repeated."""
    half = count // 2
    return np.clip(np.arange(row - half, row + half + 1), 0, depth - 1)


def _crop(
    image: FloatArray,
    labels: npt.NDArray[np.uint16],
    size: Sequence[int],
    centre: Sequence[int] | None,
    beyond: int,
    random: np.random.Generator,
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Cut a patch at random or around a voxel; pad what is too small, at random sides.

    Beyond the image the label is `beyond`.
    """
    window, padding = [], []
    for axis, (have, want) in enumerate(zip(labels.shape, size, strict=True)):
        spare = have - want
        if spare >= 0:
            start = int(random.integers(spare + 1))
            if centre is not None:
                start = min(max(centre[axis] - want // 2, 0), spare)
            window.append(slice(start, start + want))
            padding.append((0, 0))
        else:
            before = int(random.integers(1 - spare))
            window.append(slice(None))
            padding.append((before, -spare - before))
    cropped = np.pad(image[(slice(None), *window)], [(0, 0), *padding], mode="edge")
    drawn = np.pad(labels[tuple(window)], padding, constant_values=beyond)
    return cropped, drawn.astype(np.int64)
