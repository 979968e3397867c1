"""Label files that are broken or mean: each is refused in words, none crashes or hangs."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.errors import (
    GeometryMismatch,
    ImageError,
    ImageTooLarge,
    InvalidLabelValues,
    UnreadableImage,
    UnsupportedFormat,
)
from limner.images import Header, read_label
from limner.plugin import Answer, LabelSchema, Task
from limner.settings import Limits

SCHEMA = LabelSchema.of("cell")
BOX = {"bbox": [1, 1, 2, 2]}
SIZE = [20, 30]
POLYGON = [4.0, 2, 14, 2, 14, 7]

Give = Callable[..., Answer]


def annotation(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 5, "category_id": 2, "iscrowd": 0} | changes


def document(*annotations: Any, **changes: Any) -> dict[str, Any]:
    whole = {
        "images": [{"id": 5, "width": 30, "height": 20, "file_name": "a.png"}],
        "categories": [{"id": 2, "name": "cell"}, {"id": 3, "name": "debris"}],
        "annotations": list(annotations),
    }
    return whole | changes


def image(**changes: Any) -> dict[str, Any]:
    return {"id": 5, "width": 30, "height": 20} | changes


@pytest.fixture
def give(tmp_path: Path, picture_header: Callable[..., Header]) -> Give:
    """Give bytes or a document as the label of a picture of 20 rows and 30 columns."""

    def give(content: Any, *, task: Task = Task.INSTANCES, limits: Limits | None = None) -> Answer:
        path = tmp_path / "label.json"
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(data)
        header = picture_header((20, 30))
        return read_label(path, ".json", header, SCHEMA, task, limits or Limits())

    return give


@pytest.mark.parametrize("task", [Task.INSTANCES, Task.CLASSIFICATION])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"{", "not JSON: .* line 1"),
        (b"\xff\xfe{}", "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not text in UTF-8"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"classes":' * 200_000, "nested too deep"),
        (b'{"classes": [], "classes": []}', "key 'classes' twice"),
        (b'{"annotations": [NaN]}', "NaN is no number"),
        (b'{"annotations": [-Infinity]}', "-Infinity is no number"),
        (b'{"annotations": [1e999]}', "number 1e999 is too large"),
        (b'{"annotations": [' + b"9" * 5000 + b"]}", "has 5000 digits"),
        (b"[1, 2]", "is no"),
        (b"null", "is no"),
        (b'"text"', "is no"),
        (b"{} {}", "Extra data"),
    ],
)
def test_no_json_and_json_that_nobody_means(data: bytes, said: str, task: Task, give: Give) -> None:
    with pytest.raises(UnreadableImage, match=said):
        give(data, task=task)


def test_a_mark_of_byte_order_is_skipped(give: Give) -> None:
    give(b"\xef\xbb\xbf" + json.dumps(document()).encode())


def test_a_file_over_the_limits_is_not_read(give: Give) -> None:
    with pytest.raises(ImageTooLarge, match="max_file_bytes"):
        give(document(), limits=Limits(max_file_bytes=10))


def test_a_huge_label_is_refused_by_its_size(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    path = tmp_path / "label.json"
    path.touch()
    os.truncate(path, 70 * 2**20)
    with pytest.raises(ImageTooLarge, match="at most 67,108,864"):
        read_label(path, ".json", picture_header((20, 30)), SCHEMA, Task.INSTANCES, limits)
    with pytest.raises(ImageTooLarge, match="at most 4,194,304"):
        read_label(path, ".json", picture_header((20, 30)), SCHEMA, Task.CLASSIFICATION, limits)


def test_what_is_no_file_is_refused(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, tmp_path / "absent.json"):
        with pytest.raises(UnreadableImage):
            read_label(path, ".json", picture_header((20, 30)), SCHEMA, Task.INSTANCES, limits)


@pytest.mark.parametrize(
    ("whole", "error", "said"),
    [
        ({}, UnreadableImage, "images is null"),
        (document(images={}), UnreadableImage, "images is an object"),
        (document(images=[1]), UnreadableImage, "images is a list of 1"),
        (document(categories=None), UnreadableImage, "categories is null"),
        (document(annotations="no"), UnreadableImage, "annotations is 'no'"),
        (document(images=[image(), image()]), UnreadableImage, "two images have the same id"),
        (document(images=[image(id=True)]), UnreadableImage, "id true, no number"),
        (document(images=[image(id=[[]])]), UnreadableImage, "id a list of 1"),
        (document(categories=[{"id": 2, "name": 5}]), UnreadableImage, "called 5"),
        (
            document(categories=[{"id": 2, "name": "cell"}, {"id": 2, "name": "b"}]),
            UnreadableImage,
            "two categories",
        ),
        (document(images=[]), InvalidLabelValues, "about no images"),
        (document(images=[image(), image(id=6)]), InvalidLabelValues, "about 2 images"),
        (
            document(
                annotation(**BOX),
                annotation(**BOX, image_id=6) | {"image_id": 6},
                images=[image(), image(id=6)],
            ),
            InvalidLabelValues,
            "about 2 images",
        ),
        (document(images=[image(width=20, height=30)]), GeometryMismatch, "image is 30 × 20"),
        (document(images=[image(width=30.0)]), GeometryMismatch, "30.0 × 20 pixels"),
        (document(images=[{"id": 5}]), GeometryMismatch, "null × null pixels"),
    ],
)
def test_tables_that_do_not_fit_together(
    whole: Any, error: type[ImageError], said: str, give: Give
) -> None:
    with pytest.raises(error, match=said):
        give(whole)


def rle(counts: Any, size: Any = SIZE) -> dict[str, Any]:
    return annotation(segmentation={"size": size, "counts": counts})


@pytest.mark.parametrize(
    ("bad", "error", "said"),
    [
        (annotation(**BOX, category_id=3) | {"category_id": 3}, InvalidLabelValues, "'debris', wh"),
        (annotation(**BOX) | {"category_id": 8}, InvalidLabelValues, "category 8, which is not"),
        (annotation(**BOX) | {"category_id": [1]}, InvalidLabelValues, "category a list of 1"),
        (annotation(**BOX) | {"image_id": 9}, InvalidLabelValues, "image 9, which is not"),
        (annotation(**BOX) | {"image_id": {}}, InvalidLabelValues, "image an object"),
        (annotation(**BOX) | {"iscrowd": 1}, InvalidLabelValues, "crowd .* no instance"),
        (annotation(**BOX) | {"iscrowd": "1"}, InvalidLabelValues, "iscrowd '1'"),
        (annotation(**BOX, score=1.5), InvalidLabelValues, "score 1.5"),
        (annotation(**BOX, score=True), InvalidLabelValues, "score true"),
        (annotation(), InvalidLabelValues, "neither a segmentation nor a bbox"),
        (annotation(segmentation=[]), InvalidLabelValues, "neither"),
        (annotation(bbox=[1, 1, 0, 5]), InvalidLabelValues, "empty"),
        (annotation(bbox=[1, 1, 5, -2]), InvalidLabelValues, "empty"),
        (annotation(bbox=[1, 1, 2]), InvalidLabelValues, "a list of 3, not a list of 4"),
        (annotation(bbox=[1, 1, 2, True]), InvalidLabelValues, "holds true, no number"),
        (annotation(bbox=[1, 1, "2", 2]), InvalidLabelValues, "holds '2'"),
        (annotation(bbox={}), InvalidLabelValues, "bbox is an object"),
        (annotation(bbox=[25, 1, 10, 2]), GeometryMismatch, r"\[25, 1, 10, 2\].* 30 × 20"),
        (annotation(bbox=[-9, 1, 12, 2]), GeometryMismatch, "not inside"),
        (annotation(bbox=[30, 1, 1, 2]), GeometryMismatch, "not inside"),
        (annotation(bbox=[1e17, 1, 1e17, 2]), GeometryMismatch, "not inside"),
        (annotation(bbox=[1, 1, 1e-300, 2]), GeometryMismatch, "not inside"),
        (annotation(segmentation=POLYGON), InvalidLabelValues, "polygon is 4.0, not a list"),
        (annotation(segmentation=[[1, 1, 2, 2]]), InvalidLabelValues, "polygon of 4 numbers"),
        (annotation(segmentation=[[*POLYGON, 1]]), InvalidLabelValues, "polygon of 7 numbers"),
        (annotation(segmentation=[[]]), InvalidLabelValues, "polygon of 0 numbers"),
        (annotation(segmentation=[[*POLYGON, 1, None]]), InvalidLabelValues, "holds null"),
        (annotation(segmentation=[[*POLYGON, 1, [1]]]), InvalidLabelValues, "holds a list"),
        (annotation(segmentation=[POLYGON, [*POLYGON, 50, 2]]), GeometryMismatch, "x 4 to 50"),
        (annotation(segmentation=[[*POLYGON, 5, -2]]), GeometryMismatch, "y -2 to 7"),
        (annotation(segmentation=[[3] * 6]), InvalidLabelValues, "covers no pixel"),
        (annotation(segmentation="RLE"), InvalidLabelValues, "segmentation is 'RLE'"),
        (annotation(segmentation=7), InvalidLabelValues, "segmentation is 7"),
        (annotation(segmentation={}), InvalidLabelValues, "size of its run lengths is null"),
        (rle([600], [30, 20]), GeometryMismatch, r"\[30, 20\] \(height, width\)"),
        (rle([600], [20]), InvalidLabelValues, "a list of 1, not"),
        (rle([600], [20, 30.0]), InvalidLabelValues, "a list of 2, not"),
        (rle([600], [20, True]), InvalidLabelValues, "a list of 2, not"),
        (rle([600]), InvalidLabelValues, "covers no pixel"),
        (rle([300, 299]), InvalidLabelValues, "sum to 599, not to the 600"),
        (rle([300, 301]), InvalidLabelValues, "sum to 601"),
        (rle([700, -100]), InvalidLabelValues, "negative count"),
        (rle([10**18] * 30), InvalidLabelValues, "sum to 30,000,000,000,000,000,000"),
        (rle([300, 300.0]), InvalidLabelValues, "list of 2, neither"),
        (rle([300, True]), InvalidLabelValues, "list of 2, neither"),
        (rle(None), InvalidLabelValues, "counts are null"),
        (rle(""), InvalidLabelValues, "sum to 0"),
        (rle("ü"), InvalidLabelValues, "no packed run lengths"),
        (rle("`" * 40 + "0"), InvalidLabelValues, "35 bits"),
        (rle("P"), InvalidLabelValues, "cut off"),
        (rle("~"), InvalidLabelValues, "characters"),
        (rle("0" * 5000), InvalidLabelValues, "no packed run lengths"),
    ],
)
def test_annotations_that_tell_no_object_of_the_image(
    bad: dict[str, Any], error: type[ImageError], said: str, give: Give
) -> None:
    with pytest.raises(error, match=said):
        give(document(annotation(**BOX), bad))


def test_the_annotation_at_fault_is_named(give: Give) -> None:
    bad = annotation(**BOX) | {"iscrowd": 1, "id": 77}
    with pytest.raises(InvalidLabelValues, match=r"label\.json: annotation 1 \(id 77\)"):
        give(document(annotation(**BOX), bad))


def test_too_many_objects_are_refused(give: Give) -> None:
    with pytest.raises(ImageTooLarge, match="65,536 annotations"):
        give(document(*[annotation(**BOX)] * 65_536))


def test_objects_that_would_fill_the_memory_are_refused(give: Give) -> None:
    corners = rle([0, 1, 598, 1])
    with pytest.raises(ImageTooLarge, match="scattered"):
        give(document(*[corners] * 20), limits=Limits(max_voxels=10_000))


def test_endless_outlines_are_refused_in_time(
    tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    side = 1_000
    zigzag = [0, 0, side, side, side, 0] * 301
    whole = document(*[annotation(segmentation=[zigzag])] * 1_000)
    whole["images"] = [image(width=side, height=side)]
    path = tmp_path / "label.json"
    path.write_text(json.dumps(whole))
    began = time.monotonic()
    with pytest.raises(ImageTooLarge, match="polygons so far"):
        read_label(path, ".json", picture_header((side, side)), SCHEMA, Task.INSTANCES, limits)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("found", "error", "said"),
    [
        ({"classes": ["cel"]}, InvalidLabelValues, "'cel', which the project has not.*'cell'"),
        ({"classes": ["\ud800"]}, InvalidLabelValues, "ud800"),
        ({"classes": []}, InvalidLabelValues, "0 classes"),
        ({"classes": ["cell", "cell"]}, InvalidLabelValues, "twice"),
        ({"classes": "cell"}, UnreadableImage, "no list of names"),
        ({"classes": [1]}, UnreadableImage, "no list of names"),
        ({"classes": [["cell"]]}, UnreadableImage, "no list of names"),
        ({"class": "cell"}, UnreadableImage, "is no label of a classification"),
        ({"classes": ["cell"], "note": "?"}, UnreadableImage, "has 'note' beside"),
        ({"classes": ["cell"], "probabilities": [1]}, UnreadableImage, "not one for each"),
        ({"classes": ["cell"], "probabilities": {"a": 1}}, UnreadableImage, "not one for each"),
        ({"classes": ["cell"], "probabilities": {"cell": 2}}, UnreadableImage, "probability is 2"),
        (
            {"classes": ["cell"], "probabilities": {"cell": True}},
            UnreadableImage,
            "probability is true",
        ),
    ],
)
def test_class_labels_that_name_no_class(
    found: Any, error: type[ImageError], said: str, give: Give
) -> None:
    with pytest.raises(error, match=said) as caught:
        give(found, task=Task.CLASSIFICATION)
    assert str(caught.value).encode()


@pytest.mark.parametrize("task", list(Task))
def test_a_label_of_another_task_is_refused(
    task: Task, tmp_path: Path, picture_header: Callable[..., Header], limits: Limits
) -> None:
    path = tmp_path / "label"
    path.write_bytes(b"x")
    wrong = {Task.SEGMENTATION: ".json", Task.INSTANCES: ".jpg", Task.CLASSIFICATION: ".png"}[task]
    with pytest.raises(UnsupportedFormat, match="cannot be given as"):
        read_label(path, wrong, picture_header((2, 2)), SCHEMA, task, limits)


SOUND = document(
    annotation(**BOX),
    annotation(segmentation=[POLYGON]),
    annotation(segmentation={"size": SIZE, "counts": [300, 300]}),
    annotation(segmentation={"size": SIZE, "counts": "`91m2e4"}),
)
strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**19), 10**19),
    st.floats(allow_nan=True),
    st.text(max_size=9),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just([[[1]]]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    if isinstance(value, dict | list):
        for key, each in inner:
            found += places(each, (*path, key)) if isinstance(each, dict | list) else [(*path, key)]
    return found


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.sampled_from(places(SOUND)[1:]), value=strange)
def test_any_strange_value_anywhere_is_refused_or_harmless(
    place: tuple[Any, ...], value: Any, give: Give
) -> None:
    whole = copy.deepcopy(SOUND)
    inner: Any = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with suppress(ImageError):
        give(whole)
