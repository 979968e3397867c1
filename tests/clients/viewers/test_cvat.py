"""CVAT's functions, the archive's command line and CellProfiler: pictures sent as files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from tests.clients.conftest import Project
from tests.clients.viewers import python_client
from tests.clients.viewers.conftest import unprompted
from tests.clients.viewers.wire import Answer, exchange

NAME = "0b0d577159f0"


@pytest.fixture
def jpeg(pictures: Project, tmp_path: Path) -> Path:
    """The picture as CVAT's functions send it."""
    path = tmp_path / "tmpab12cd.jpg"
    with PIL.Image.open(pictures.image(NAME)) as file:
        file.save(path)
    return path


def infer(project: Project, model: str, file: Path, params: dict[str, Any]) -> Answer:
    said = {**params, "client_id": None}
    path = f"/infer/{model}?image="
    sent = python_client.with_form(project.url, "POST", path, said, {"file": file})
    return exchange(project.url, sent)


def test_a_function_starts_with_a_look_at_its_model(pictures: Project, cells: Project) -> None:
    for project, model in ((pictures, "clicking-deepgrow"), (cells, "tiny-instances")):
        answer = exchange(project.url, python_client.bare(project.url, "GET", "/info/"))
        assert answer.json()["models"][model]


@pytest.mark.parametrize("model", ["tiny-instances", "clicking"])
def test_the_detector_gets_polygons_and_no_file(
    cells: Project, pictures: Project, jpeg: Path, model: str
) -> None:
    project = cells if model == "tiny-instances" else pictures
    answer = infer(project, model, jpeg, {"output": "json"})
    told = answer.json()
    assert "prediction" not in told
    elements = [
        element for each in told["annotations"] for element in each["annotation"]["elements"]
    ]
    assert {each["label"] for each in elements} == {"nucleus"}
    points = np.array([point for each in elements for line in each["contours"] for point in line])
    assert len(points) > 50
    assert points.min() >= 0
    assert (points.max(axis=0) <= [696, 520]).all()
    assert points[:, 0].max() > 520, "x runs along the longer side"


def test_the_detector_gets_the_class_of_a_picture(chests: Project, tmp_path: Path) -> None:
    path = tmp_path / "tmp12.jpg"
    with PIL.Image.open(chests.image(chests.samples()[0])) as file:
        file.save(path)
    ranked = infer(chests, "tiny-classifier", path, {"output": "json"}).json()["prediction"]
    assert {each["label"] for each in ranked} == {"normal", "pneumonia"}
    assert sum(each["score"] for each in ranked) == pytest.approx(1, abs=1e-3)


def test_the_interactor_gets_a_picture_of_what_was_clicked(pictures: Project, jpeg: Path) -> None:
    # On the sides that a picture with its axes swapped would not have.
    params = {"output": "mask", "foreground": [[650, 20], [640, 100]], "background": []}
    told, content, name = infer(pictures, "clicking-deepgrow", jpeg, params).form()
    assert told["label_names"] == ["nucleus"]
    with PIL.Image.open(io.BytesIO(content)) as file:
        mask = np.asarray(file)
    assert name.startswith("tmp")
    assert mask.shape == (520, 696)
    assert mask[20, 650] == mask[100, 640] == 1
    params["background"] = [[640, 100]]
    params["foreground"] = [[650, 20]]
    _, content, _ = infer(pictures, "clicking-deepgrow", jpeg, params).form()
    with PIL.Image.open(io.BytesIO(content)) as file:
        mask = np.asarray(file)
    assert mask[100, 640] == 0


def test_the_interactor_and_the_tracker_draw_a_box(pictures: Project, jpeg: Path) -> None:
    """The tracker asks for JSON, and opens the mask's file all the same."""
    for output in ("mask", "json"):
        params: dict[str, Any] = {"output": output, "roi": [600, 40, 660, 90]}
        told, content, _ = infer(pictures, "clicking-deepgrow", jpeg, params).form()
        assert ("annotations" in told) == (output == "json")
        with PIL.Image.open(io.BytesIO(content)) as file:
            mask = np.asarray(file)
        assert (mask[40:91, 600:661] == 1).all()


def test_a_part_of_a_slide_is_outlined_for_the_archive(cells: Project) -> None:
    body = {
        "level": 0,
        "location": [350, 100],
        "size": [200, 300],
        "tile_size": [256, 256],
        "min_poly_area": 30,
        "output": "dsa",
        "girder_api_url": "http://127.0.0.1:8080/api/v1",
        "girder_token": "hush",
        "params": {"wsi_tiles": [], "max_workers": 2},
        "client_id": None,
    }
    path = f"/infer/wsi/tiny-instances?image={NAME}&output=dsa"
    answer = exchange(cells.url, python_client.with_json(cells.url, "POST", path, body))
    assert answer.status == 200
    document = json.loads(answer.body)
    for element in document["elements"]:
        assert element["type"] == "polyline"
        assert element["closed"] is True
        assert element["lineColor"].startswith("rgb(")
        assert element["group"] == element["label"]["value"] == "nucleus"
        assert all(len(point) == 3 and point[2] == 0 for point in element["points"])
    assert len(document["elements"]) > 2
    # The command line takes the description from the second-last line.
    line = answer.body.decode().splitlines()[-2]
    about = json.loads(json.loads("{" + line + "}")["description"])
    assert (about["location"], about["size"]) == ([350, 100], [200, 300])
    assert about["count"] == len(document["elements"])
    assert about["model"] == "tiny-instances"
    assert {"total", "infer"} <= set(about["latencies"])


def test_cellprofiler_gets_a_label_image_of_its_tiff(pictures: Project, tmp_path: Path) -> None:
    path = tmp_path / "tmp34.tiff"
    with PIL.Image.open(pictures.image(NAME)) as file:
        file.save(path)
    _, content, name = infer(pictures, "clicking", path, {}).form()
    assert name.endswith(".tif")
    with PIL.Image.open(io.BytesIO(content)) as file:
        mask = np.asarray(file)
    np.testing.assert_array_equal(mask, unprompted(pictures, NAME))
