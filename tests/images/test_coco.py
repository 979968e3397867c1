"""COCO files of one image: what they say is what the loop gets, and what it writes they say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco
from pycocotools.coco import COCO

from limner.errors import UnsupportedFormat
from limner.images import Header, decode_answer, encode_answer, read_header, read_label
from limner.plugin import Instances, LabelClass, LabelSchema, Task, no_instances, window
from limner.settings import Limits

SCHEMA = LabelSchema(
    classes=(LabelClass(name="round", value=3), LabelClass(name="spindle", value=7))
)
SHAPE = (20, 30)


def document(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a sound COCO document of an image of 20 rows and 30 columns."""
    whole: dict[str, Any] = {
        "info": {"year": 2026},
        "images": [{"id": 5, "width": 30, "height": 20, "file_name": "a.png"}],
        "categories": [
            {"id": 1, "name": "spindle", "supercategory": "cell"},
            {"id": 2, "name": "round"},
            {"id": 90, "name": "toothbrush"},
        ],
        "annotations": [
            {"id": number, "image_id": 5, "category_id": 2, "iscrowd": 0} | each
            for number, each in enumerate(annotations)
        ],
    }
    return whole | changes


@pytest.fixture
def read(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> Callable[..., Instances]:
    """Read a document as a label of an image of 20 rows and 30 columns."""

    def read(whole: Any, *, keep_scores: bool = False) -> Instances:
        path = tmp_path / "label.json"
        path.write_text(json.dumps(whole))
        reader = decode_answer if keep_scores else read_label
        found = reader(path, ".json", picture_header(SHAPE), SCHEMA, Task.INSTANCES, limits)
        assert isinstance(found, Instances)
        return found

    return read


def test_rows_come_first_and_classes_by_name(read: Callable[..., Instances]) -> None:
    found = read(
        document(
            {"bbox": [4, 2, 10, 5], "category_id": 1},
            {"bbox": [0.5, 1.25, 3, 4], "segmentation": []},
        )
    )
    assert found.boxes.tolist() == [[2, 4, 7, 14], [1.25, 0.5, 5.25, 3.5]]
    assert found.classes.tolist() == [7, 3]
    assert found.masks == (None, None)
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_three_ways_to_tell_a_mask_are_one_mask(read: Callable[..., Instances]) -> None:
    polygon = [4.0, 2.0, 14.0, 2.0, 14.0, 7.0, 4.0, 7.0]
    (packed,) = coco.frPyObjects([polygon], *SHAPE)
    counts = [4 * 20 + 2] + [5, 15] * 9 + [5, 30 * 20 - (4 * 20 + 2) - 20 * 9 - 5]
    found = read(
        document(
            {"segmentation": [polygon]},
            {"segmentation": {"size": [20, 30], "counts": packed["counts"].decode()}},
            {"segmentation": {"size": [20, 30], "counts": counts}},
        )
    )
    assert found.boxes.tolist() == [[2, 4, 7, 14]] * 3
    for mask in found.masks:
        assert mask is not None
        assert mask.shape == (5, 10)
        assert mask.all()


def test_several_polygons_are_one_object(read: Callable[..., Instances]) -> None:
    left, right = [0, 0, 2, 0, 2, 2, 0, 2], [10, 5, 12, 5, 12, 8, 10, 8]
    found = read(document({"segmentation": [left, right]}))
    (mask,) = found.masks
    assert mask is not None
    assert found.boxes.tolist() == [[0, 0, 8, 12]]
    assert mask.sum() == 4 + 6


def test_the_box_of_a_mask_is_its_tight_one(read: Callable[..., Instances]) -> None:
    polygon = [4, 2, 14, 2, 14, 7, 4, 7]
    found = read(document({"segmentation": [polygon], "bbox": [0, 0, 30, 20]}))
    assert found.boxes.tolist() == [[2, 4, 7, 14]]


def test_what_sticks_out_by_a_pixel_is_cut_off(read: Callable[..., Instances]) -> None:
    polygon = [-0.5, -0.5, 30.5, -0.5, 30.5, 20.5, -0.5, 20.5]
    found = read(document({"bbox": [-0.5, -1, 31, 21.5]}, {"segmentation": [polygon]}))
    assert found.boxes.tolist() == [[0, 0, 20, 30]] * 2


def test_objects_may_overlap(read: Callable[..., Instances]) -> None:
    polygon = [4, 2, 14, 2, 14, 7, 4, 7]
    found = read(document(*[{"segmentation": [polygon]}] * 3))
    assert [int(mask.sum()) for mask in found.masks if mask is not None] == [50, 50, 50]


def test_no_annotation_is_an_image_without_objects(read: Callable[..., Instances]) -> None:
    found = read(document())
    assert (found.boxes.shape, found.masks) == ((0, 4), ())


def test_of_several_images_the_annotated_one_counts(read: Callable[..., Instances]) -> None:
    other = {"id": "b", "width": 1, "height": 1, "file_name": "b.png"}
    whole = document({"bbox": [0, 0, 2, 2]})
    whole["images"].append(other)
    assert len(read(whole).boxes) == 1


def test_scores_are_kept_in_predictions_and_1_in_labels(read: Callable[..., Instances]) -> None:
    whole = document({"bbox": [0, 0, 2, 2], "score": 0.25}, {"bbox": [0, 0, 2, 2]})
    assert read(whole).scores.tolist() == [1, 1]
    assert read(whole, keep_scores=True).scores.tolist() == [0.25, 1]


masks_in_boxes = st.tuples(
    st.integers(0, 12),
    st.integers(0, 20),
    arrays.arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 10))),
    st.sampled_from([3, 7]),
    st.integers(0, 1_000_000).map(lambda millionths: millionths / 1e6),
)


