"""QuPath's extension: JSON that is not said to be JSON, patches, and outlines as ASAP XML."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
from tests.clients.conftest import Project, Site, serving
from tests.clients.viewers import qupath
from tests.clients.viewers.conftest import unprompted
from tests.clients.viewers.wire import Answer, exchange
from tests.http.conftest import wait_for

from limner.plugin import Instances
from limner.records.rows import LabelState

NAME = "0b0d577159f0"
"""A picture of 696 columns and 520 rows."""
DRAWN = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<ASAP_Annotations><Annotations>
<Annotation Name="nucleus" Type="Polygon" PartOfGroup="nucleus" Color="#00FF00"><Coordinates>
<Coordinate Order="0" X="600" Y="10"/><Coordinate Order="1" X="650" Y="10"/>
<Coordinate Order="2" X="650" Y="30"/><Coordinate Order="3" X="600" Y="30"/>
</Coordinates></Annotation>
</Annotations><AnnotationGroups>
<Group Name="nucleus" PartOfGroup="None" Color="#00FF00"/>
</AnnotationGroups></ASAP_Annotations>
"""


def get(project: Project, path: str) -> Answer:
    return exchange(project.url, qupath.bare(project.url, "GET", path))


def post(project: Project, path: str, body: dict[str, Any]) -> Answer:
    return exchange(project.url, qupath.with_json(project.url, "POST", path, body))


def part(location: list[int], size: list[int], **params: Any) -> dict[str, Any]:
    """What the extension asks about a rectangle."""
    clicks: dict[str, Any] = {"foreground": [], "background": [], "max_workers": 1}
    return {
        "level": 0,
        "location": location,
        "size": size,
        "tile_size": [1024, 1024],
        "min_poly_area": 30,
        "params": clicks | params,
    }


def polygons(answer: Answer, classes: list[str]) -> list[np.ndarray[Any, Any]]:
    """Read outlines as the extension does: x and y of every annotation."""
    assert answer.status == 200, answer.body
    root = ElementTree.fromstring(answer.body)  # noqa: S314 - our own
    assert root.tag == "ASAP_Annotations"
    found = []
    for annotation in root.iter("Annotation"):
        assert annotation.attrib["Name"] in classes
        assert len(annotation.attrib["Color"]) == len("#rrggbb")
        (coordinates,) = annotation
        corners = [(float(each.attrib["X"]), float(each.attrib["Y"])) for each in coordinates]
        found.append(np.array(corners))
    return found


def upload(project: Project, path: str, field: str, file: tuple[str, str | None, bytes]) -> Answer:
    files, fields = {field: file}, {"params": "{}"}
    return exchange(project.url, qupath.with_form(project.url, "PUT", path, files, fields))


def test_connecting(cells: Project, pictures: Project) -> None:
    for project in (cells, pictures):
        auth = get(project, "/auth/")
        assert auth.status != 200 or auth.json() == {"enabled": False}
        info = get(project, "/info/").json()
        assert isinstance(info["name"], str)
        for model in info["models"].values():
            assert isinstance(model["type"], str)
            assert model["dimension"] == 2
            assert model["labels"] == ["nucleus"]
            assert model["pathology"] is True, "only such models are offered"
            assert model["nuclick"] is False
        for trainer in info["trainers"].values():
            assert all(value is not None for value in trainer["config"].values())


def test_where_a_token_is_needed_the_login_is_the_first_request(tmp_path: Path) -> None:
    with serving(tmp_path, token="secret") as guarded:
        project = guarded.project("clicking", ["nucleus"], [])
        assert get(project, "/auth/").json()["enabled"] is True
        assert get(project, "/info/").status == 401


def test_it_looks_whether_the_server_has_the_picture(cells: Project) -> None:
    for name, status in ((NAME, 200), ("elsewhere", 404)):
        asked = qupath.bare(cells.url, "HEAD", f"/datastore/image?image={name}")
        answer = exchange(cells.url, asked)
        assert (answer.status, answer.body) == (status, b"")


def test_a_rectangle_of_a_stored_picture_is_outlined(cells: Project) -> None:
    path = f"/infer/wsi/tiny-instances?output=asap&image={NAME}"
    whole = polygons(post(cells, path, part([0, 0], [0, 0])), ["nucleus"])
    some = polygons(post(cells, path, part([350, 100], [200, 300])), ["nucleus"])
    assert len(whole) > len(some) > 2
    x, y = np.concatenate(some).T
    assert 350 <= x.min() < x.max() <= 550
    assert 100 <= y.min() < y.max() <= 400
    answer = cells.service.predictions.answer(cells.name, cells.sample(NAME).id).answer
    assert isinstance(answer, Instances)
    # The extension says which outlines are too small for it: those under 30 square pixels.
    corners = {tuple(each.min(axis=0)) for each in whole}
    assert corners <= {(left, top) for top, left, _, _ in answer.boxes.tolist()}


def test_a_patch_of_a_picture_that_the_server_has_not_is_outlined(cells: Project) -> None:
    before = cells.samples()
    with PIL.Image.open(cells.image(NAME)) as file:
        packed = io.BytesIO()
        file.crop((350, 100, 650, 400)).save(packed, "PNG")
    sent = qupath.with_form(
        cells.url,
        "POST",
        "/infer/wsi_v2/tiny-instances?output=asap",
        {"file": ("patch8231704.png", "image/png", packed.getvalue())},
        {"wsi": json.dumps(part([0, 0], [0, 0]))},
    )
    found = polygons(exchange(cells.url, sent), ["nucleus"])
    assert len(found) > 2
    x, y = np.concatenate(found).T
    assert 0 <= x.min() < x.max() <= 300
    assert 0 <= y.min() < y.max() <= 300
    assert cells.samples() == before


