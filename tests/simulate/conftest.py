"""Folders of easy images that even a tiny app learns, with their labels kept apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Easy:
    images: Path
    truth: dict[str, Path]
    unseen: dict[str, Path]

    @classmethod
    def of(cls, images: Path, written: dict[str, Path]) -> Easy:
        """Twelve images, of which the last three are for nobody to label."""
        pairs = list(written.items())
        return cls(images, dict(pairs[:9]), dict(pairs[9:]))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    images, labels = tmp_path / "images", tmp_path / "hidden"
    images.mkdir()
    labels.mkdir()
    return images, labels


@pytest.fixture
def easy(folders: tuple[Path, Path]) -> Easy:
    """Volumes with two bright boxes each, and their masks."""
    import nibabel

    images, labels = folders
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
    return Easy.of(images, written)


@pytest.fixture
def easy_objects(folders: tuple[Path, Path]) -> Easy:
    """Pictures with three or four squares of two brightnesses, and COCO files of them."""
    import imagecodecs
    from pycocotools import mask as coco

    images, labels = folders
    written = {}
    for index in range(12):
        random = np.random.default_rng(index)
        picture = random.normal(20, 2, (32, 32))
        annotations = []
        for number in range(3 + index % 2):
            row, column = 16 * (number // 2) + 2, 16 * (number % 2) + 2
            category = number % 2 + 1
            mask = np.zeros(picture.shape, np.uint8, order="F")
            mask[row : row + random.integers(7, 12), column : column + random.integers(7, 12)] = 1
            picture[mask > 0] += 90 * category
            packed = coco.encode(mask)
            annotations.append(
                {
                    "id": number + 1,
                    "image_id": 1,
                    "category_id": category,
                    "bbox": coco.toBbox(packed).tolist(),
                    "iscrowd": 0,
                    "segmentation": {**packed, "counts": packed["counts"].decode()},
                }
            )
        name = f"easy-{index:02d}"
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        (images / f"{name}.png").write_bytes(imagecodecs.png_encode(pixels))
        document = {
            "images": [{"id": 1, "width": 32, "height": 32, "file_name": f"{name}.png"}],
            "categories": [{"id": 1, "name": "left"}, {"id": 2, "name": "right"}],
            "annotations": annotations,
        }
        written[name] = labels / f"{name}.json"
        written[name].write_text(json.dumps(document))
    return Easy.of(images, written)


@pytest.fixture
def easy_kinds(folders: tuple[Path, Path]) -> Easy:
    """Dark and bright pictures, and which they are."""
    import imagecodecs

    images, labels = folders
    written = {}
    for index in range(12):
        pixels = np.random.default_rng(index).normal(60 + 100 * (index % 2), 10, (16, 16))
        name = f"easy-{index:02d}"
        (images / f"{name}.png").write_bytes(
            imagecodecs.png_encode(np.clip(pixels, 0, 255).astype(np.uint8))
        )
        written[name] = labels / f"{name}.json"
        written[name].write_text(json.dumps({"classes": [("left", "right")[index % 2]]}))
    return Easy.of(images, written)
