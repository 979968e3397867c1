"""Adopting instances from one COCO file of many images."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def coco(*images: dict[str, Any], annotations: Any = ()) -> dict[str, Any]:
    return {
        "images": [{"width": 30, "height": 20} | each for each in images],
        "categories": [
            {"id": 1, "name": "dog"},
            {"id": 2, "name": "cat"},
            {"id": 3, "name": "x"},
        ],
        "annotations": [
            {"id": number, "category_id": 2} | each for number, each in enumerate(annotations)
        ],
    }


def test_each_image_of_a_coco_file_gets_its_own_objects(house: Any, make: Make, seen: Any) -> None:
    for name in ("a.png", "train/b.png", "c.png"):
        house.picture(name)
    whole = coco(
        {"id": 10, "file_name": "a.png"},
        {"id": 11, "file_name": "images/b.jpg"},
        {"id": 12, "file_name": "c"},
        annotations=[
            {"image_id": 10, "bbox": [1, 2, 3, 4]},
            {"image_id": 11, "segmentation": [[1, 1, 9, 1, 9, 9]], "category_id": 1},
            {"image_id": 10, "bbox": [5, 6, 7, 8]},
        ],
    )
    path = house.root / "annotations.json"
    path.write_text(json.dumps(whole))
    make("objects", path)
    found = {name: seen.content(each[0]) for name, each in seen.labels().items()}
    assert {name: len(each["annotations"]) for name, each in found.items()} == {
        "a": 2,
        "train/b": 1,
        "c": 0,
    }
    assert found["train/b"]["categories"] == [{"id": 1, "name": "dog"}]
    assert seen.labels()["a"][0].adopted_from == f"{path}#a.png"
    assert seen.labels()["a"][0].format == ".json"
    assert house.ingest.sync("liver").adopted == 0
    assert seen.problems() == {}


def test_what_changes_in_one_image_touches_no_other(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    house.picture("b.png")
    whole = coco(
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "b.png"},
        annotations=[{"image_id": 1, "bbox": [1, 2, 3, 4]}],
    )
    path = house.root / "annotations.json"
    path.write_text(json.dumps(whole))
    make("objects", path)
    whole["annotations"].append({"id": 9, "image_id": 2, "category_id": 1, "bbox": [1, 1, 2, 2]})
    whole["info"] = {"version": 2}
    path.write_text(json.dumps(whole))
    assert house.ingest.sync("liver").adopted == 1
    assert [len(each) for each in seen.labels().values()] == [1, 2]


def test_images_of_a_coco_file_that_cannot_be_adopted_are_named(
    house: Any, make: Make, seen: Any
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        house.picture(name)
    whole = coco(
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "nobody.png"},
        {"id": 3},
        {"id": 4, "file_name": "b.png", "width": 31},
        {"id": 5, "file_name": "\ud800\0"},
        {"id": 6, "file_name": "c.png"},
        annotations=[
            {"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 3},
            {"image_id": 99, "bbox": [1, 2, 3, 4], "id": [[]]},
            {"image_id": 6, "bbox": [1, 2, 3, 4], "category_id": [2]},
        ],
    )
    path = house.root / "annotations.json"
    path.write_text(json.dumps(whole))
    make("objects", path)
    found = seen.problems()
    said = {
        "image 'a.png'": "'x', which the project has not",
        "image 'nobody.png'": "no image 'nobody'",
        "image 3": "no file_name",
        "image 'b.png'": "31 × 20 pixels",
        "image '\\ud800\\x00'": "without a name",
        "image 'c.png'": "category a list of 1",
        "annotation a list of 1": "image 99, which is not in the file",
    }
    assert {f"annotations.json, {place}" for place in said} == set(found)
    for place, words in said.items():
        assert words in found[f"annotations.json, {place}"]
    assert seen.labels() == {}


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"images": 5}', b"[]"])
def test_a_coco_file_that_is_none_is_one_problem(
    data: bytes, house: Any, make: Make, seen: Any
) -> None:
    house.picture("a.png")
    path = house.root / "annotations.json"
    path.write_bytes(data)
    make("objects", path)
    assert list(seen.problems()) == ["annotations.json"]
