"""Inference through the real client: by id, by file, by session, with a label beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK
from tests.clients.conftest import PARTS, Project
from tests.clients.monai_label.conftest import NewClient, Raised

from limner.images import read_image
from limner.plugin import ClassScores, Instances, Mask, window
from limner.settings import Limits


def same_place(path: str | Path, image: Path) -> Any:
    """Check that a volume lies exactly on an image; return its values."""
    found, wanted = nibabel.load(path), nibabel.load(image)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.affine, wanted.affine)
    return np.asarray(found.dataobj)


def predicted(project: Project, name: str) -> Any:
    """What the model says of a sample, asked beside the dialect."""
    answer = project.service.predictions.answer(project.name, project.sample(name).id).answer
    assert isinstance(answer, Mask)
    return answer.array


@pytest.mark.parametrize("name", ["hippocampus_001", "hippocampus_008", "turned"])
def test_an_image_of_the_store_gets_a_mask_that_lies_on_it(
    connect: NewClient, volumes: Project, name: str
) -> None:
    client = connect(volumes.url, "ada")
    path, params = client.infer("clicking", name, {})
    assert path.endswith(".nii.gz")
    mask = same_place(path, volumes.image(name))
    np.testing.assert_array_equal(mask, predicted(volumes, name))
    assert set(np.unique(mask)) == {0, 1, 2}
    assert params["label_names"] == PARTS
    assert params["latencies"]["total"] >= 0
    # Asked again, now that it is stored, nothing is different.
    again, _ = client.infer("clicking", name, {})
    np.testing.assert_array_equal(same_place(again, volumes.image(name)), mask)


def test_a_file_that_is_no_sample_gets_the_same_mask_and_stays_none(
    connect: NewClient, volumes: Project, turned: Path
) -> None:
    before = volumes.samples()
    path, params = connect(volumes.url, "ada").infer("clicking", "", {}, file=str(turned))
    mask = same_place(path, turned)
    np.testing.assert_array_equal(mask, predicted(volumes, "turned"))
    assert params["label_names"] == PARTS
    assert volumes.samples() == before


def test_the_image_of_a_session_gets_the_same_mask(
    connect: NewClient, volumes: Project, turned: Path
) -> None:
    client = connect(volumes.url, "ada")
    session = client.create_session(str(turned))["session_id"]
    path, _ = client.infer("clicking", "", {}, session_id=session)
    np.testing.assert_array_equal(same_place(path, turned), predicted(volumes, "turned"))
    # A session goes before an id, and is as good for the models that take prompts.
    point = np.argwhere(predicted(volumes, "turned") == 0)[-1].tolist()
    params = {"label": "posterior", "foreground": [point], "background": []}
    path, _ = client.infer("clicking-deepgrow", "hippocampus_001", params, session_id=session)
    assert same_place(path, turned)[tuple(point)] == 2


def test_scribbles_travel_as_a_label_beside_the_image(
    connect: NewClient, volumes: Project, tmp_path: Path
) -> None:
    image = volumes.image("turned")
    before = predicted(volumes, "turned")
    drawn = np.zeros(before.shape, np.uint8)
    wanted = tuple(np.argwhere(before == 0)[100])
    unwanted = tuple(np.argwhere(before == 1)[100])
    drawn[unwanted], drawn[wanted] = 3, 4  # background and foreground, beyond the two classes
    path = tmp_path / "scribbles.nii.gz"
    nibabel.save(nibabel.Nifti1Image(drawn, nibabel.load(image).affine), path)
    params = {"selected_label_name": "anterior"}
    answer, _ = connect(volumes.url).infer(
        "clicking-scribbles", "turned", params, label_in=str(path)
    )
    after = same_place(answer, image)
    assert (after[wanted], after[unwanted]) == (1, 0)
    changed = np.zeros(before.shape, bool)
    changed[wanted] = changed[unwanted] = True
    np.testing.assert_array_equal(after[~changed], before[~changed])


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
def test_the_mask_comes_in_the_format_that_is_asked_for(
    connect: NewClient, volumes: Project, suffix: str
) -> None:
    params = {"result_extension": suffix, "result_dtype": "uint16"}
    path, _ = connect(volumes.url).infer("clicking", "turned", params)
    assert path.endswith(suffix)
    found, image = SimpleITK.ReadImage(path), SimpleITK.ReadImage(volumes.image("turned"))
    assert found.GetPixelIDTypeAsString() == "16-bit unsigned integer"
    assert found.GetSize() == image.GetSize()
    for geometry in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(
            getattr(found, geometry)(), getattr(image, geometry)(), atol=1e-5
        )
    values = SimpleITK.GetArrayFromImage(found).transpose()
    np.testing.assert_array_equal(values, predicted(volumes, "turned"))


def test_classes_come_ranked_and_without_a_file(connect: NewClient, chests: Project) -> None:
    client = connect(chests.url)
    name = chests.samples()[0]
    path, told = client.infer("tiny-classifier", name, {})
    assert path is None
    ranked = json.loads(told)["prediction"]
    answer = chests.service.predictions.answer(chests.name, chests.sample(name).id).answer
    assert isinstance(answer, ClassScores)
    scores = [float(each) for each in answer.probabilities]
    assert [each["score"] for each in ranked] == sorted(scores, reverse=True)
    assert {each["label"]: (each["idx"], each["score"]) for each in ranked} == {
        "normal": (0, scores[0]),
        "pneumonia": (1, scores[1]),
    }
    _, of_file = client.infer("tiny-classifier", "", {}, file=str(chests.image(name)))
    assert json.loads(of_file)["prediction"] == ranked


def test_objects_come_as_boxes_that_slicer_shows(connect: NewClient, cells: Project) -> None:
    name = "0b0d577159f0"
    path, params = connect(cells.url).infer("tiny-instances", name, {})
    assert path.endswith(".json")
    markups = json.loads(Path(path).read_text())["markups"]
    answer = cells.service.predictions.answer(cells.name, cells.sample(name).id).answer
    assert isinstance(answer, Instances)
    boxes = answer.boxes
    assert len(markups) == len(params["box"]) == len(boxes) > 10
    for markup, box, (top, left, bottom, right) in zip(
        markups, params["box"], boxes.tolist(), strict=True
    ):
        assert markup["type"] == "ROI"
        assert markup["roiType"] == "Box"
        assert markup["size"][:2] == pytest.approx([right - left, bottom - top])
        assert box == pytest.approx([left, top, right, bottom])
    assert params["label_names"] == {"nucleus": 1}


@pytest.mark.parametrize("suffix", [".png", ".nrrd"])
def test_objects_come_as_a_map_of_their_numbers_where_a_picture_is_asked_for(
    connect: NewClient, cells: Project, suffix: str
) -> None:
    name = "0b0d577159f0"
    params = {"result_extension": suffix}
    path, _ = connect(cells.url).infer("tiny-instances", name, params)
    assert path.endswith(suffix)
    if suffix == ".png":
        with PIL.Image.open(path) as file:
            values = np.asarray(file)
    else:
        values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))[0]
    with PIL.Image.open(cells.image(name)) as file:
        assert values.shape == (file.height, file.width)
    answer = cells.service.predictions.answer(cells.name, cells.sample(name).id).answer
    assert isinstance(answer, Instances)
    wanted = np.zeros(values.shape, np.int64)
    for number, (box, mask) in enumerate(zip(answer.boxes, answer.masks, strict=True), start=1):
        assert mask is not None
        wanted[window(box)][mask] = number
    np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize("output", ["dsa", "asap", "json"])
def test_a_part_of_a_picture_is_outlined(connect: NewClient, cells: Project, output: str) -> None:
    client, name = connect(cells.url, "ada"), "0b0d577159f0"
    body = {"location": [100, 50], "size": [300, 200], "min_poly_area": 30}
    nothing, told = client.wsi_infer("tiny-instances", name, body, output=output)
    assert nothing is None
    if output == "asap":
        points = [
            (float(each.attrib["X"]), float(each.attrib["Y"]))
            for each in ElementTree.fromstring(told).iter("Coordinate")  # noqa: S314 - our own
        ]
    elif output == "dsa":
        elements = json.loads(told)["elements"]
        points = [(x, y) for each in elements for x, y, _ in each["points"]]
        assert {each["label"]["value"] for each in elements} == {"nucleus"}
    else:
        document = json.loads(told)
        assert document["location"] == [100, 50, 300, 200]
        elements = document["annotations"][0]["annotation"]["elements"]
        points = [(x, y) for each in elements for line in each["contours"] for x, y in line]
    assert len(points) > 30
    x, y = np.array(points).T
    assert 100 <= x.min() < x.max() <= 400
    assert 50 <= y.min() < y.max() <= 250


def test_a_volume_cannot_be_outlined_as_a_slide(connect: NewClient, volumes: Project) -> None:
    with pytest.raises(Raised, match=r"Status: 422.*volume"):
        connect(volumes.url).wsi_infer("clicking", "hippocampus_001")


def test_a_file_that_is_no_image_is_refused_in_words(
    connect: NewClient, volumes: Project, tmp_path: Path
) -> None:
    for name, content in (("notes.txt", b"hello"), ("broken.nii.gz", b"\x1f\x8b no volume")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(Raised, match=r"Status: 4\d\d.*detail"):
            connect(volumes.url).infer("clicking", "", {}, file=str(path))


def test_the_image_is_read_as_it_lies_in_the_store(volumes: Project) -> None:
    """The masks above are compared with what the model sees; that is what nibabel sees."""
    image = volumes.image("turned")
    seen = read_image(image, Limits())
    np.testing.assert_array_equal(seen.array[0], np.asarray(nibabel.load(image).dataobj))