def instances_of(objects: list[Any]) -> Instances:
    boxes = [[top, left, top + m.shape[0], left + m.shape[1]] for top, left, m, _, _ in objects]
    return Instances(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        masks=tuple(mask for _, _, mask, _, _ in objects),
        classes=np.array([value for *_, value, _ in objects], np.int64),
        scores=np.array([score for *_, score in objects], np.float32),
    )


def painted(instances: Instances, row: int) -> Any:
    picture = np.zeros(SHAPE, np.bool_)
    mask = instances.masks[row]
    picture[window(instances.boxes[row])] = True if mask is None else mask
    return picture


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(objects=st.lists(masks_in_boxes, max_size=5))
def test_what_is_written_reads_back(
    objects: list[Any],
    tmp_path: Path,
    picture_header: Callable[..., Header],
    limits: Limits,
) -> None:
    told = instances_of(objects)
    header = picture_header(SHAPE)
    path = tmp_path / "answer.json"
    path.write_bytes(encode_answer(told, header, SCHEMA, ".json", file_name="ä.png"))
    back = decode_answer(path, ".json", header, SCHEMA, Task.INSTANCES, limits)
    assert isinstance(back, Instances)
    assert back.classes.tolist() == told.classes.tolist()
    np.testing.assert_allclose(back.scores, told.scores, atol=1e-6)
    for row, mask in enumerate(told.masks):
        assert mask is not None
        if mask.any():
            assert np.array_equal(painted(back, row), painted(told, row))
        else:
            assert back.masks[row] is None
            assert back.boxes[row].tolist() == told.boxes[row].tolist()
    again = encode_answer(back, header, SCHEMA, ".json", file_name="ä.png")
    path.write_bytes(again)
    twice = decode_answer(path, ".json", header, SCHEMA, Task.INSTANCES, limits)
    assert encode_answer(twice, header, SCHEMA, ".json", file_name="ä.png") == again


