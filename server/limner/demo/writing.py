"""What was drawn as files: an image that the server may see, and a label that it may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from limner.demo import cells, textures
from limner.demo.cells import CellPicture
from limner.demo.phantom import Phantom
from limner.demo.textures import TexturePicture
from limner.images import encode_answer, read_header
from limner.plugin import ClassScores, Instances, LabelSchema, instance_boxes, window
from limner.settings import Limits


def write_phantom(phantom: Phantom, images: Path, labels: Path, name: str) -> Path:
    """Write a volume and its mask as gzipped NIfTI with one geometry; return the mask's file."""
    import nibabel

    affine = np.diag([*phantom.spacing_mm, 1.0])
    middle = (np.asarray(phantom.labels.shape) - 1) / 2 * phantom.spacing_mm
    affine[:3, 3] = -middle
    for folder, array in ((images, phantom.image), (labels, phantom.labels)):
        file = nibabel.Nifti1Image(array, affine)
        file.header.set_xyzt_units("mm")
        nibabel.save(file, folder / f"{name}.nii.gz")
    return labels / f"{name}.nii.gz"


def write_cells(picture: CellPicture, images: Path, labels: Path, name: str) -> Path:
    """Write a picture as PNG and its cells as COCO JSON, overlapping ones whole; return that."""
    boxes = np.concatenate([instance_boxes(mask)[1] for mask in picture.masks])
    values = {kind: value for value, kind in enumerate(cells.CLASSES, start=1)}
    answer = Instances(
        boxes=boxes,
        masks=tuple(mask[window(box)] for mask, box in zip(picture.masks, boxes, strict=True)),
        classes=np.array([values[kind] for kind in picture.kinds], np.int64),
        scores=np.ones(len(boxes), np.float32),
    )
    return _write_picture(
        picture.image, answer, LabelSchema.of(*cells.CLASSES), images, labels / f"{name}.json"
    )


def write_texture(picture: TexturePicture, images: Path, labels: Path, name: str) -> Path:
    """Write a picture as PNG and its class as JSON; return that file."""
    answer = ClassScores(
        probabilities=np.array([kind == picture.kind for kind in textures.CLASSES], np.float32)
    )
    return _write_picture(
        picture.image, answer, LabelSchema.of(*textures.CLASSES), images, labels / f"{name}.json"
    )


def _write_picture(
    pixels: npt.NDArray[np.uint8],
    answer: Instances | ClassScores,
    schema: LabelSchema,
    images: Path,
    label: Path,
) -> Path:
    import imagecodecs

    image = images / f"{label.stem}.png"
    image.write_bytes(imagecodecs.png_encode(pixels))
    header = read_header(image, Limits())
    label.write_bytes(encode_answer(answer, header, schema, ".json", file_name=image.name))
    return label
