"""Scores of what a server sends, in every shape that it sends it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from limner.client import Predicted, Project
from limner.errors import GeometryMismatch
from limner.simulate.score import score_of

SHAPE = (6, 8)


def project(task: str, *names: str, **settings: Any) -> Project:
    labels = tuple({"name": name, "value": value} for value, name in enumerate(names, start=1))
    return Project(name="p", task=task, labels=labels, settings=settings)


def sent(
    data: bytes | bytearray | dict[str, Any], media_type: str = "application/json"
) -> Predicted:
    content = json.dumps(data).encode() if isinstance(data, dict) else bytes(data)
    return Predicted(data=content, media_type=media_type, model_version=1)


def run_lengths(mask: np.typing.NDArray[np.bool_]) -> dict[str, Any]:
    from pycocotools import mask as coco

    packed = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(packed["size"]), "counts": packed["counts"].decode()}


def square(row: int, column: int, side: int = 3) -> np.typing.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[row : row + side, column : column + side] = True
    return mask


def found(*objects: tuple[str, int, np.typing.NDArray[np.bool_]]) -> Predicted:
    entries = []
    for name, value, mask in objects:
        rows, columns = np.nonzero(mask)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        entries.append(
            {
                "name": name,
                "value": value,
                "score": 0.9,
                "box": [float(each) for each in box],
                "mask": run_lengths(mask),
            }
        )
    return sent({"task": "instances", "model_version": 1, "shape": SHAPE, "instances": entries})


def coco_file(path: Path, *objects: tuple[int, np.typing.NDArray[np.bool_]]) -> Path:
    document = {
        "images": [{"id": 1, "width": SHAPE[1], "height": SHAPE[0], "file_name": "p.png"}],
        "categories": [{"id": 1, "name": "round"}, {"id": 2, "name": "spindle"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": category,
                "bbox": [0, 0, 1, 1],
                "iscrowd": 0,
                "segmentation": run_lengths(mask),
            }
            for number, (category, mask) in enumerate(objects, start=1)
        ],
    }
    path.write_text(json.dumps(document))
    return path


def test_masks_are_scored_by_dice_whatever_file_they_come_as(tmp_path: Path) -> None:
    known, answer = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    known[1:3], answer[1:3] = 1, 1
    known[4], answer[4, :4] = 2, 2
    file = tmp_path / "known.png"
    file.write_bytes(imagecodecs.png_encode(known))
    score = score_of(project("segmentation", "a", "b"))
    assert score.measure == "Dice"
    for media_type, data in (
        ("image/png", imagecodecs.png_encode(answer)),
        ("image/tiff", imagecodecs.tiff_encode(answer)),
    ):
        assert score.of([(sent(data, media_type), file)]) == pytest.approx((1 + 2 / 3) / 2)


def test_objects_are_scored_by_panoptic_quality(tmp_path: Path) -> None:
    file = coco_file(tmp_path / "known.json", (1, square(0, 0)), (2, square(2, 4)))
    score = score_of(project("instances", "round", "spindle"))
    assert score.measure == "PQ"
    right = found(("round", 1, square(0, 0)), ("spindle", 2, square(2, 4)))
    swapped = found(("spindle", 2, square(0, 0)), ("round", 1, square(2, 4)))
    assert score.of([(right, file)]) == 1
    assert score.of([(right, file), (swapped, file)]) == 0.5


def test_an_answer_without_an_object_is_an_answer(tmp_path: Path) -> None:
    score = score_of(project("instances", "round", "spindle"))
    empty = coco_file(tmp_path / "empty.json")
    known = coco_file(tmp_path / "known.json", (1, square(0, 0)))
    assert score.of([(found(), empty)]) == 1
    assert score.of([(found(), known)]) == 0


def test_an_object_of_which_only_the_box_was_found_is_scored_by_it(tmp_path: Path) -> None:
    file = coco_file(tmp_path / "known.json", (1, square(0, 0)))
    entry = {"name": "round", "value": 1, "score": 1.0, "box": [0, 0, 3, 4], "mask": None}
    answer = sent({"task": "instances", "shape": SHAPE, "instances": [entry]})
    score = score_of(project("instances", "round", "spindle"))
    assert score.of([(answer, file)]) == pytest.approx(9 / 12)


def test_instance_maps_are_scored_like_other_answers(tmp_path: Path) -> None:
    painted = np.zeros(SHAPE, np.uint16)
    painted[square(0, 0)], painted[square(2, 4)] = 1, 2
    known = tmp_path / "known.png"
    known.write_bytes(imagecodecs.png_encode(painted))
    score = score_of(project("instances", "round"))
    answer = sent(imagecodecs.png_encode(painted), "image/png")
    assert score.of([(answer, known)]) == 1
    assert score.of([(found(("round", 1, square(0, 0))), known)]) == pytest.approx(1 / 1.5)


def test_an_answer_of_another_size_than_its_label_is_refused(tmp_path: Path) -> None:
    file = coco_file(tmp_path / "known.json", (1, square(0, 0)))
    other = sent({"task": "instances", "shape": [5, 5], "instances": []})
    with pytest.raises(GeometryMismatch):
        score_of(project("instances", "round", "spindle")).of([(other, file)])


def test_classes_are_scored_over_all_cases_together(tmp_path: Path) -> None:
    pairs = []
    for number, (true, answer) in enumerate([("a", "a"), ("a", "a"), ("a", "b"), ("b", "b")]):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps({"classes": [true]}))
        pairs.append((sent({"task": "classification", "classes": [answer]}), file))
    score = score_of(project("classification", "a", "b"))
    assert score.measure == "balanced accuracy"
    assert score.of(iter(pairs)) == pytest.approx((2 / 3 + 1) / 2)


def test_images_may_have_several_classes_where_the_project_says_so(tmp_path: Path) -> None:
    file, other = tmp_path / "both.json", tmp_path / "none.json"
    file.write_text(json.dumps({"classes": ["a", "b"]}))
    other.write_text(json.dumps({"classes": []}))
    score = score_of(project("classification", "a", "b", multi_label=True))
    answers = [sent({"classes": ["a"]}), sent({"classes": []})]
    assert score.of(list(zip(answers, (file, other), strict=True))) == pytest.approx(0.75)
