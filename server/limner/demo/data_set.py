"""The demo's data set on disk: images that the server may see, and labels that it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.demo.phantom import Phantom, draw_phantom

POOL, UNSEEN = 60, 12
"""Volumes to label from, and volumes that are only ever predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Where the drawn volumes are."""

    images: Path
    """The folder to serve."""
    truth: dict[str, Path]
    """Labels of the pool by name, outside that folder."""
    unseen: dict[str, Path]
    """Labels of the unseen cases by name, likewise."""


def write_data_set(
    folder: Path,
    seed: int,
    *,
    pool: int = POOL,
    unseen: int = UNSEEN,
    on_step: Callable[[int, int], None] | None = None,
) -> DataSet:
    """Draw a data set as gzipped NIfTI files; files that are there are drawn again.

    Args:
        folder: Gets `images` and `labels`.
        seed: Decides every voxel.
        pool: How many volumes to label from.
        unseen: How many that nobody labels.
        on_step: Told how many of all volumes are done.
    """
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    written = {}
    for index in range(pool + unseen):
        name = f"case-{index + 1:03d}"
        written[name] = _write(draw_phantom(seed, index), images, labels, name)
        if on_step is not None:
            on_step(index + 1, pool + unseen)
    names = list(written)
    return DataSet(
        images=images,
        truth={name: written[name] for name in names[:pool]},
        unseen={name: written[name] for name in names[pool:]},
    )


def _write(phantom: Phantom, images: Path, labels: Path, name: str) -> Path:
    """Write image and label with one geometry; return the label's file."""
    import nibabel

    affine = np.diag([*phantom.spacing_mm, 1.0])
    middle = (np.asarray(phantom.labels.shape) - 1) / 2 * phantom.spacing_mm
    affine[:3, 3] = -middle
    for folder, array in ((images, phantom.image), (labels, phantom.labels)):
        file = nibabel.Nifti1Image(array, affine)
        file.header.set_xyzt_units("mm")
        nibabel.save(file, folder / f"{name}.nii.gz")
    return labels / f"{name}.nii.gz"
