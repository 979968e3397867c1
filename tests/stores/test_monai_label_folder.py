"""Reading the studies folder of a MONAI Label server, whatever state it was left in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.stores.studies_writing import TS, StudiesWriter

from limner.stores import Entry, FolderStore
from limner.stores.monai_label_folder import (
    Studies,
    final_labels,
    labels_folder,
    read_studies,
)


@pytest.fixture
def studies(tmp_path: Path) -> StudiesWriter:
    return StudiesWriter(tmp_path / "studies")


def labels_of(found: Studies) -> dict[str, list[tuple[str, str]]]:
    """Return file name and image of every label by tag, in order."""
    by_tag: dict[str, list[tuple[str, str]]] = {}
    for each in found.labels:
        assert each.path.parent == found.root / "labels" / each.tag
        by_tag.setdefault(each.tag, []).append((each.path.name, each.image))
    return by_tag


def problems_of(found: Studies) -> dict[str, str]:
    return {each.path: each.problem for each in found.problems}


def test_images_and_labels_are_listed_with_what_is_known_of_them(studies: StudiesWriter) -> None:
    studies.usual()
    found = read_studies(studies.root)
    assert list(found.images) == ["case0.nii.gz", "case1.nii.gz", "case2.nii.gz"]
    assert found.images["case2.nii.gz"] == studies.objects["case2"]["image"]["info"]
    assert labels_of(found) == {
        "final": [("case0.nii.gz", "case0.nii.gz"), ("case1.nii.gz", "case1.nii.gz")],
        "original": [("case0.nii.gz", "case0.nii.gz")],
    }
    assert found.labels[0].info["client_id"] == "ada"
    assert found.labels[1].info["ts"] == TS + 2
    assert found.problems == ()


def test_reading_changes_nothing(studies: StudiesWriter) -> None:
    before = studies.usual().snapshot()
    read_studies(studies.root)
    assert studies.snapshot() == before


def test_an_id_is_a_name_without_its_suffix(studies: StudiesWriter) -> None:
    studies.image("p.v1")
    studies.image("UPPER", ".NII.GZ")
    studies.label("p.v1", "final", ".nrrd")
    studies.file("labels/final/UPPER.nrrd")
    studies.document()
    found = read_studies(studies.root)
    assert labels_of(found)["final"] == [
        ("p.v1.nrrd", "p.v1.nii.gz"),
        ("UPPER.nrrd", "UPPER.NII.GZ"),
    ]


def test_labels_that_the_document_does_not_know_are_found_by_their_names(
    studies: StudiesWriter,
) -> None:
    studies.image("a")
    studies.image("b")
    studies.document()
    studies.file("labels/final/a.nii.gz")
    studies.file("labels/version_1/b.seg.nrrd")
    studies.file("labels/final/stray.nii.gz")
    found = read_studies(studies.root)
    assert labels_of(found) == {
        "final": [("a.nii.gz", "a.nii.gz")],
        "version_1": [("b.seg.nrrd", "b.nii.gz")],
    }
    assert [each.info for each in found.labels] == [{}, {}]
    assert problems_of(found) == {"labels/final/stray.nii.gz": "A label without an image."}


def test_of_two_labels_of_an_image_the_one_of_the_document_comes_first(
    studies: StudiesWriter,
) -> None:
    studies.image("a")
    studies.label("a", "final", ".nii.gz", is_listed=False)
    studies.label("a", "final", ".nrrd")
    studies.document()
    assert labels_of(read_studies(studies.root))["final"] == [
        ("a.nrrd", "a.nii.gz"),
        ("a.nii.gz", "a.nii.gz"),
    ]


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"objects": {"case0": {"image": {"ext"', "[1]", "null", "\x00\x01", b"\xff\xfe{",
     "[" * 100_000, '{"a": ' + "1" * 5000 + "}"],
)  # fmt: skip
def test_a_broken_document_is_said_and_the_files_are_taken(
    studies: StudiesWriter, content: str | bytes
) -> None:
    studies.usual()
    studies.file("datastore_v2.json", content)
    found = read_studies(studies.root)
    assert list(problems_of(found)) == ["datastore_v2.json"]
    assert "nothing is known of authors" in problems_of(found)["datastore_v2.json"]
    assert len(found.images) == 3
    assert len(found.labels) == 3
    assert not any(each.info for each in found.labels)


def test_without_a_document_the_files_are_taken(studies: StudiesWriter) -> None:
    studies.usual()
    (studies.root / "datastore_v2.json").unlink()
    found = read_studies(studies.root)
    assert len(found.labels) == 3
    assert list(problems_of(found)) == ["datastore_v2.json"]


@pytest.mark.parametrize("objects", [None, [], "x", 5])
def test_a_document_without_objects_is_said(studies: StudiesWriter, objects: Any) -> None:
    studies.usual()
    studies.document(objects=objects)
    found = read_studies(studies.root)
    assert "no `objects`" in problems_of(found)["datastore_v2.json"]
    assert len(found.labels) == 3


def test_what_nobody_needs_or_is_missing_stops_nothing(studies: StudiesWriter) -> None:
    studies.usual()
    studies.objects["case0"]["image"].pop("info")
    studies.objects["case0"]["labels"]["final"] = {"ext": ".nii.gz", "more": 1}
    studies.objects["case1"]["labels"]["final"]["info"] = [1]
    studies.objects["case1"]["image"]["info"]["score"] = float("nan")
    studies.objects["case1"]["image"]["info"]["large"] = float("inf")
    studies.objects["case2"]["labels"] = None
    studies.document(surprise={"a": [1, 2]})
    found = read_studies(studies.root)
    assert found.problems == ()
    assert found.images["case0.nii.gz"] == {}
    assert found.images["case1.nii.gz"]["score"] is None
    assert found.images["case1.nii.gz"]["large"] is None
    json.dumps(found.images["case1.nii.gz"], allow_nan=False)
    assert [each.info for each in found.labels[:2]] == [{}, {}]


def test_objects_that_say_nothing_of_an_image_are_said(studies: StudiesWriter) -> None:
    studies.usual()
    studies.objects.update({"x": None, "y": {"image": "no"}, "z": {}})
    studies.document()
    found = read_studies(studies.root)
    assert set(problems_of(found)) == {f"datastore_v2.json#{each}" for each in "xyz"}
    assert len(found.labels) == 3


def test_what_is_listed_and_not_there_is_said(studies: StudiesWriter) -> None:
    studies.usual()
    studies.objects["gone"] = {"image": {"ext": ".nii.gz", "info": {}}, "labels": {}}
    studies.objects["slide"] = {"image": {"ext": ".svs", "info": {}}, "labels": {}}
    studies.file("slide.svs")
    studies.objects["case2"]["labels"]["final"] = {"ext": ".nii.gz", "info": {}}
    studies.document()
    assert problems_of(read_studies(studies.root)) == {
        "datastore_v2.json#gone": "The image gone.nii.gz is not in the folder.",
        "datastore_v2.json#slide": "The image slide.svs is in no format that is read.",
        "datastore_v2.json#case2": "The label final/case2.nii.gz is not in the folder.",
    }


@pytest.mark.parametrize(
    ("image_id", "ext"),
    [
        ("../outside", ".nii.gz"),
        ("/etc/passwd", ""),
        ("sub/case", ".nii.gz"),
        ("case", "/../../outside.nii.gz"),
        ("..", ""),
        ("", ""),
        ("a\x00b", ".nii.gz"),
        ("a\nb", ".nii.gz"),
        ("\ud800", ".nii.gz"),
    ],
)
def test_an_image_that_leads_out_of_the_folder_is_left_out(
    studies: StudiesWriter, image_id: str, ext: str
) -> None:
    studies.usual()
    StudiesWriter(studies.root.parent / "out").image("outside")
    studies.objects[image_id] = {
        "image": {"ext": ext, "info": {}},
        "labels": {"final": {"ext": ".nii.gz", "info": {"client_id": "eve"}}},
    }
    studies.document()
    found = read_studies(studies.root)
    (problem,) = found.problems
    assert "left out" in problem.problem
    problem.path.encode()
    assert len(found.images) == 3
    assert len(found.labels) == 3


@pytest.mark.parametrize(
    ("tag", "ext"),
    [("../../out", ".nii.gz"), ("/tmp", ".nii.gz"), ("..", ".nii.gz"), ("", ".nii.gz"),
     ("final", "/../../../out/case0.nii.gz"), ("a\nb", ".nii.gz")],
)  # fmt: skip
def test_a_label_that_leads_out_of_the_folder_is_left_out(
    studies: StudiesWriter, tag: str, ext: str
) -> None:
    studies.usual()
    StudiesWriter(studies.root.parent / "out").image("case0")
    studies.objects["case2"]["labels"] = {tag: {"ext": ext, "info": {"client_id": "eve"}}}
    studies.document()
    found = read_studies(studies.root)
    assert ["leads to another folder" in each.problem for each in found.problems] == [True]
    assert len(found.labels) == 3


def test_links_that_lead_out_are_not_followed(studies: StudiesWriter, tmp_path: Path) -> None:
    studies.usual()
    elsewhere = StudiesWriter(tmp_path / "elsewhere")
    outside = elsewhere.image("secret")
    os.symlink(outside, studies.root / "linked.nii.gz")
    os.symlink(outside, studies.root / "labels" / "final" / "case2.nii.gz")
    os.symlink(elsewhere.root, studies.root / "labels" / "linked")
    os.symlink(studies.root / "case2.nii.gz", studies.root / "again.nii.gz")
    found = read_studies(studies.root)
    assert set(problems_of(found)) == {
        "linked.nii.gz",
        "labels/final/case2.nii.gz",
        "labels/linked",
    }
    assert "again.nii.gz" in found.images
    assert "linked.nii.gz" not in found.images
    assert len(found.labels) == 3


def test_a_folder_of_labels_that_is_a_link_is_not_followed(
    studies: StudiesWriter, tmp_path: Path
) -> None:
    studies.usual()
    os.rename(studies.root / "labels", tmp_path / "moved")
    os.symlink(tmp_path / "moved", studies.root / "labels")
    found = read_studies(studies.root)
    assert found.labels == ()
    assert "leads out" in problems_of(found)["labels"]
    assert labels_folder(studies.root) is None


def test_names_that_cannot_be_written_down_are_said(studies: StudiesWriter) -> None:
    studies.usual()
    raw = os.fsencode(studies.root) + b"/labels/final/caf\xe9.nii.gz"
    Path(os.fsdecode(raw)).write_bytes(b"")
    studies.file("labels/ver\nsion/case0.nii.gz")
    found = read_studies(studies.root)
    assert len(found.problems) == 2
    for each in found.problems:
        each.path.encode()
        assert "rename it" in each.problem
    assert len(found.labels) == 3


def test_hidden_files_and_folders_below_tags_are_none_of_ours(studies: StudiesWriter) -> None:
    studies.usual()
    studies.file("labels/.trash/case2.nii.gz")
    studies.file("labels/final/.case2.nii.gz")
    studies.file("labels/final/deep/case2.nii.gz")
    studies.file("labels/notes.txt")
    found = read_studies(studies.root)
    assert len(found.labels) == 3
    assert found.problems == ()


def test_other_places_of_images_and_labels_are_said(studies: StudiesWriter) -> None:
    studies.usual()
    studies.document(labels_dir="annotations")
    (problem,) = read_studies(studies.root).problems
    assert "labels_dir is 'annotations'" in problem.problem


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    found = read_studies(tmp_path / "none")
    assert (found.images, found.labels) == ({}, ())


# What the store makes of such a folder


def names_in(root: Path, *folders: str) -> list[str]:
    found = FolderStore(root).scan(folders or None)
    return sorted(each.name for each in found if isinstance(each, Entry))


def test_labels_under_any_tag_are_no_images(studies: StudiesWriter) -> None:
    studies.usual()
    studies.label("case0", "version_1", is_listed=False)
    assert names_in(studies.root) == ["case0", "case1", "case2"]
    assert names_in(studies.root, "labels/final", "labels/version_1", "labels") == []


@pytest.mark.parametrize("tag", ["final", "original"])
def test_they_are_none_where_the_document_is_lost(studies: StudiesWriter, tag: str) -> None:
    studies.image("a")
    studies.label("a", tag)
    studies.label("a", "version_1")
    assert names_in(studies.root) == ["a"]


def test_a_folder_called_labels_holds_images_elsewhere(studies: StudiesWriter) -> None:
    studies.image("a")
    studies.file("labels/batch1/b.nii.gz")
    assert names_in(studies.root) == ["a", "labels/batch1/b"]
    assert labels_folder(studies.root) is None


def test_the_finished_labels_are_those_under_final(studies: StudiesWriter) -> None:
    studies.image("a")
    studies.document()
    assert final_labels(studies.root) is None
    studies.label("a", "original")
    assert labels_folder(studies.root) == studies.root / "labels"
    assert final_labels(studies.root) is None
    studies.label("a")
    assert final_labels(studies.root) == studies.root / "labels" / "final"
