"""Reading and writing images and labels, with their geometry. One file a format.

Importing this package loads no decoder: a format's libraries are imported when its first file is
read. Every error is a branch of `limner.errors.ImageError`.
"""

from limner.images.header import LATEST_NS, Header, NiftiOrientation
from limner.images.labels import (
    decode_answer,
    encode_answer,
    label_oddities,
    label_suffix,
    label_suffixes,
    label_types,
    read_label,
)
from limner.images.masks import check_mask, encode_mask, read_mask
from limner.images.raw_mask import read_raw_mask
from limner.images.reading import read_header, read_image
from limner.images.recoding import recoded
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
    "decode_answer",
    "encode_answer",
    "encode_mask",
    "image_suffix",
    "label_oddities",
    "label_suffix",
    "label_suffixes",
    "label_types",
    "mask_suffixes",
    "media_type",
    "read_header",
    "read_image",
    "read_label",
    "read_mask",
    "read_raw_mask",
    "recoded",
]
