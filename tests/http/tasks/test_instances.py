"""Separate objects through the same routes: labels, training, predictions, what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

pytestmark = pytest.mark.live


def class_map(name: str, numbered: Callable[[str], np.ndarray]) -> np.ndarray:
    """The map of a project of several classes: class value times a thousand, plus a number."""
    objects = numbered(name)
    values = np.where(objects % 2 == 1, 1000, 2000)
    return np.where(objects == 0, 0, values + objects).astype(np.uint16)


def coco(shape: tuple[int, int], objects: list[tuple[str, dict[str, Any]]]) -> bytes:
    """A COCO document of one image."""
    names = sorted({name for name, _ in objects} | {"dark", "bright"})
    ids = {name: number for number, name in enumerate(names, start=1)}
    annotations = [
        {"id": number, "image_id": 1, "category_id": ids[name], "iscrowd": 0, **fields}
        for number, (name, fields) in enumerate(objects, start=1)
    ]
    document = {
        "images": [{"id": 1, "height": shape[0], "width": shape[1], "file_name": "x.png"}],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": annotations,
    }
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def trained(make_pictures: Any, tools: Any) -> Any:
    """A project whose model has learnt both classes of objects."""
    project = make_pictures("tiny-instances", 8)
    for sample in project.samples()[:5]:
        content = tools.png(class_map(sample["name"], tools.numbered))
        assert project.submit(sample["id"], content, "map.png").status_code == 201
    job = project.train()
    assert job["result"]["outcome"] == "promoted"
    return project


def test_the_loop_turns_for_instances(trained: Any) -> None:
    project = trained.get()
    assert project["task"] == "instances"
    assert project["model_version"] == 1
    version = trained.http.get(f"{trained.url}/models/1").json()
    assert version["metrics"]["measure"] == "pq"
    assert version["metrics"]["score"] > 0.9
    lent = trained.http.post(f"{trained.url}/next", json={"annotator": "ann"}).json()["assignment"]
    assert lent["strategy"] == "entropy"
    assert lent["prediction"]["ready"]


# pycocotools is older than numpy 2 in one place.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_a_prediction_is_json_with_boxes_scores_and_masks(trained: Any, tools: Any) -> None:
    sample = trained.samples()[-1]
    answer = trained.predict(sample["id"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["limner-model-version"] == "1"
    found = answer.json()
    assert (found["task"], found["shape"]) == ("instances", list(tools.shape))
    truth = tools.numbered(sample["name"])
    assert len(found["instances"]) == truth.max()
    scores = [each["score"] for each in found["instances"]]
    assert scores == sorted(scores, reverse=True)
    for each in found["instances"]:
        mask = coco_mask.decode(each["mask"]).astype(bool)
        number = int(np.bincount(truth[mask]).argmax())
        expected = truth == number
        assert (mask & expected).sum() / (mask | expected).sum() > 0.8
        assert each["name"] == ("dark" if number % 2 else "bright")
        rows, columns = np.nonzero(mask)
        tight = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        assert each["box"] == pytest.approx(tight, abs=1)


def test_a_prediction_is_a_map_or_a_coco_data_set_where_asked(trained: Any, tools: Any) -> None:
    sample = trained.samples()[-1]
    picture = trained.predict(sample["id"], "image/png")
    assert picture.headers["content-type"] == "image/png"
    painted = np.asarray(PIL.Image.open(io.BytesIO(picture.content)))
    assert painted.shape == tools.shape
    assert set(np.unique(painted // 1000)) == {0, 1, 2}
    document = trained.predict(sample["id"], "application/vnd.coco+json")
    assert document.headers["content-type"] == "application/vnd.coco+json"
    found = document.json()
    assert {each["name"] for each in found["categories"]} == {"dark", "bright"}
    assert len(found["annotations"]) == len(trained.predict(sample["id"]).json()["instances"])
    refused = trained.predict(sample["id"], "text/html")
    assert refused.status_code == 406
    assert "application/vnd.coco+json" in refused.json()["detail"]


def test_a_prediction_handed_back_is_a_label(trained: Any) -> None:
    sample = trained.samples()[-2]
    for accept, name in (("application/vnd.coco+json", "label.json"), ("image/png", "label.png")):
        answer = trained.predict(sample["id"], accept)
        submitted = trained.submit(sample["id"], answer.content, name)
        assert submitted.status_code == 201, submitted.text
        label = submitted.json()["label"]
        stored = trained.http.get(f"/api/v1/labels/{label['id']}/content")
        assert stored.content == answer.content


def test_an_image_without_objects_is_a_label_and_is_trained_on(
    make_pictures: Any, tools: Any
) -> None:
    project = make_pictures("tiny-instances", 4)
    first, second, *_ = project.samples()
    empty = coco(tools.shape, [])
    assert project.submit(first["id"], empty, "empty.json").status_code == 201
    content = tools.png(class_map(second["name"], tools.numbered))
    assert project.submit(second["id"], content, "map.png").status_code == 201
    assert project.train()["result"]["labels"] == 2


def test_labels_that_are_boxes_or_overlap_are_taken(make_pictures: Any, tools: Any) -> None:
    project = make_pictures("tiny-instances", 2)
    whole = {"segmentation": {"size": list(tools.shape), "counts": [0, 480]}}
    objects: list[tuple[str, dict[str, Any]]] = [
        ("dark", {"bbox": [1, 2, 5, 6]}),
        ("dark", {"bbox": [0, 0, 20, 24], **whole}),
        ("bright", {"bbox": [0, 0, 20, 24], **whole}),
    ]
    sample = project.samples()[0]["id"]
    assert project.submit(sample, coco(tools.shape, objects), "boxes.json").status_code == 201
    (label,) = project.labels(sample)
    assert (label["state"], label["format"]) == ("submitted", ".json")


def test_pieces_of_one_object_are_noted_not_refused(make_pictures: Any, tools: Any) -> None:
    project = make_pictures("tiny-instances", 2)
    objects = np.zeros(tools.shape, np.uint16)
    objects[2, 2] = objects[9, 9] = 1001
    objects[20, 3] = 2007
    sample = project.samples()[0]["id"]
    answer = project.submit(sample, tools.png(objects), "pieces.png")
    assert answer.status_code == 201
    assert "pieces" in answer.json()["label"]["note"]


def bad_labels(shape: tuple[int, int]) -> dict[str, tuple[bytes, str, str]]:
    """Content, file name and a word of the refusal, by what is wrong."""
    inside = {"bbox": [1, 1, 3, 3]}
    return {
        "unknown category": (coco(shape, [("odd", inside)]), "x.json", "odd"),
        "box outside": (coco(shape, [("dark", {"bbox": [15, 1, 30, 3]})]), "x.json", "not inside"),
        "empty box": (coco(shape, [("dark", {"bbox": [5, 5, 0, 3]})]), "x.json", "box"),
        "run lengths of another size": (
            coco(
                shape,
                [("dark", {**inside, "segmentation": {"size": [5, 5], "counts": [0, 25]}})],
            ),
            "x.json",
            "size",
        ),
        "run lengths that end early": (
            coco(
                shape,
                [("dark", {**inside, "segmentation": {"size": list(shape), "counts": [9, 9]}})],
            ),
            "x.json",
            "sum",
        ),
        "another image": (coco((9, 9), []), "x.json", "9"),
        "a crowd": (coco(shape, [("dark", {**inside, "iscrowd": 1})]), "x.json", "crowd"),
        "no JSON": (b"{", "x.json", "JSON"),
        "deep JSON": (b"[" * 100_000, "x.json", "x.json"),
        "a class": (b'{"classes": ["dark"]}', "x.json", "COCO"),
        "no format": (b"", "x.txt", "format"),
        "not a number": (
            coco(shape, [("dark", {"bbox": [float("nan"), 1, 3, 3]})]),
            "x.json",
            "x.json",
        ),
    }


@pytest.mark.parametrize("what", sorted(bad_labels((24, 20))))
def test_a_label_that_cannot_be_is_refused_and_changes_nothing(
    what: str, refusing: Any, tools: Any
) -> None:
    content, name, word = bad_labels(tools.shape)[what]
    sample = refusing.samples()[0]["id"]
    answer = refusing.submit(sample, content, name)
    assert answer.status_code in {415, 422}, answer.text
    assert word.lower() in answer.json()["detail"].lower()
    assert refusing.labels(sample) == []
    assert refusing.get()["counts"]["labelled"] == 0


@pytest.fixture(scope="module")
def refusing(make_pictures: Any) -> Any:
    """A project that is only ever given what it must refuse."""
    return make_pictures("tiny-instances", 1)


def test_maps_of_several_classes_must_name_a_class_in_every_value(
    refusing: Any, tools: Any
) -> None:
    objects = np.zeros(tools.shape, np.uint16)
    objects[3:6, 3:6] = 5
    sample = refusing.samples()[0]["id"]
    answer = refusing.submit(sample, tools.png(objects), "plain.png")
    assert answer.status_code == 422
    assert "1000" in answer.json()["detail"]


def test_a_project_of_one_class_takes_plain_numbers(make_pictures: Any, tools: Any) -> None:
    project = make_pictures("tiny-instances", 2, labels=("cell",))
    objects = np.zeros(tools.shape, np.uint16)
    objects[2:5, 2:5], objects[10:15, 4:9] = 65_535, 7
    sample = project.samples()[0]["id"]
    assert project.submit(sample, tools.png(objects), "map.png").status_code == 201
    assert project.train()["result"]["outcome"] in {"promoted", "refused"}


def test_an_app_that_cannot_explain_says_so(trained: Any) -> None:
    answer = trained.predict(trained.samples()[0]["id"], explain="dark")
    assert answer.status_code == 409
    assert "cannot explain" in answer.json()["detail"]
