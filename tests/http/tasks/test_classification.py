"""Classes of images through the same routes: labels, training, predictions, what is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def trained(make_pictures: Any, tools: Any) -> Any:
    """A project whose model tells dark pictures from bright ones."""
    project = make_pictures("tiny-classifier", 12)
    for sample in project.samples()[:8]:
        answer = project.submit_json(sample["id"], classes=[tools.class_of(sample["name"])])
        assert answer.status_code == 201, answer.text
    assert project.train()["result"]["outcome"] == "promoted"
    return project


def test_the_loop_turns_for_classes(trained: Any, tools: Any) -> None:
    assert trained.get()["task"] == "classification"
    for sample in trained.samples()[8:]:
        found = trained.predict(sample["id"]).json()
        assert found["task"] == "classification"
        assert found["model_version"] == 1
        assert found["classes"] == [tools.class_of(sample["name"])]
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    lent = trained.http.post(f"{trained.url}/next", json={"annotator": "ann"}).json()["assignment"]
    assert lent["strategy"] == "entropy"


@pytest.mark.parametrize("query", [{}, {"explain": "bright"}])
def test_a_map_of_what_speaks_for_a_class_is_an_image_of_the_images_size(
    trained: Any, tools: Any, query: dict[str, str]
) -> None:
    answer = trained.predict(trained.samples()[0]["id"], "image/png", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["limner-model-version"] == "1"
    assert np.asarray(PIL.Image.open(io.BytesIO(answer.content))).shape == tools.shape


def test_a_map_for_an_unknown_class_is_refused(trained: Any) -> None:
    answer = trained.predict(trained.samples()[0]["id"], explain="odd")
    assert answer.status_code == 422
    assert "dark, bright" in answer.json()["detail"]


def test_json_and_a_file_say_the_same(make_pictures: Any) -> None:
    project = make_pictures("tiny-classifier", 1)
    sample = project.samples()[0]["id"]
    first = project.submit_json(sample, classes=["dark"], seconds=2.5)
    assert first.status_code == 201
    label = first.json()["label"]
    stored = project.http.get(f"/api/v1/labels/{label['id']}/content")
    assert stored.headers["content-type"] == "application/json"
    assert stored.json() == {"classes": ["dark"]}
    assert project.submit_json(sample, classes=["dark"]).status_code == 200
    again = project.submit(sample, stored.content, "label.json")
    assert (again.status_code, again.json()["label"]["id"]) == (200, label["id"])
    corrected = project.submit(sample, b'{"classes": ["bright"]}', "label.json")
    assert corrected.status_code == 201
    assert [each["version"] for each in project.labels(sample)] == [2, 1]


def test_a_prediction_handed_back_is_a_label(trained: Any) -> None:
    sample = trained.samples()[-1]["id"]
    classes = trained.predict(sample).json()["classes"]
    assert trained.submit_json(sample, classes=classes).status_code == 201


@pytest.fixture(scope="module")
def refusing(make_pictures: Any) -> Any:
    """A project that is only ever given what it must refuse."""
    return make_pictures("tiny-classifier", 1)


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        (["odd"], "odd"),
        ([], "exactly one"),
        (["dark", "bright"], "exactly one"),
        (["dark", "dark"], "twice"),
        (["Dark"], "Dark"),
    ],
)
def test_classes_that_cannot_be_are_refused_and_change_nothing(
    classes: list[str], word: str, refusing: Any
) -> None:
    sample = refusing.samples()[0]["id"]
    document = json.dumps({"classes": classes}).encode()
    for answer in (
        refusing.submit_json(sample, classes=classes),
        refusing.submit(sample, document, "label.json"),
    ):
        assert answer.status_code == 422, answer.text
        assert word in answer.json()["detail"]
    assert refusing.labels(sample) == []


@pytest.mark.parametrize(
    "body", [{}, {"classes": "dark"}, {"classes": [1]}, {"classes": ["dark"], "odd": 1}]
)
def test_a_body_of_another_shape_is_refused(body: dict[str, Any], refusing: Any) -> None:
    sample = refusing.samples()[0]["id"]
    assert refusing.submit_json(sample, **body).status_code == 422
    assert refusing.labels(sample) == []


def test_a_mask_is_no_label_of_a_classification(refusing: Any, tools: Any) -> None:
    sample = refusing.samples()[0]["id"]
    answer = refusing.submit(sample, tools.png(np.zeros(tools.shape, np.uint8)), "mask.png")
    assert answer.status_code == 415
    assert ".json" in answer.json()["detail"]


def test_classes_are_no_label_of_instances(make_pictures: Any) -> None:
    project = make_pictures("tiny-instances", 1)
    answer = project.submit_json(project.samples()[0]["id"], classes=["dark"])
    assert answer.status_code == 422
    assert "COCO" in answer.json()["detail"]


def test_an_image_may_have_several_classes_or_none_where_the_project_says_so(
    make_pictures: Any,
) -> None:
    project = make_pictures("tiny-classifier", 4, multi_label=True)
    given = [["dark", "bright"], [], ["bright"], ["dark"]]
    for sample, classes in zip(project.samples(), given, strict=True):
        assert project.submit_json(sample["id"], classes=classes).status_code == 201
    project.train()
    answer = project.change(settings={"multi_label": False})
    assert answer.status_code == 409
    assert "exclude" in answer.json()["detail"]


def test_several_classes_are_for_classification_only(make_pictures: Any) -> None:
    project = make_pictures("tiny-instances", 1)
    answer = project.change(settings={"multi_label": True})
    assert answer.status_code == 422
    assert "classification" in answer.json()["detail"]
    assert project.get()["settings"]["multi_label"] is False