@pytest.mark.parametrize("uploaded", [False, True])
def test_clicks_on_a_picture_are_drawn(pictures: Project, uploaded: bool) -> None:
    """Of a stored picture they are pixels of the picture, of a patch those of the patch."""
    mask = unprompted(pictures, NAME)
    row, column = next(
        (row, column) for row, column in np.argwhere(mask == 0).tolist() if column > 600
    )
    asked = part([0, 0], [0, 0], foreground=[[column, row]])
    asked["min_poly_area"] = 0
    query = "?output=asap"
    if uploaded:
        file = ("patch.png", "image/png", pictures.image(NAME).read_bytes())
        sent = qupath.with_form(
            pictures.url,
            "POST",
            f"/infer/wsi_v2/clicking-deepgrow{query}",
            {"file": file},
            {"wsi": json.dumps(asked)},
        )
        drawn = exchange(pictures.url, sent)
    else:
        drawn = post(pictures, f"/infer/wsi/clicking-deepgrow{query}&image={NAME}", asked)
    around = [each for each in polygons(drawn, ["nucleus"]) if _holds(each, column, row)]
    assert around


def _holds(corners: np.ndarray[Any, Any], column: int, row: int) -> bool:
    """Tell whether the middle of a pixel lies inside of an outline (Jordan's theorem)."""
    x, y = column + 0.5, row + 0.5
    ahead = np.roll(corners, -1, axis=0)
    crosses = (corners[:, 1] > y) != (ahead[:, 1] > y)
    run = ahead[crosses] - corners[crosses]
    at = corners[crosses][:, 0] + (y - corners[crosses][:, 1]) * run[:, 0] / run[:, 1]
    return bool((at > x).sum() % 2)


def test_the_next_picture_is_said_and_downloaded(
    site: Site, nuclei: Path, nuclei_cases: list[str]
) -> None:
    images = [nuclei / "images" / each for each in nuclei_cases[:2]]
    project = site.project("tiny-instances", ["nucleus"], images)
    asked = {"image": None, "patch_size": [512, 512], "image_size": [0, 0]}
    given = post(project, "/activelearning/random", asked).json()
    assert len(given.get("bbox", [0, 0, 0, 0])) == 4
    assert Path(given["path"]).is_file()
    image = get(project, f"/datastore/image?image={given['id']}")
    assert image.body == (nuclei / "images" / given["name"]).read_bytes()
    assert image.headers["Content-Type"] == "image/png"
    assert len(project.held("monai-label")) == 1


@pytest.mark.parametrize("kind", ["application/xml", None], ids=["xml", "null"])
def test_a_picture_and_what_was_drawn_on_it_are_taken_in(
    site: Site, nuclei: Path, nuclei_cases: list[str], kind: str | None
) -> None:
    project = site.project("tiny-instances", ["nucleus"], [])
    content = (nuclei / "images" / nuclei_cases[3]).read_bytes()
    file = ("picture one.png", "image/png", content)
    answer = upload(project, "/datastore/image?image=picture+one", "file", file)
    assert answer.json() == {"image": "picture one"}
    assert project.image("picture one").read_bytes() == content

    path = "/datastore/label?image=picture+one"
    answer = upload(project, path, "label", ("drawn123.xml", kind, DRAWN.encode()))
    assert answer.json()["label"] == "picture one"
    label = project.label("picture one")
    assert label is not None
    assert label.state == LabelState.SUBMITTED
    (stored,) = json.loads(project.label_bytes("picture one"))["annotations"]
    assert stored["bbox"] == [600, 10, 50, 20]


def test_what_was_drawn_becomes_a_mask_where_masks_are_collected(
    site: Site, nuclei: Path, nuclei_cases: list[str]
) -> None:
    image = nuclei / "images" / nuclei_cases[3]
    project = site.project("clicking", ["nucleus"], [image])
    path = f"/datastore/label?image={NAME}&tag=final"
    assert upload(project, path, "label", ("drawn.xml", None, DRAWN.encode())).status == 200
    with PIL.Image.open(io.BytesIO(project.label_bytes(NAME))) as file:
        stored = np.asarray(file)
    wanted = np.zeros((520, 696), np.uint8)
    wanted[10:30, 600:650] = 1
    np.testing.assert_array_equal(stored, wanted)


def test_a_training_is_started_with_only_what_was_changed(
    site: Site, nuclei: Path, nuclei_cases: list[str], tmp_path: Path
) -> None:
    name = nuclei_cases[0]
    (tmp_path / name).write_bytes((nuclei / "labels" / name).read_bytes())
    images = [nuclei / "images" / name]
    project = site.project("tiny-instances", ["nucleus"], images, tmp_path)
    wait_for(lambda: project.labelled() == 1)
    answer = post(project, "/train/tiny-instances", {"effort": 0.5})
    assert answer.status == 200
    job = project.service.jobs.get(int(answer.json()["id"]))
    assert job.params["effort"] == 0.5
    wait_for(lambda: project.versions() == 1)
