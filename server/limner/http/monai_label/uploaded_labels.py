"""Labels as these clients send them, made into files that lie on their images.

Most are passed on as they are. Some viewers send bare voxels, some draw a picture as a volume of
one slice, some draw polygons, and some number the classes in an order of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from werkzeug.datastructures import FileStorage

from limner.errors import InvalidLabelValues, InvalidRequest
from limner.http.context import service
from limner.http.monai_label.annotations.asap import read_asap
from limner.http.monai_label.reading import plain_name, saved
from limner.http.monai_label.routes import Here
from limner.http.monai_label.slices import picture_mask
from limner.images import (
    Header,
    encode_answer,
    encode_mask,
    image_suffix,
    mask_suffixes,
    read_mask,
    read_raw_mask,
    recoded,
)
from limner.images.suffixes import IMAGE_SUFFIXES
from limner.plugin import Answer, LabelSchema, Mask, Task
from limner.records.rows import Sample


@contextmanager
def converted(
    here: Here, sample: Sample, file: FileStorage, label_info: Any
) -> Iterator[tuple[BinaryIO, str]]:
    """Give a label as a file that Limner reads, with a name that says its format.

    Args:
        here: The project.
        sample: What was labelled.
        file: As it was sent.
        label_info: What the client says of the values: `[{"name": …, "idx": …}, …]` in the order
            of its segments; None where it says nothing.

    Raises:
        ImageError: It cannot be made into a label of the image.
        InvalidRequest: `label_info` is no such list.
    """
    name = plain_name(file.filename)
    named = _named(label_info)
    suffix = image_suffix(name)
    is_odd = name.lower().endswith((".bin", ".xml")) or _is_slice(here, sample, suffix)
    schema = service().projects.schema(here.project)
    if not is_odd and (suffix is None or not _renumbers(here, named, schema)):
        yield cast(BinaryIO, file.stream), _known_name(name)
        return
    header = service().samples.header(here.name, sample.id)
    ending = name[name.rfind(".") :].lower() if suffix is None else suffix
    with saved(file, ending) as path:
        answer = _read(here, path, ending, header, schema)
        if isinstance(answer, Mask) and here.task is Task.SEGMENTATION:
            answer = _by_name(answer, named, schema)
        yield BytesIO(_written(answer, header, schema)), f"label{_suffix(answer, header)}"


def read_scribbles(here: Here, sample_header: Header, file: FileStorage) -> Mask:
    """Read what a client drew beside an image: a mask of values of its own.

    Raises:
        ImageError: It cannot be read.
    """
    name = plain_name(file.filename)
    suffix = image_suffix(name) or name[name.rfind(".") :].lower()
    with saved(file, suffix) as path:
        schema = service().projects.schema(here.project)
        answer = _read(here, path, suffix, sample_header, schema)
    if not isinstance(answer, Mask):
        raise InvalidRequest("Scribbles are a mask, not polygons.")
    return answer


def _read(here: Here, path: Path, suffix: str, header: Header, schema: LabelSchema) -> Answer:
    if suffix == ".bin":
        return read_raw_mask(path, header)
    if suffix == ".xml":
        return read_asap(path.read_bytes(), header, schema, here.task)
    mask = read_mask(path, service().settings.limits, suffix=suffix)
    if header.kind == "picture" and IMAGE_SUFFIXES.get(suffix) == "volume":
        return picture_mask(mask)
    return mask


def _is_slice(here: Here, sample: Sample, suffix: str | None) -> bool:
    """Tell whether a picture was labelled as a volume of one slice."""
    is_volume = suffix is not None and IMAGE_SUFFIXES[suffix] == "volume"
    return is_volume and IMAGE_SUFFIXES.get(sample.format) == "picture"


def _known_name(name: str) -> str:
    """Name a segmentation of 3D Slicer by what it is: a NRRD file."""
    return name[: -len(".seg.nrrd")] + ".nrrd" if name.lower().endswith(".seg.nrrd") else name


def _named(label_info: Any) -> list[tuple[str, int | None]]:
    if label_info in (None, [], {}):
        return []
    problem = InvalidRequest(
        f'label_info is {str(label_info)[:100]!r}; it is a list of {{"name": …, "idx": …}}.'
    )
    if not isinstance(label_info, list):
        raise problem
    found: list[tuple[str, int | None]] = []
    for each in label_info:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise problem
        number = next((each[key] for key in ("idx", "labelID", "label") if key in each), None)
        found.append((each["name"], number if isinstance(number, int) else None))
    return found


def _renumbers(here: Here, named: Sequence[tuple[str, int | None]], schema: LabelSchema) -> bool:
    """Tell whether the order of the segments is not that of the classes' values."""
    if here.task is not Task.SEGMENTATION or not named:
        return False
    values = {each.name: each.value for each in schema.classes}
    return any(
        values.get(name) != place or number not in (None, place)
        for place, (name, number) in enumerate(named, start=1)
    )


def _by_name(mask: Mask, named: Sequence[tuple[str, int | None]], schema: LabelSchema) -> Mask:
    """Give every segment the value of the class that it is named after.

    3D Slicer numbers the voxels by the places of the segments, whatever it says as `idx`; scripts
    that number by the classes' own values say these values. Where both could be meant, the values
    that the mask holds decide.
    """
    if not named:
        return mask
    values = {each.name.casefold(): each.value for each in schema.classes}
    wanted = [values.get(name.casefold()) for name, _ in named]
    present = {int(each) for each in np.unique(mask.array)} - {0}
    numbers = {number for _, number in named}
    are_values = all(
        number == value for (_, number), value in zip(named, wanted, strict=True)
    ) and present <= {number for number in numbers if number is not None}
    if are_values:
        return mask
    mapping: dict[int, int] = {}
    for place, ((name, _), value) in enumerate(zip(named, wanted, strict=True), start=1):
        if place not in present:
            continue
        if value is None:
            raise InvalidLabelValues(
                f"Segment {place} is called {name[:64]!r}, and no class is; the classes are "
                f"{', '.join(schema.names)}."
            )
        mapping[place] = value
    strange = sorted(present - set(mapping))
    if strange:
        raise InvalidLabelValues(
            f"The mask holds {strange[:10]}, and label_info names {len(named)} segments."
        )
    return recoded(mask, mapping)


def _written(answer: Answer, header: Header, schema: LabelSchema) -> bytes:
    if isinstance(answer, Mask):
        return encode_mask(answer, header, mask_suffixes(header.kind)[0])
    return encode_answer(answer, header, schema, ".json")


def _suffix(answer: Answer, header: Header) -> str:
    return mask_suffixes(header.kind)[0] if isinstance(answer, Mask) else ".json"
