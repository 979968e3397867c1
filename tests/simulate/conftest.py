"""A folder of easy volumes that even a tiny app learns, with their labels kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Easy:
    images: Path
    truth: dict[str, Path]
    unseen: dict[str, Path]


@pytest.fixture
def easy(tmp_path: Path) -> Easy:
    """Twelve volumes with two bright boxes each; the last three are for nobody to label."""
    import nibabel

    images, labels = tmp_path / "images", tmp_path / "hidden"
    images.mkdir()
    labels.mkdir()
    written = {}
    for index in range(12):
        random = np.random.default_rng(index)
        classes = np.zeros((10, 12, 8), np.uint8)
        x, y = random.integers(0, 4, 2)
        classes[x : x + 5, y : y + 4, 1:7] = 1
        classes[x : x + 5, y + 4 : y + 8, 1:7] = 2
        image = (classes * 3.0 + random.normal(0, 0.2, classes.shape)).astype(np.float32)
        name = f"easy-{index:02d}"
        nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), images / f"{name}.nii.gz")
        written[name] = labels / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(classes, np.eye(4)), written[name])
    names = list(written)
    return Easy(
        images,
        {name: written[name] for name in names[:9]},
        {name: written[name] for name in names[9:]},
    )