def test_boxes_of_fractions_come_back_and_never_vanish(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    boxes = np.array([[1.2345678, 2, 3, 4.5], [5, 6, 5.00001, 6.5]], np.float32)
    told = Instances(
        boxes=boxes, masks=(None, None), classes=np.array([3, 3]), scores=np.ones(2, np.float32)
    )
    path = tmp_path / "answer.json"
    path.write_bytes(encode_answer(told, picture_header(SHAPE), SCHEMA, ".json"))
    back = read_label(path, ".json", picture_header(SHAPE), SCHEMA, Task.INSTANCES, limits)
    assert isinstance(back, Instances)
    np.testing.assert_allclose(back.boxes, boxes, atol=1.1e-3)


def test_pycocotools_reads_what_is_written(
    tmp_path: Path, picture_header: Callable[..., Header], capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.eye(6, dtype=np.bool_)
    objects = [(2, 3, mask, 7, 1.0), (0, 0, np.ones((2, 5), np.bool_), 3, 1.0)]
    path = tmp_path / "label.json"
    header = picture_header(SHAPE)
    path.write_bytes(encode_answer(instances_of(objects), header, SCHEMA, ".json", file_name="a"))
    seen = COCO(str(path))
    assert "index created" in capsys.readouterr().out
    assert seen.loadImgs([1])[0]["file_name"] == "a"
    first, second = seen.loadAnns(seen.getAnnIds())
    assert coco.area(seen.annToRLE(first)) == first["area"] == 6
    assert coco.toBbox(seen.annToRLE(first)).tolist() == first["bbox"] == [3, 2, 6, 6]
    assert coco.area(seen.annToRLE(second)) == second["area"] == 10
    assert [each["name"] for each in seen.loadCats([3, 7])] == ["round", "spindle"]
    assert "score" not in first


def test_no_object_is_written_too(read: Callable[..., Instances], tmp_path: Path) -> None:
    header = Header(
        kind="picture", shape=SHAPE, channels=1, dtype="uint8", spacing=(1.0, 1.0), affine=None,
        format=".png", size_bytes=1, modified_ns=1,
    )  # fmt: skip
    whole = json.loads(encode_answer(no_instances(2), header, SCHEMA, ".json"))
    assert whole["annotations"] == []
    assert len(read(whole).boxes) == 0


def test_volumes_and_giant_pictures_have_no_coco(
    volume_header: Callable[..., Header], picture_header: Callable[..., Header], tmp_path: Path
) -> None:
    path = tmp_path / "label.json"
    path.write_text(json.dumps(document()))
    for header in (volume_header((3, 3, 3)), picture_header((1, 2**25))):
        with pytest.raises(UnsupportedFormat):
            encode_answer(no_instances(len(header.shape)), header, SCHEMA, ".json")
        with pytest.raises(UnsupportedFormat):
            read_label(path, ".json", header, SCHEMA, Task.INSTANCES, Limits())


@pytest.mark.slow
def test_the_most_objects_take_seconds(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    count = 65_535
    at = np.arange(count, dtype=np.float32) * 3
    boxes = np.stack([at // 1000, at % 1000, at // 1000 + 2, at % 1000 + 2], axis=1)
    told = Instances(
        boxes=boxes,
        masks=(np.ones((2, 2), np.bool_),) * count,
        classes=np.full(count, 3, np.int64),
        scores=np.ones(count, np.float32),
    )
    header = picture_header((1040, 1388))
    path = tmp_path / "label.json"
    began = time.monotonic()
    path.write_bytes(encode_answer(told, header, SCHEMA, ".json"))
    back = read_label(path, ".json", header, SCHEMA, Task.INSTANCES, limits)
    assert isinstance(back, Instances)
    assert np.array_equal(back.boxes, boxes)
    assert time.monotonic() - began < 60


def test_real_nuclei_survive_as_coco(data_dir: Path, tmp_path: Path, limits: Limits) -> None:
    schema = LabelSchema.of("nucleus")
    for path in sorted((data_dir / "nuclei" / "labels").glob("*.png"))[::60]:
        header = read_header(path, limits)
        told = read_label(path, ".png", header, schema, Task.INSTANCES, limits)
        file = tmp_path / "label.json"
        file.write_bytes(encode_answer(told, header, schema, ".json"))
        back = read_label(file, ".json", header, schema, Task.INSTANCES, limits)
        assert isinstance(told, Instances)
        assert isinstance(back, Instances)
        assert np.array_equal(back.boxes, told.boxes)
        for mask, before in zip(back.masks, told.masks, strict=True):
            assert mask is not None
            assert before is not None
            assert np.array_equal(mask, before)
