"""Masks without a header: the bare voxels of a volume, as web viewers send them.

One byte a voxel, first axis fastest, and nothing else. That they lie on the image is what the
client says; all that can be checked is how many there are.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path

from limner.errors import GeometryMismatch, UnreadableImage, UnsupportedFormat
from limner.images import payload
from limner.images.faults import image_errors
from limner.images.header import Header
from limner.plugin import Mask


def read_raw_mask(path: Path, header: Header) -> Mask:
    """Read the bare voxels of a mask. The array is uint8, (i, j, k), read-only.

    Args:
        path: A file of one byte a voxel, first axis fastest.
        header: Of the volume that the mask belongs to; its geometry becomes the mask's.

    Raises:
        GeometryMismatch: The file has not one byte for each voxel.
        UnreadableImage: No file, or it cannot be read.
        UnsupportedFormat: The image is no volume.
    """
    if header.kind != "volume":
        raise UnsupportedFormat(
            f"{path.name} holds bare voxels, which say no mask of a picture: it is open whether "
            "rows or columns come first. Send a PNG or TIFF."
        )
    voxels = math.prod(header.shape)
    with image_errors(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage(f"{path.name} is not a file.")
        if status.st_size != voxels:
            raise GeometryMismatch(
                f"{path.name} has {status.st_size:,} bytes, its image of shape {header.shape} "
                f"{voxels:,} voxels. Send one byte for each voxel, uncompressed."
            )
        array = payload.read_raw(path, 0, voxels).reshape(header.shape, order="F")
    array.flags.writeable = False
    return Mask(array=array, spacing=header.spacing, affine=header.affine)
