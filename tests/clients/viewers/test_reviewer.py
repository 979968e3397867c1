"""3D Slicer's reviewer: it lists, shows, judges, corrects and deletes labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from tests.clients.conftest import PARTS, Project, Site, serving
from tests.clients.viewers import reviewer
from tests.clients.viewers.wire import Answer, exchange

from limner.records.rows import LabelState

NAME = "hippocampus_001"
META = {
    "status": "approved",
    "level": "easy",
    "approvedBy": "Dr. Ö",
    "comment": "sound",
    "editTime": "Thu Jan 1 10:00:00 2026",
}


@pytest.fixture
def project(site: Site, hippocampus: Path) -> Project:
    """A volume with a label by `ada`."""
    project = site.project("clicking", PARTS, [hippocampus / "images" / f"{NAME}.nii.gz"])
    with open(hippocampus / "labels" / f"{NAME}.nii.gz", "rb") as file:
        project.service.labels.submit(
            project.name,
            project.sample(NAME).id,
            file=file,
            filename=f"{NAME}.nii.gz",
            annotator="ada",
            remarks={"label_info": [{"name": "anterior", "idx": 1}]},
        )
    return project


@pytest.fixture
def correction(hippocampus: Path, tmp_path: Path) -> bytes:
    """The right label as NRRD, with one voxel more."""
    image = SimpleITK.ReadImage(hippocampus / "labels" / f"{NAME}.nii.gz")
    image[0, 0, 0] = 2
    SimpleITK.WriteImage(SimpleITK.Cast(image, SimpleITK.sitkUInt8), tmp_path / "label.nrrd")
    return (tmp_path / "label.nrrd").read_bytes()


def ask(project: Project, method: str, path: str) -> Answer:
    return exchange(project.url, reviewer.bare(project.url, method, path))


def listed(project: Project) -> dict[str, Any]:
    """What is said of the volume, read as the reviewer reads it."""
    entry: dict[str, Any] = ask(project, "GET", "/datastore/?output=all").json()["objects"][NAME]
    info = entry["image"]["info"]
    assert info["name"] == f"{NAME}.nii.gz"
    assert isinstance(info["ts"], int)
    assert isinstance(info.get("strategy", {}), dict)
    for label in entry["labels"].values():
        assert isinstance(label["info"]["name"], str)
        assert isinstance(label["info"]["client_id"], str)
        if "segmentationMeta" in label["info"]:
            assert set(label["info"]["segmentationMeta"]) >= set(META)
    return entry


def noted(project: Project, tag: str, meta: dict[str, Any]) -> Answer:
    path = f"/datastore/updatelabelinfo?label={NAME}&tag={tag}"
    return exchange(
        project.url, reviewer.with_params(project.url, path, {"segmentationMeta": meta})
    )


def corrected(project: Project, tag: str, label: bytes) -> Answer:
    path = f"/datastore/label?image={NAME}&tag={tag}"
    params = {"segmentationMeta": {**META, "status": "flagged", "approvedBy": "bob"}}
    sent = reviewer.with_label(project.url, path, params, f"{NAME}.nrrd", label)
    return exchange(project.url, sent)


def test_connecting_needs_no_token_and_no_slash(site: Site, project: Project) -> None:
    assert ask(project, "GET", "").status == 200
    assert exchange(site.url, reviewer.bare(site.url, "GET", "")).status == 200


def test_connecting_succeeds_where_everything_else_needs_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, token="secret") as guarded:
        project = guarded.project("clicking", PARTS, [])
        assert ask(project, "GET", "").status == 200
        assert ask(project, "GET", "/datastore/?output=all").status == 401


def test_an_image_and_its_label_are_listed_and_shown(project: Project, hippocampus: Path) -> None:
    final = listed(project)["labels"]["final"]
    assert final["info"]["client_id"] == "ada"
    assert final["info"]["label_info"] == [{"name": "anterior", "idx": 1}]
    image = ask(project, "GET", f"/datastore/image?image={NAME}")
    assert image.body == (hippocampus / "images" / f"{NAME}.nii.gz").read_bytes()
    label = ask(project, "GET", f"/datastore/label?label={NAME}&tag=final")
    assert label.body == (hippocampus / "labels" / f"{NAME}.nii.gz").read_bytes()


def test_an_approval_approves_the_label(project: Project) -> None:
    answer = noted(project, "final", META)
    assert (answer.status, answer.json()) == (200, None)
    label = project.label(NAME)
    assert label is not None
    assert label.state == LabelState.APPROVED
    assert listed(project)["labels"]["final"]["info"]["segmentationMeta"] == META
    assert listed(project)["labels"]["final"]["info"]["label_info"]
    # Asked for once more, nothing changes.
    assert noted(project, "final", META).status == 200
    assert project.labelled() == 1


@pytest.mark.parametrize("status", ["flagged", ""])
def test_any_other_judgement_is_noted_and_leaves_the_label(project: Project, status: str) -> None:
    meta = {**META, "status": status}
    assert noted(project, "final", meta).status == 200
    label = project.label(NAME)
    assert label is not None
    assert label.state == LabelState.SUBMITTED
    assert listed(project)["labels"]["final"]["info"]["segmentationMeta"] == meta


def test_a_correction_is_a_version_beside_the_label(project: Project, correction: bytes) -> None:
    assert corrected(project, "version_1", correction).status == 200
    entry = listed(project)
    assert set(entry["labels"]) == {"final", "version_1"}
    assert entry["labels"]["version_1"]["ext"] == ".nrrd"
    assert entry["labels"]["version_1"]["info"]["segmentationMeta"]["approvedBy"] == "bob"
    label = project.label(NAME, "version_1")
    assert label is not None
    assert label.state == LabelState.DRAFT
    shown = ask(project, "GET", f"/datastore/label?label={NAME}&tag=version_1")
    assert shown.body == correction
    assert noted(project, "version_1", META).status == 200
    assert listed(project)["labels"]["version_1"]["info"]["segmentationMeta"] == META
    assert project.labelled() == 1


def test_a_correction_takes_the_labels_place_as_final(
    project: Project, correction: bytes, tmp_path: Path
) -> None:
    assert corrected(project, "final", correction).status == 200
    (tmp_path / "stored.nrrd").write_bytes(project.label_bytes(NAME))
    stored = SimpleITK.ReadImage(tmp_path / "stored.nrrd")
    assert stored[0, 0, 0] == 2
    image = nibabel.load(project.image(NAME))
    np.testing.assert_array_equal(stored.GetSize(), image.shape)
    assert [each.version for each in project.every_label(NAME)] == [2, 1]


def test_a_deleted_version_is_not_listed_and_is_kept(project: Project, correction: bytes) -> None:
    corrected(project, "version_1", correction)
    answer = ask(project, "DELETE", f"/datastore/label?id={NAME}&tag=version_1")
    assert (answer.status, answer.json()) == (200, {})
    assert set(listed(project)["labels"]) == {"final"}
    assert ask(project, "GET", f"/datastore/label?label={NAME}&tag=version_1").status == 404
    kept = {each.tag: each.state for each in project.every_label(NAME)}
    assert kept == {"": LabelState.SUBMITTED, "version_1": LabelState.REJECTED}
    # Whoever deletes it once more gets the same answer; sent once more, it is there again.
    assert ask(project, "DELETE", f"/datastore/label?id={NAME}&tag=version_1").status == 200
    corrected(project, "version_1", correction)
    assert set(listed(project)["labels"]) == {"final", "version_1"}


def test_a_note_on_a_label_that_there_is_not_is_refused(project: Project) -> None:
    answer = noted(project, "version_7", META)
    assert answer.status == 404
    assert "version_7" in answer.json()["detail"]
