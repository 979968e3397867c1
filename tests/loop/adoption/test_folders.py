"""Adopting label files that are named like their images, and the names of folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

Make = Callable[..., Any]


def test_images_are_of_the_class_whose_folder_they_lie_in(
    house: Any, make: Make, seen: Any
) -> None:
    for name in ("cat/a.png", "dog/b.png", "deep/dog/c.png", "pool/d.png", "e.png"):
        house.picture(name)
    make("kinds", house.images)
    assert seen.classes() == {"cat/a": ["cat"], "dog/b": ["dog"], "deep/dog/c": ["dog"]}
    assert seen.labels()["cat/a"][0].adopted_from == str(house.images / "cat" / "a")
    assert list(seen.problems()) == ["pool"]
    assert "'pool', which is no class; the classes are cat, dog" in seen.problems()["pool"]
    assert house.ingest.sync("liver").adopted == 0


def test_only_images_below_the_named_folder_are_taken(house: Any, make: Make, seen: Any) -> None:
    house.picture("train/cat/a.png")
    house.picture("test/dog/b.png")
    make("kinds", house.images / "train")
    assert seen.classes() == {"train/cat/a": ["cat"]}
    assert len(house.samples.list("liver").items) == 2


def test_copies_of_images_may_be_sorted_elsewhere(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    house.picture("x/b.png")
    elsewhere = house.root / "sorted"
    for name in ("cat/a.png", "x/dog/b.png", "cow/c.png"):
        path = elsewhere / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    make("kinds", elsewhere)
    assert seen.classes() == {"a": ["cat"], "x/b": ["dog"]}
    assert list(seen.problems()) == ["cow"]
    (elsewhere / "dog").mkdir()
    os.rename(elsewhere / "cat" / "a.png", elsewhere / "dog" / "a.png")
    assert house.ingest.sync("liver").adopted == 1
    assert seen.classes()["a"] == ["dog"]


def test_a_label_file_goes_before_the_name_of_a_folder(house: Any, make: Make, seen: Any) -> None:
    house.picture("cat/a.png")
    house.picture("cat/b.png")
    (house.images / "cat" / "a.json").write_text('{"classes": ["dog"]}')
    make("kinds", house.images)
    assert seen.classes() == {"cat/a": ["dog"], "cat/b": ["cat"]}
    assert house.ingest.sync("liver").adopted == 0


def test_label_files_of_classes_are_json(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    finished = house.root / "finished"
    finished.mkdir()
    (finished / "a.json").write_text('{"classes": ["dog"]}')
    (finished / "b.json").write_text('{"classes": ["dog"]}')
    (finished / "notes.txt").write_text("none of ours")
    make("kinds", finished)
    assert seen.classes() == {"a": ["dog"]}
    assert list(seen.problems()) == ["b.json"]


def coco(*annotations: dict[str, Any]) -> str:
    """Return a COCO file of one picture of 20 rows and 30 columns."""
    return json.dumps(
        {
            "images": [{"id": 1, "width": 30, "height": 20, "file_name": "any"}],
            "categories": [{"id": 2, "name": "cat"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 2, **each} for each in annotations
            ],
        }
    )


def test_label_files_of_instances_are_maps_or_coco(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    house.picture("b.png")
    finished = house.root / "finished"
    finished.mkdir()
    numbered = np.zeros((20, 30), np.uint16)
    numbered[2, 3], numbered[5, 5] = 1004, 2000
    (finished / "a.png").write_bytes(imagecodecs.png_encode(numbered))
    (finished / "b.json").write_text(coco({"bbox": [1, 2, 3, 4]}))
    make("objects", finished)
    assert {name: each[0].format for name, each in seen.labels().items()} == {
        "a": ".png",
        "b": ".json",
    }
    assert seen.problems() == {}


def test_coco_files_may_lie_beside_their_images(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    (house.images / "a.json").write_text(coco())
    make("objects", house.images)
    assert [each.name for each in house.samples.list("liver").items] == ["a"]
    assert list(seen.labels()) == ["a"]
