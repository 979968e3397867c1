"""Parts of images: asked for, handed in, joined; and what becomes of the sample."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from limner.errors import Conflict, InvalidRequest
from limner.images import read_mask
from limner.loop.regions import chosen
from limner.plugin import Region
from limner.settings import Limits


@pytest.fixture
def parts(house: Any) -> Any:
    settings = {"validation_share": 0, "query_size": [0, 0, 1]}
    house.projects.create(house.config(app="parts", settings=settings))
    return house


def values(house: Any, label: Any) -> Any:
    path, found = house.labels.content(label.id)
    return read_mask(path, Limits(), suffix=found.format).array


def drawn(house: Any, value: int) -> bytes:
    """A mask that has one value everywhere."""
    plain = nib.Nifti1Image.from_bytes(house.mask())
    array = np.full(plain.shape, value, np.uint8)
    data: bytes = nib.Nifti1Image(array, plain.affine, plain.header).to_bytes()
    return data


def test_an_assignment_names_a_part_that_is_not_labelled_yet(parts: Any) -> None:
    parts.volumes(1)
    first = parts.next()
    region = Region(tuple(first.assignment.region["start"]), tuple(first.assignment.region["stop"]))
    shape = tuple(first.sample.shape)
    assert region.shape == (*shape[:2], 1)
    parts.submit(first.sample.id, data=drawn(parts, 1), region=region)
    second = parts.next()
    other = Region(
        tuple(second.assignment.region["start"]), tuple(second.assignment.region["stop"])
    )
    assert second.sample.id == first.sample.id
    assert not other.overlaps(region)


def test_parts_are_joined_until_they_cover_the_image(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    a, b, c = sample.shape
    lower, upper = Region((0, 0, 0), (a, b, 2)), Region((0, 0, 2), (a, b, c))
    label = parts.submit(sample.id, data=drawn(parts, 1), region=lower).label
    assert label.regions == [{"start": [0, 0, 0], "stop": [a, b, 2]}]
    assert values(parts, label)[..., :2].all()
    assert not values(parts, label)[..., 2:].any()
    now = parts.samples.get("liver", sample.id)
    assert (now.state, now.label_id, now.readings) == ("ready", label.id, 0)
    assert parts.retrain.told == [("liver", 1)]

    whole = parts.submit(sample.id, data=drawn(parts, 0), region=upper).label
    assert (whole.version, whole.regions) == (2, None)
    assert values(parts, whole)[..., :2].all(), "what was labelled before is kept"
    assert not values(parts, whole)[..., 2:].any()
    assert parts.samples.get("liver", sample.id).state == "labelled"


def test_the_file_as_it_was_handed_in_is_kept(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    data = drawn(parts, 1)
    region = Region((0, 0, 0), (1, 1, 1))
    given = parts.submit(sample.id, data=data, region=region)
    path, _, suffix = parts.labels.submitted_content(given.label.id)
    assert (path.read_bytes(), suffix) == (data, ".nii")
    again = parts.submit(sample.id, data=data, region=region)
    assert (again.created, again.label.id) == (False, given.label.id)


def test_a_label_without_region_is_of_the_whole_image(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    region = Region((0, 0, 0), sample_part(sample))
    partial = parts.submit(sample.id, data=drawn(parts, 1), region=region).label
    whole = parts.submit(sample.id, data=drawn(parts, 1)).label
    assert (whole.id != partial.id, whole.regions, whole.region) == (True, None, None)
    assert parts.samples.get("liver", sample.id).state == "labelled"
    # A part of a whole label is a correction: it stays whole.
    corrected = parts.submit(sample.id, data=drawn(parts, 0), region=region).label
    assert corrected.regions is None
    assert parts.samples.get("liver", sample.id).state == "labelled"


def test_rejecting_a_part_brings_back_what_was_before(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    one, two = Region((0, 0, 0), (1, 1, 1)), Region((1, 1, 1), (2, 2, 2))
    first = parts.submit(sample.id, data=drawn(parts, 1), region=one).label
    second = parts.submit(sample.id, data=drawn(parts, 1), region=two).label
    assert len(second.regions) == 2
    parts.labels.review(second.id, "rejected", "ann")
    assert parts.samples.get("liver", sample.id).label_id == first.id


def test_what_cannot_be_a_part_is_refused_and_changes_nothing(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    off = Region((0, 0, 0), tuple(n + 1 for n in sample.shape))
    with pytest.raises(InvalidRequest, match="does not lie on sample"):
        parts.submit(sample.id, data=drawn(parts, 1), region=off)
    region = Region((0, 0, 0), (1, 1, 1))
    with pytest.raises(InvalidRequest, match="draft"):
        parts.submit(sample.id, data=drawn(parts, 1), region=region, state="draft")
    assert parts.labels.list("liver", sample.id) == []


def test_an_app_that_does_not_know_parts_gets_none(house: Any) -> None:
    house.project(validation_share=0)
    (sample,) = house.volumes(1)
    with pytest.raises(Conflict, match="does not learn from parts"):
        house.submit(sample.id, region=Region((0, 0, 0), (1, 1, 1)))


def test_nnunet_is_told_what_is_not_labelled_and_others_leave_it_out(parts: Any) -> None:
    (sample,) = parts.volumes(1)
    region = Region((0, 0, 0), sample_part(sample))
    parts.submit(sample.id, data=drawn(parts, 1), region=region)
    with exported(parts, "nnunet") as archive:
        labels = json.loads(archive.read("dataset.json"))["labels"]
        assert labels["ignore"] == max(labels.values())
    with exported(parts, "msd") as archive:
        assert "only parts" in archive.read("skipped.txt").decode()


def test_a_drawn_box_is_free_while_there_is_room_and_adds_something_after() -> None:
    labelled = [Region((0, 0), (10, 4)), Region((0, 6), (10, 10))]
    box = chosen((3, 2), (10, 10), labelled, seed=1)
    assert (box.start[1], box.stop[1]) == (4, 6)
    tight = chosen((10, 4), (10, 10), labelled, seed=1)
    assert tight.overlaps(Region((0, 4), (10, 6)))
    assert chosen((3, 2), (10, 10), labelled, seed=1) == box


def sample_part(sample: Any) -> tuple[int, ...]:
    return tuple(max(1, n - 1) for n in sample.shape)


def exported(house: Any, layout: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(house.exports.stream("liver", layout))))
