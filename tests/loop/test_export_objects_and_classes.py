"""Exports of instances and classes, and their way back into another project."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import pytest

from limner.errors import Conflict, InvalidRequest
from limner.images import read_label
from limner.loop.export import export_formats
from limner.plugin import ClassScores, Instances, Task, window

SHAPE = (20, 30)
POLYGON = [4, 2, 14, 2, 14, 7, 4, 7]


def annotation(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0} | changes


def coco(*annotations: Any) -> bytes:
    """Return a label of a picture of 20 rows and 30 columns."""
    whole = {
        "images": [{"id": 1, "width": 30, "height": 20, "file_name": "any"}],
        "categories": [{"id": 1, "name": "round"}, {"id": 2, "name": "spindle"}],
        "annotations": annotations,
    }
    return json.dumps(whole).encode()


def exported(house: Any, format: str | None = None) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(house.exports.stream("liver", format))))
    assert archive.testzip() is None
    return archive


def submit(house: Any, name: str, data: bytes, filename: str = "label.json") -> None:
    sample = next(each for each in house.samples.list("liver").items if each.name == name)
    house.submit(sample.id, data=data, filename=filename)


@pytest.fixture
def objects(house: Any) -> Any:
    """Three labelled pictures: with masks that do not overlap, without objects, with boxes."""
    config = house.config(app="objects", labels=["round", "spindle"])
    house.projects.create(config)
    for number, name in enumerate(("a b.png", "a_b.png", "deep/c.png")):
        house.picture(name, seed=number)
    house.ingest.sync("liver")
    small = {"size": [20, 30], "counts": [0, 1, 599]}
    submit(
        house,
        "a b",
        coco(annotation(segmentation=[POLYGON]), annotation(segmentation=small, category_id=2)),
    )
    submit(house, "a_b", coco())
    submit(house, "deep/c", coco(annotation(bbox=[1.5, 2, 3, 4]), annotation(bbox=[1, 2, 3, 4])))
    return house


def kinds(house: Any, *names: str, **settings: Any) -> Any:
    config = house.config(app="kinds", labels=["cat", "dog"], settings=settings)
    house.projects.create(config)
    for number, name in enumerate(names):
        house.picture(name, seed=number)
    house.ingest.sync("liver")
    return house


Again = Callable[..., Any]


@pytest.fixture
def again(make_house: Callable[[], Any], tmp_path: Path) -> Again:
    """Unpack an export and make a project of it that adopts its labels."""

    def make(
        archive: zipfile.ZipFile, app: str, labels: list[str], images: str, adopt: str, **more: Any
    ) -> Any:
        folder = tmp_path / "unpacked"
        archive.extractall(folder)
        other = make_house()
        other.projects.create(
            other.config(
                app=app,
                labels=labels,
                images=folder / images,
                adopt=folder / adopt,
                settings={"validation_share": 0, **more},
            )
        )
        report = other.ingest.sync("liver")
        assert dict(report.problems) == {}
        return other

    return make


def answers(house: Any) -> dict[str, Any]:
    """Return the label that counts of every sample, by what is in its image."""
    found = {}
    project = house.projects.get("liver")
    for sample in house.samples.list("liver", limit=1000).items:
        labels = house.labels.list("liver", sample.id)
        if labels:
            source = house.projects.source(project, sample)
            found[source.read().array.tobytes()] = read_label(
                house.labels.content(labels[0].id)[0],
                labels[0].format,
                source.header(),
                house.projects.schema(project),
                Task(project.task),
                house.limits,
            )
    return found


def painted(answer: Instances) -> list[tuple[int, bytes]]:
    """Return every object as its class and its pixels, in an order of their own."""
    found = []
    for box, mask, value in zip(answer.boxes, answer.masks, answer.classes, strict=True):
        picture = np.zeros(SHAPE, np.uint8)
        picture[window(box)] = 2 if mask is None else mask
        found.append((int(value), picture.tobytes() + box.tobytes()))
    return sorted(found)


def test_every_task_has_its_formats() -> None:
    assert {task: export_formats(task) for task in Task} == {
        Task.SEGMENTATION: ("nnunet", "msd"),
        Task.INSTANCES: ("coco", "maps"),
        Task.CLASSIFICATION: ("csv", "folders"),
    }


def test_a_format_of_another_task_is_refused_in_words(objects: Any) -> None:
    with pytest.raises(
        InvalidRequest, match=r"'csv', which holds labels of classification; .*coco"
    ):
        objects.exports.stream("liver", "csv")
    with pytest.raises(InvalidRequest, match=r"'voc'; this project is for instances"):
        objects.exports.stream("liver", "voc")


def test_coco_has_all_images_and_keeps_boxes_alone(objects: Any) -> None:
    archive = exported(objects)
    assert sorted(archive.namelist()) == [
        "annotations.json",
        "images/a_b-2.png",
        "images/a_b.png",
        "images/deep_c.png",
    ]
    copied = archive.read("images/deep_c.png")
    assert copied == (objects.images / "deep" / "c.png").read_bytes()
    whole = json.loads(archive.read("annotations.json"))
    assert whole["categories"] == [{"id": 1, "name": "round"}, {"id": 2, "name": "spindle"}]
    assert [(each["id"], each["file_name"]) for each in whole["images"]] == [
        (1, "a_b.png"),
        (2, "a_b-2.png"),
        (3, "deep_c.png"),
    ]
    assert [(each["id"], each["image_id"]) for each in whole["annotations"]] == [
        (1, 1),
        (2, 1),
        (3, 3),
        (4, 3),
    ]
    assert whole["annotations"][2]["bbox"] == [1.5, 2, 3, 4]
    assert whole["annotations"][2]["segmentation"] == []
    assert whole["annotations"][0]["area"] == 50


def test_coco_goes_through_another_project_and_back(objects: Any, again: Again) -> None:
    archive = exported(objects, "coco")
    labels = ["round", "spindle"]
    other = again(archive, "objects", labels, "images", "annotations.json")
    first, second = answers(objects), answers(other)
    assert len(first) == 3
    assert {key: painted(each) for key, each in first.items()} == {
        key: painted(each) for key, each in second.items()
    }
    assert exported(other).read("annotations.json") == archive.read("annotations.json")


def test_annotations_beyond_the_memory_are_the_same(
    objects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exported(objects).read("annotations.json")
    monkeypatch.setattr("limner.loop.export_instances._MOST_IN_MEMORY", 10)
    assert exported(objects).read("annotations.json") == first


def test_maps_hold_what_a_map_can_tell_and_say_what_not(objects: Any) -> None:
    archive = exported(objects, "maps")
    assert sorted(archive.namelist()) == [
        "images/a_b-2.png",
        "images/a_b.png",
        "labels/a_b-2.png",
        "labels/a_b.png",
        "skipped.txt",
    ]
    assert b"deep/c: objects of which only the box is known" in archive.read("skipped.txt")
    numbered = imagecodecs.png_decode(archive.read("labels/a_b.png"))
    assert {int(number): int((numbered == number).sum()) for number in np.unique(numbered)} == {
        0: 549,
        1000: 50,
        2000: 1,
    }


def test_overlapping_objects_are_not_painted_over_each_other(objects: Any) -> None:
    twice = annotation(segmentation=[POLYGON])
    submit(objects, "a b", coco(twice, twice))
    archive = exported(objects, "maps")
    assert b"a b: objects that overlap" in archive.read("skipped.txt")


def test_maps_go_through_another_project_and_back(objects: Any, again: Again) -> None:
    other = again(exported(objects, "maps"), "objects", ["round", "spindle"], "images", "labels")
    first, second = answers(objects), answers(other)
    assert len(second) == 2
    assert all(painted(each) == painted(first[key]) for key, each in second.items())


def test_a_map_that_was_given_is_copied_byte_for_byte(objects: Any) -> None:
    numbered = np.zeros(SHAPE, np.uint16)
    numbered[3, 4] = 1999
    data = bytes(imagecodecs.png_encode(numbered))
    submit(objects, "a b", data, "map.png")
    assert exported(objects, "maps").read("labels/a_b-1.png") == data


def test_volumes_are_maps_and_no_coco(house: Any) -> None:
    house.projects.create(house.config(app="objects", labels=["lesion"]))
    (sample,) = house.volumes(1)
    house.submit(sample.id, data=house.mask(7), filename="label.nii")
    with pytest.raises(Conflict, match="pictures only"):
        house.exports.stream("liver", "coco")
    archive = exported(house, "maps")
    assert sorted(archive.namelist()) == ["images/case0000.nii.gz", "labels/case0000.nii.gz"]


def test_real_nuclei_come_back_as_they_were(house: Any, again: Again, data_dir: Path) -> None:
    source = data_dir / "nuclei"
    finished = house.root / "finished"
    finished.mkdir()
    for path in sorted((source / "labels").glob("*.png"))[::80]:
        shutil.copy(path, finished)
        shutil.copy(source / "images" / path.name, house.images)
    house.projects.create(house.config(app="objects", labels=["nucleus"], adopt=finished))
    house.ingest.sync("liver")
    other = again(exported(house), "objects", ["nucleus"], "images", "annotations.json")
    first, second = answers(house), answers(other)
    assert len(first) > 5
    assert first.keys() == second.keys()
    for key, each in first.items():
        assert np.array_equal(each.boxes, second[key].boxes)
        assert all(map(np.array_equal, each.masks, second[key].masks))


def test_a_table_has_a_line_for_each_image(house: Any) -> None:
    kinds(house, "a.png", "x/b, c.png", "d.png")
    submit(house, "a", b'{"classes": ["cat"]}')
    submit(house, "x/b, c", b'{"classes": ["dog"]}')
    archive = exported(house)
    assert archive.read("labels.csv").decode() == "image,label\na.png,cat\nx_b_c.png,dog\n"
    assert archive.read("images/a.png") == (house.images / "a.png").read_bytes()
    assert "images/d.png" not in archive.namelist()


def test_several_classes_stand_in_one_cell(house: Any) -> None:
    kinds(house, "a.png", "b.png", multi_label=True)
    submit(house, "a", b'{"classes": ["dog", "cat"]}')
    submit(house, "b", b'{"classes": []}')
    archive = exported(house, "csv")
    assert archive.read("labels.csv").decode() == "image,classes\na.png,cat|dog\nb.png,\n"


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_table_goes_through_another_project_and_back(
    multi_label: bool, house: Any, again: Again
) -> None:
    kinds(house, "a.png", "x/b.png", "c.png", multi_label=multi_label)
    submit(house, "a", b'{"classes": ["cat"]}')
    submit(house, "x/b", b'{"classes": ["cat", "dog"]}' if multi_label else b'{"classes": ["dog"]}')
    submit(house, "c", b'{"classes": []}' if multi_label else b'{"classes": ["cat"]}')
    archive = exported(house, "csv")
    other = again(archive, "kinds", ["cat", "dog"], "images", "labels.csv", multi_label=multi_label)
    assert_same_classes(answers(house), answers(other))
    assert exported(other, "csv").read("labels.csv") == archive.read("labels.csv")


def assert_same_classes(first: dict[str, ClassScores], second: dict[str, ClassScores]) -> None:
    assert len(first) == 3
    assert {key: each.probabilities.tolist() for key, each in first.items()} == {
        key: each.probabilities.tolist() for key, each in second.items()
    }


def test_folders_of_classes_go_through_another_project_and_back(house: Any, again: Again) -> None:
    kinds(house, "a.png", "x/b.png", "c.png")
    for name, label in (("a", "cat"), ("x/b", "dog"), ("c", "cat")):
        submit(house, name, json.dumps({"classes": [label]}).encode())
    archive = exported(house, "folders")
    assert sorted(archive.namelist()) == ["cat/a.png", "cat/c.png", "dog/x_b.png"]
    other = again(archive, "kinds", ["cat", "dog"], ".", ".")
    assert_same_classes(answers(house), answers(other))


@pytest.mark.parametrize(
    ("labels", "multi_label", "format", "said"),
    [
        (["cat", "dog"], True, "folders", "several classes, or none; export it as csv"),
        (["cat", ".."], False, "folders", r"like class '\.\.'"),
        (["cat", "a:b"], False, "folders", "like class 'a:b'"),
        (["cat", "Cat"], False, "folders", "upper and lower case"),
        (["cat", "a|b"], True, "csv", r"class 'a\|b'"),
    ],
)
def test_classes_that_a_layout_cannot_tell_are_refused(
    labels: list[str], multi_label: bool, format: str, said: str, house: Any
) -> None:
    settings = {"multi_label": multi_label}
    house.projects.create(house.config(app="kinds", labels=labels, settings=settings))
    house.picture("a.png")
    house.ingest.sync("liver")
    submit(house, "a", b'{"classes": ["cat"]}')
    with pytest.raises(Conflict, match=said):
        house.exports.stream("liver", format)


def test_a_class_with_a_bar_is_fine_where_an_image_has_one(house: Any, again: Again) -> None:
    house.projects.create(house.config(app="kinds", labels=["cat", "a|b"]))
    house.picture("a.png")
    house.ingest.sync("liver")
    submit(house, "a", b'{"classes": ["a|b"]}')
    archive = exported(house)
    lines = list(csv.reader(io.StringIO(archive.read("labels.csv").decode())))
    assert lines == [["image", "label"], ["a.png", "a|b"]]
    other = again(archive, "kinds", ["cat", "a|b"], "images", "labels.csv")
    (answer,) = answers(other).values()
    assert answer.probabilities.tolist() == [0, 1]


def test_what_lies_in_several_files_is_exported_as_one(house: Any) -> None:
    house.projects.create(house.config(app="kinds", labels=["cat"]))
    for name in ("p/T1.nii.gz", "p/FLAIR.nii.gz"):
        house.volume(name)
    house.ingest.sync("liver")
    submit(house, "p", b'{"classes": ["cat"]}')
    archive = exported(house, "folders")
    (name,) = archive.namelist()
    assert name == "cat/p.nii.gz"
    data = nibabel.Nifti1Image.from_bytes(gzip.decompress(archive.read(name)))
    assert data.shape == (5, 4, 3, 2)


@pytest.mark.parametrize("format", ["coco", "maps"])
def test_a_picture_that_went_bad_is_left_out_and_listed(format: str, objects: Any) -> None:
    (objects.images / "a b.png").write_bytes(b"rotten")
    archive = exported(objects, format)
    assert b"a b: " in archive.read("skipped.txt")
    if format == "coco":
        whole = json.loads(archive.read("annotations.json"))
        assert [each["file_name"] for each in whole["images"]] == ["a_b-2.png", "deep_c.png"]
        assert {each["image_id"] for each in whole["annotations"]} == {2}
