"""Instance maps: any numbering, any shape of object, on the image's own grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from limner.errors import (
    GeometryMismatch,
    ImageTooLarge,
    InvalidLabelValues,
    UnreadableImage,
    UnsupportedFormat,
)
from limner.images import (
    Header,
    decode_answer,
    encode_answer,
    encode_mask,
    label_oddities,
    read_header,
    read_label,
)
from limner.plugin import (
    Affine,
    Instances,
    LabelClass,
    LabelSchema,
    Mask,
    Task,
    no_instances,
    window,
)
from limner.settings import Limits

ONE = LabelSchema.of("nucleus")
TWO = LabelSchema.of("round", "spindle")
WriteMap = Callable[..., Path]


def schema_of(*values: int) -> LabelSchema:
    classes = tuple(LabelClass(name=f"c{value}", value=value) for value in values)
    return LabelSchema(classes=classes)


@pytest.fixture
def write_map(tmp_path: Path, picture_header: Callable[..., Header]) -> WriteMap:
    def write(array: npt.ArrayLike, name: str = "map.png") -> Path:
        values = np.asarray(array)
        path = tmp_path / name
        mask = Mask(array=values, spacing=(1.0, 1.0))
        path.write_bytes(encode_mask(mask, picture_header(values.shape), path.suffix))
        return path

    return write


@pytest.fixture
def read_map(picture_header: Callable[..., Header], limits: Limits) -> Callable[..., Instances]:
    def read(path: Path, shape: Sequence[int], schema: LabelSchema = ONE) -> Instances:
        header = picture_header(tuple(shape))
        found = read_label(path, path.suffix, header, schema, Task.INSTANCES, limits)
        assert isinstance(found, Instances)
        return found

    return read


def repainted(instances: Instances, shape: Sequence[int]) -> npt.NDArray[Any]:
    painted = np.zeros(tuple(shape), np.int64)
    for row, (box, mask) in enumerate(zip(instances.boxes, instances.masks, strict=True), start=1):
        assert mask is not None
        painted[window(box)][mask] = row
    return painted


def test_numbers_may_jump_and_objects_come_in_their_order(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    array = np.zeros((4, 6), np.uint16)
    array[0, 0], array[1:3, 2:5], array[3, 5] = 65535, 7, 300
    found = read_map(write_map(array), array.shape, schema_of(9))
    assert found.boxes.tolist() == [[1, 2, 3, 5], [3, 5, 4, 6], [0, 0, 1, 1]]
    assert found.classes.tolist() == [9, 9, 9]
    assert found.scores.tolist() == [1, 1, 1]
    assert [None if mask is None else mask.shape for mask in found.masks] == [
        (2, 3),
        (1, 1),
        (1, 1),
    ]


def test_holes_single_pixels_and_pieces_are_kept_and_pieces_noted(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    array = np.zeros((9, 9), np.uint8)
    array[1:4, 1:4], array[2, 2] = 1, 0
    array[6, 6] = 2
    array[0, 8] = array[8, 0] = 3
    found = read_map(write_map(array), array.shape)
    assert np.array_equal(repainted(found, array.shape), array)
    assert label_oddities(found) == "instance 3 is in several pieces"


def test_an_image_without_any_object_is_a_label(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    for schema in (ONE, TWO):
        found = read_map(write_map(np.zeros((3, 4), np.uint8)), (3, 4), schema)
        assert found.boxes.shape == (0, 4)
        assert found.masks == ()
        assert label_oddities(found) == ""


def test_with_several_classes_the_thousands_say_the_class(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    array = np.zeros((3, 4), np.uint16)
    array[0, 0], array[1, 1], array[2, 2] = 2000, 1999, 1003
    found = read_map(write_map(array), array.shape, TWO)
    assert found.classes.tolist() == [1, 1, 2]
    assert found.boxes[:, 0].tolist() == [2, 1, 0]


@pytest.mark.parametrize("number", [1, 2, 999, 3000, 65535])
def test_numbers_of_no_class_are_refused_with_the_convention(
    number: int, write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    array = np.full((3, 4), number, np.uint16)
    words = rf"numbers {number}, which belong to no class.*× 1000.*1 round, 2 spindle.*COCO"
    with pytest.raises(InvalidLabelValues, match=words):
        read_map(write_map(array), array.shape, TWO)


def test_a_map_of_another_shape_or_place_is_refused(
    write_map: WriteMap,
    read_map: Callable[..., Instances],
    write_volume: Callable[..., Path],
    volume_header: Callable[..., Header],
    oblique: Affine,
    limits: Limits,
) -> None:
    with pytest.raises(GeometryMismatch, match=r"shape \(3, 4\), its image \(4, 3\)"):
        read_map(write_map(np.ones((3, 4), np.uint8)), (4, 3))
    moved = oblique.copy()
    moved[:3, 3] += 5
    path = write_volume(np.ones((3, 4, 5), np.uint8), moved, ".nii.gz")
    header = volume_header((3, 4, 5))
    with pytest.raises(GeometryMismatch, match="affine"):
        read_label(path, ".nii.gz", header, ONE, Task.INSTANCES, limits)


@pytest.mark.parametrize("value", [-1.0, 0.5, 70_000.0])
def test_values_that_number_nothing_are_refused(
    value: float,
    write_volume: Callable[..., Path],
    volume_header: Callable[..., Header],
    oblique: Affine,
    limits: Limits,
) -> None:
    path = write_volume(np.full((3, 4, 5), value, np.float32), oblique, ".nii.gz")
    with pytest.raises(InvalidLabelValues, match="whole number"):
        read_label(path, ".nii.gz", volume_header((3, 4, 5)), ONE, Task.INSTANCES, limits)


def test_a_cut_off_map_is_unreadable(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    path = write_map(np.arange(300, dtype=np.uint16).reshape(15, 20))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnreadableImage):
        read_map(path, (15, 20))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_volume_comes_back_on_its_image(
    suffix: str, tmp_path: Path, volume_header: Callable[..., Header], limits: Limits
) -> None:
    header = volume_header((6, 5, 4))
    boxes = np.array([[0, 0, 0, 2, 2, 2], [3, 1, 2, 6, 5, 4]], np.float32)
    masks = (np.ones((2, 2, 2), np.bool_), np.ones((3, 4, 2), np.bool_))
    given = Instances(
        boxes=boxes, masks=masks, classes=np.array([2, 1]), scores=np.ones(2, np.float32)
    )
    path = tmp_path / f"map{suffix}"
    path.write_bytes(encode_answer(given, header, TWO, suffix))
    found = decode_answer(path, suffix, header, TWO, Task.INSTANCES, limits)
    assert isinstance(found, Instances)
    assert found.classes.tolist() == [1, 2]
    assert found.boxes.tolist() == boxes[::-1].tolist()


small_maps = arrays.arrays(
    np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 5)
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    array=small_maps,
    schema=st.sampled_from([ONE, TWO]),
    suffix=st.sampled_from([".png", ".tif"]),
)
def test_what_is_written_reads_back(
    write_map: WriteMap,
    read_map: Callable[..., Instances],
    picture_header: Callable[..., Header],
    tmp_path: Path,
    array: npt.NDArray[np.uint16],
    schema: LabelSchema,
    suffix: str,
) -> None:
    numbers = array
    if schema is TWO:
        numbers = np.where(array, array + 1000 * (1 + array % 2), 0).astype(np.uint16)
    first = read_map(write_map(numbers), array.shape, schema)
    path = tmp_path / f"again{suffix}"
    path.write_bytes(encode_answer(first, picture_header(array.shape), schema, suffix))
    again = read_map(path, array.shape, schema)
    assert np.array_equal(repainted(again, array.shape), repainted(first, array.shape))
    assert again.classes.tolist() == first.classes.tolist()


def test_the_likelier_lies_on_top_and_boxes_are_filled(
    read_map: Callable[..., Instances], picture_header: Callable[..., Header], tmp_path: Path
) -> None:
    given = Instances(
        boxes=np.array([[0, 0, 3, 3], [1, 1, 4, 4]], np.float32),
        masks=(np.ones((3, 3), np.bool_), None),
        classes=np.array([1, 1]),
        scores=np.array([0.9, 0.4], np.float32),
    )
    path = tmp_path / "map.png"
    path.write_bytes(encode_answer(given, picture_header((4, 4)), ONE, ".png"))
    painted = repainted(read_map(path, (4, 4)), (4, 4))
    assert painted.tolist() == [[1, 1, 1, 0], [1, 1, 1, 2], [1, 1, 1, 2], [0, 2, 2, 2]]


def many(count: int, value: int) -> Instances:
    at = np.arange(count, dtype=np.float32)
    zero = np.zeros(count, np.float32)
    return Instances(
        boxes=np.stack([zero, at, zero + 1, at + 1], axis=1),
        masks=(np.ones((1, 1), np.bool_),) * count,
        classes=np.full(count, value, np.int64),
        scores=np.ones(count, np.float32),
    )


@pytest.mark.parametrize(("count", "value"), [(1001, 1), (1, 66), (537, 65)])
def test_what_no_map_can_tell_is_said_to_need_coco(
    count: int, value: int, picture_header: Callable[..., Header]
) -> None:
    schema = schema_of(1, 65, 66)
    with pytest.raises(UnsupportedFormat, match="COCO"):
        encode_answer(many(count, value), picture_header((1, 2000)), schema, ".png")


def test_a_thousand_of_a_class_and_class_65_can_be_told(
    read_map: Callable[..., Instances], picture_header: Callable[..., Header], tmp_path: Path
) -> None:
    schema = schema_of(1, 65, 66)
    path = tmp_path / "map.png"
    for count, value in ((1000, 1), (536, 65)):
        data = encode_answer(many(count, value), picture_header((1, 2000)), schema, ".png")
        path.write_bytes(data)
        assert read_map(path, (1, 2000), schema).classes.tolist() == [value] * count


def test_no_object_makes_an_empty_map(
    read_map: Callable[..., Instances], picture_header: Callable[..., Header], tmp_path: Path
) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(encode_answer(no_instances(2), picture_header((3, 4)), TWO, ".png"))
    assert len(read_map(path, (3, 4), TWO).boxes) == 0


def test_all_numbers_there_are_take_seconds(
    write_map: WriteMap, read_map: Callable[..., Instances]
) -> None:
    array = np.zeros(1388 * 1040, np.uint16)
    numbers = np.random.default_rng(1).permutation(np.arange(1, 65_536))
    array[: 65_535 * 20 : 20] = numbers
    array[1 : 65_535 * 20 : 20] = numbers
    path = write_map(array.reshape(1388, 1040))
    began = time.monotonic()
    found = read_map(path, (1388, 1040))
    assert len(found.boxes) == 65_535
    assert label_oddities(found) == ""
    assert time.monotonic() - began < 20


def test_objects_scattered_all_over_are_refused_before_they_take_memory(
    write_map: WriteMap, picture_header: Callable[..., Header]
) -> None:
    array = np.random.default_rng(2).integers(0, 65_536, (600, 600)).astype(np.uint16)
    path = write_map(array)
    header = picture_header((600, 600))
    with pytest.raises(ImageTooLarge, match="scattered"):
        read_label(path, ".png", header, ONE, Task.INSTANCES, Limits(max_voxels=10_000_000))


def test_real_nuclei_are_found_as_they_were_numbered(data_dir: Path, limits: Limits) -> None:
    checked = 0
    for path in sorted((data_dir / "nuclei" / "labels").glob("*.png"))[::40]:
        header = read_header(path, limits)
        found = read_label(path, ".png", header, ONE, Task.INSTANCES, limits)
        assert isinstance(found, Instances)
        stored = imagecodecs.png_decode(path.read_bytes())
        _, order = np.unique(stored, return_inverse=True)
        assert np.array_equal(repainted(found, header.shape), order.reshape(stored.shape))
        checked += len(found.boxes)
    assert checked > 100
