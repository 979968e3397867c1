"""Reading and writing images and masks, with their geometry. One file a format.

Importing this package loads no decoder: a format's libraries are imported when its first file is
read. Every error is a branch of `limner.errors.ImageError`.
"""

from limner.images.header import LATEST_NS, Header, NiftiOrientation
from limner.images.masks import check_mask, encode_mask, read_mask
from limner.images.reading import read_header, read_image
from limner.images.source import ImageSource
from limner.images.suffixes import (
    IMAGE_SUFFIXES,
    MASK_TYPES,
    image_suffix,
    mask_suffixes,
    media_type,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "LATEST_NS",
    "MASK_TYPES",
    "Header",
    "ImageSource",
    "NiftiOrientation",
    "check_mask",
    "encode_mask",
    "image_suffix",
    "mask_suffixes",
    "media_type",
    "read_header",
    "read_image",
    "read_mask",
]
