"""Whether a label file lies on its image and says only what the schema has."""

from __future__ import annotations

from pathlib import Path

from limner.errors import ImageError, UnsupportedFormat
from limner.images import (
    IMAGE_SUFFIXES,
    Header,
    ImageSource,
    check_mask,
    mask_suffixes,
    read_mask,
)
from limner.plugin import LabelSchema, Mask
from limner.records.rows import Sample
from limner.settings import Limits

SHAPE_ONLY = "the image could not be read when this was given; only its shape was compared"


def check_drawn(
    path: Path,
    suffix: str,
    source: ImageSource,
    sample: Sample,
    schema: LabelSchema,
    limits: Limits,
) -> str:
    """Check a label file against its image's header, which is read anew, and the schema.

    Where the image cannot be read now, such as after it vanished, the header that was taken in
    with the sample has to do: it knows the shape, not the position.

    Returns:
        What is odd, for the label's note; empty where nothing is.

    Raises:
        ImageError: The file does not lie on its image, or holds values that the schema has not.
    """
    try:
        header: Header | None = source.header()
    except ImageError:
        header = None
    mask = read_mask(path, limits, suffix=suffix)
    if header is not None:
        _check_format(suffix, header)
        check_mask(mask, header, schema)
        return ""
    check_mask(mask, _known_header(sample, mask), schema)
    return SHAPE_ONLY


def _check_format(suffix: str, header: Header) -> None:
    allowed = mask_suffixes(header.kind)
    if suffix not in allowed:
        raise UnsupportedFormat(
            f"A label of this {header.kind} cannot be a {suffix} file; give one of "
            f"{', '.join(allowed)}."
        )


def _known_header(sample: Sample, mask: Mask) -> Header:
    return Header(
        kind=IMAGE_SUFFIXES[sample.format],
        shape=tuple(sample.shape or ()),
        channels=sample.channels or 1,
        dtype="",
        spacing=tuple(sample.spacing_mm or ()),
        affine=mask.affine,
        format=sample.format,
        size_bytes=sample.size_bytes,
        modified_ns=sample.modified_ns,
    )
