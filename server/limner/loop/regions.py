"""Parts of images: how large a part is asked for, which one, and how parts become one label.

A label is of a whole image, or of regions of it (`labels.regions`). One that is handed in for a
region is joined with the sample's label by then: inside the region the new file counts, elsewhere
what was there. The joined file is the label; the file as it was handed in stays beside it
(`submitted_sha256`). Once its regions cover the image, a label is of the whole of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from limner.engine import PartWanted
from limner.errors import InvalidRequest
from limner.images import ImageSource, encode_mask, read_mask
from limner.loop.seeds import derived_seed
from limner.plugin import Mask, Region, cut_to, inside
from limner.records import labels as label_rows
from limner.records.database import Records
from limner.records.rows import Label, Sample, SampleState
from limner.settings import ProjectSettings

_TRIES = 256
"""Boxes that are drawn before one that overlaps what is labelled is good enough."""


def stored(region: Region | None) -> dict[str, list[int]] | None:
    """Return a region as records and clients have it."""
    return None if region is None else {"start": list(region.start), "stop": list(region.stop)}


def restored(value: Mapping[str, Any] | None) -> Region | None:
    """Read what `stored` gave."""
    return None if value is None else _read(value)


def stored_all(regions: Iterable[Region] | None) -> list[dict[str, list[int]]] | None:
    """Return regions as records and clients have them; None for a whole image."""
    if regions is None:
        return None
    return [{"start": list(each.start), "stop": list(each.stop)} for each in regions]


def of_label(label: Label | None) -> tuple[Region, ...] | None:
    """Return the regions that a label is of; None where it is of the whole image."""
    if label is None or label.regions is None:
        return None
    return tuple(_read(each) for each in label.regions)


def _read(value: Mapping[str, Any]) -> Region:
    return Region(tuple(value["start"]), tuple(value["stop"]))


def asked_text(settings: ProjectSettings) -> str:
    """Name what descriptions are asked for; empty for whole images."""
    return "x".join(map(str, settings.query_size or ()))


def wanted_size(settings: ProjectSettings, sample: Sample) -> tuple[int, ...] | None:
    """Return how large a part of a sample is asked for; None for all of it.

    All of it where the image has another number of axes than the setting, is no larger than the
    part, or belongs to the validation set.
    """
    size, shape = settings.query_size, tuple(sample.shape or ())
    if size is None or len(size) != len(shape) or sample.is_validation:
        return None
    wanted = cut_to(size, shape)
    return None if wanted == shape else wanted


def parts_wanted(
    records: Records, settings: ProjectSettings, samples: Sequence[Sample]
) -> dict[int, PartWanted]:
    """Return which parts a description is to find, by sample id; nothing for whole images."""
    sizes = {
        each.id: size
        for each in samples
        if each.state == SampleState.READY and (size := wanted_size(settings, each)) is not None
    }
    if not sizes:
        return {}
    with records.read() as tx:
        labels = label_rows.of_ids(tx, [each.label_id for each in samples if each.label_id])
    labelled = {each.sample_id: of_label(each) or () for each in labels}
    return {
        key: PartWanted(size=size, labelled=labelled.get(key, ())) for key, size in sizes.items()
    }


def lent_region(
    tx: Connection, settings: ProjectSettings, sample: Sample, picked: Region | None
) -> Region | None:
    """Return the part of a sample that an annotator is asked for; None for all of it.

    Args:
        tx: The transaction.
        settings: The project's.
        sample: What is lent.
        picked: What the model says is worth most; None where it says nothing.
    """
    size = wanted_size(settings, sample)
    if size is None:
        return None
    label = None if sample.label_id is None else label_rows.find(tx, sample.label_id)
    labelled = of_label(label) or ()
    first = picked if picked is not None and picked.shape == size else None
    seed = derived_seed(settings.seed, "region", sample.id, len(labelled))
    return chosen(size, tuple(sample.shape or ()), labelled, seed, first)


def chosen(
    size: tuple[int, ...],
    shape: tuple[int, ...],
    labelled: Sequence[Region],
    seed: int,
    first: Region | None = None,
) -> Region:
    """Return a box: the first one if it is free, else one drawn that is, else what adds most.

    Args:
        size: Of the box, at most the image's.
        shape: The image's.
        labelled: What the box should not overlap.
        seed: Decides what is drawn.
        first: A box to prefer, of that size and on the image.
    """
    random = np.random.default_rng(seed)
    drawn = (_drawn(size, shape, random) for _ in range(_TRIES))
    boxes = []
    for box in itertools.chain(() if first is None else (first,), drawn):
        if not any(box.overlaps(each) for each in labelled):
            return box
        boxes.append(box)
    known = inside(labelled, shape)
    left = np.unravel_index(int(known.reshape(-1).argmin()), shape)
    at = [min(int(a), have - n) for a, n, have in zip(left, size, shape, strict=True)]
    # The last one always adds something: it has the first voxel that nobody has labelled.
    boxes.append(_box(at, size))
    return max(boxes, key=lambda box: math.prod(box.shape) - int(known[box.slices].sum()))


def _drawn(size: Sequence[int], shape: Sequence[int], random: np.random.Generator) -> Region:
    return _box([int(random.integers(h - n + 1)) for n, h in zip(size, shape, strict=True)], size)


def _box(start: Sequence[int], size: Sequence[int]) -> Region:
    return Region(tuple(start), tuple(a + n for a, n in zip(start, size, strict=True)))


def checked_region(region: Region, sample: Sample) -> Region:
    """Return a region that lies on a sample's image.

    Raises:
        InvalidRequest: It does not.
    """
    shape = tuple(sample.shape or ())
    if not region.lies_in(shape):
        raise InvalidRequest(
            f"region from {list(region.start)} to {list(region.stop)} does not lie on sample "
            f"{sample.id}, whose shape is {list(shape)}."
        )
    return region


def joined_regions(
    before: Label | None, region: Region, shape: Sequence[int]
) -> tuple[Region, ...] | None:
    """Return what a label is of once a region is added; None for the whole image."""
    if before is not None and before.regions is None:
        return None
    regions = tuple(dict.fromkeys((*(of_label(before) or ()), region)))
    return None if inside(regions, shape).all() else regions


def joined_file(
    given: tuple[Path, str], before: tuple[Path, str] | None, region: Region, source: ImageSource
) -> bytes:
    """Return the file of a label that is joined: of the region from one, elsewhere from another.

    Args:
        given: File and format of what was handed in; checked already.
        before: File and format of the label until then; None where there is none.
        region: Where the new one counts.
        source: The image.

    Returns:
        A file of the format given.
    """
    new = read_mask(given[0], source.limits, suffix=given[1])
    old = None if before is None else read_mask(before[0], source.limits, suffix=before[1])
    kind = new.array.dtype if old is None else np.promote_types(new.array.dtype, old.array.dtype)
    array = np.zeros(new.array.shape, kind) if old is None else old.array.astype(kind)
    array[region.slices] = new.array[region.slices]
    mask = Mask(array=array, spacing=new.spacing, affine=new.affine)
    return encode_mask(mask, source.header(), given[1])
