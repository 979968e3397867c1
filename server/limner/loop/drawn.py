"""Whether a label file belongs to its image and says only what the schema has."""

from __future__ import annotations

from pathlib import Path

from limner.errors import ImageError
from limner.images import IMAGE_SUFFIXES, Header, ImageSource, label_oddities, read_label
from limner.plugin import LabelSchema, Task
from limner.records.rows import Sample
from limner.settings import Limits

SHAPE_ONLY = "the image could not be read when this was given; only its shape was compared"


def check_drawn(
    path: Path,
    suffix: str,
    source: ImageSource,
    sample: Sample,
    schema: LabelSchema,
    task: Task,
    limits: Limits,
) -> str:
    """Check a label file against its image's header, which is read anew, and the schema.

    Where the image cannot be read now, such as after it vanished, the header that was taken in
    with the sample has to do: it knows the shape, not the position.

    Returns:
        What is odd, for the label's note; empty where nothing is.

    Raises:
        ImageError: The file does not lie on its image, or says what the schema has not.
    """
    try:
        header, oddities = source.header(), []
    except ImageError:
        header, oddities = _known_header(sample), [SHAPE_ONLY]
    answer = read_label(path, suffix, header, schema, task, limits)
    return "; ".join(filter(None, [*oddities, label_oddities(answer)]))


def _known_header(sample: Sample) -> Header:
    return Header(
        kind=IMAGE_SUFFIXES[sample.format],
        shape=tuple(sample.shape or ()),
        channels=sample.channels or 1,
        dtype="",
        spacing=tuple(sample.spacing_mm or ()),
        affine=None,
        format=sample.format,
        size_bytes=sample.size_bytes,
        modified_ns=sample.modified_ns,
    )
