"""Images and labels through the real client: what it sends is what the store has, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.clients.conftest import PARTS, Project, Site
from tests.clients.monai_label.conftest import NewClient, Raised
from tests.http.conftest import wait_for

from limner.records.rows import LabelState, SampleState

CASES = ("hippocampus_001", "hippocampus_003", "hippocampus_004", "hippocampus_006")


@pytest.fixture
def project(site: Site, hippocampus: Path) -> Project:
    """Four volumes without a label, and no model."""
    images = [hippocampus / "images" / f"{each}.nii.gz" for each in CASES]
    return site.project("clicking", PARTS, images)


@pytest.fixture
def truth(hippocampus: Path) -> dict[str, Path]:
    """The right label of each volume."""
    return {each: hippocampus / "labels" / f"{each}.nii.gz" for each in CASES}


def test_info_says_what_the_project_is(connect: NewClient, volumes: Project) -> None:
    info = connect(volumes.url).info()
    assert info["labels"] == PARTS
    counts = info["datastore"]
    assert (counts["total"], counts["completed"], counts["label_tags"]["final"]) == (7, 4, 4)
    assert list(info["models"]) == [
        "clicking",
        "clicking-deepedit",
        "clicking-deepgrow",
        "clicking-scribbles",
    ]
    assert {each["dimension"] for each in info["models"].values()} == {3}
    assert list(info["trainers"]) == ["clicking"]
    assert list(info["strategies"]) == ["random", "first"]
    serving = volumes.service.models.serving(volumes.name)
    assert serving is not None
    assert info["train_stats"]["clicking"]["best_metric"] == serving.metrics["score"]


def test_the_next_image_is_lent_to_who_asked(connect: NewClient, project: Project) -> None:
    given = connect(project.url, "ada").next_sample("random", {})
    assert given["name"] == f"{given['id']}.nii.gz"
    assert Path(given["path"]).read_bytes() == project.image(given["id"]).read_bytes()
    assert given["strategy"]["random"]["client_id"] == "ada"
    (lent,) = project.held("ada")
    assert lent.sample_id == project.sample(given["id"]).id
    assert lent.strategy == "random"


def test_two_clients_never_get_the_same_image(connect: NewClient, project: Project) -> None:
    clients = [connect(project.url, who) for who in ("ada", "bob")]
    given = [clients[turn % 2].next_sample("random", {}).get("id") for turn in range(len(CASES))]
    assert sorted(given) == sorted(CASES)
    assert len(project.held("ada")) == len(project.held("bob")) == 2
    # Nothing is left: an empty object, as these clients look for `id`.
    assert clients[0].next_sample("first", {}) == {}
    assert len(project.held("ada")) == 2


def test_an_image_in_work_is_handed_to_the_other_only_once_it_is_given_back(
    connect: NewClient, site: Site, hippocampus: Path
) -> None:
    images = [hippocampus / "images" / f"{each}.nii.gz" for each in CASES[:2]]
    project = site.project("clicking", PARTS, images, max_held=1)
    ada, bob = connect(project.url, "ada"), connect(project.url, "bob")
    first, second = ada.next_sample("first", {})["id"], bob.next_sample("first", {})["id"]
    assert (first, second) == CASES[:2]
    # Who asks again without handing in gives back what was held, and gets what is free.
    assert ada.next_sample("first", {})["id"] == first
    assert [each.sample_id for each in project.held("bob")] == [project.sample(second).id]


def test_a_label_is_kept_as_it_was_sent(
    connect: NewClient, project: Project, truth: dict[str, Path]
) -> None:
    client = connect(project.url, "ada")
    name = client.next_sample("first", {})["id"]
    answer = client.save_label(name, str(truth[name]), params={"model": "clicking", "note": "ä"})
    assert answer == {"image": name, "label": name}
    label = project.label(name)
    assert label is not None
    assert (label.author, label.state, label.format) == ("ada", LabelState.SUBMITTED, ".nii.gz")
    assert project.label_bytes(name) == truth[name].read_bytes()
    assert project.remarks(name) == {"model": "clicking", "note": "ä", "client_id": "ada"}
    assert project.sample(name).state == SampleState.LABELLED
    assert project.held("ada") == []
    assert client.info()["datastore"]["completed"] == 1

    path = client.download_label(name, "final")
    assert path.endswith(".nii.gz")
    assert Path(path).read_bytes() == truth[name].read_bytes()
    drawn, image = nibabel.load(path), nibabel.load(project.image(name))
    assert drawn.shape == image.shape
    np.testing.assert_array_equal(drawn.affine, image.affine)


def test_a_label_given_again_is_a_new_version_and_the_old_one_stays(
    connect: NewClient, project: Project, truth: dict[str, Path], tmp_path: Path
) -> None:
    client, name = connect(project.url, "ada"), CASES[0]
    client.save_label(name, str(truth[name]))
    changed = nibabel.load(truth[name])
    values = np.asarray(changed.dataobj).copy()
    values[0, 0, 0] = 1
    second = tmp_path / "second.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), changed.affine), second)
    client.save_label(name, str(second))
    assert [each.version for each in project.every_label(name)] == [2, 1]
    assert Path(client.download_label(name, "final")).read_bytes() == second.read_bytes()
    assert project.labelled() == 1
    # The same bytes once more are the same label: a retry after a lost answer does no harm.
    client.save_label(name, str(second))
    assert [each.version for each in project.every_label(name)] == [2, 1]


def test_a_label_under_a_tag_stands_beside_and_does_not_count(
    connect: NewClient, project: Project, truth: dict[str, Path]
) -> None:
    client, name = connect(project.url, "ada"), CASES[1]
    client.save_label(name, str(truth[name]), tag="original", params={"label_names": PARTS})
    client.save_label(name, str(truth[name]), tag="version_1")
    assert project.labelled() == 0
    assert project.label(name) is None
    stored = project.label(name, "original")
    assert stored is not None
    assert stored.state == LabelState.DRAFT
    for tag in ("original", "version_1"):
        assert Path(client.download_label(name, tag)).read_bytes() == truth[name].read_bytes()
    with pytest.raises(Raised, match="final"):
        client.download_label(name, "final")
    stats = client.info()["datastore"]
    assert stats["label_tags"] == {"final": 0, "original": 1, "version_1": 1}
    labels = client.datastore()["objects"][name]["labels"]
    assert set(labels) == {"original", "version_1"}
    assert labels["original"]["ext"] == ".nii.gz"
    assert labels["original"]["info"]["label_names"] == PARTS


def test_the_datastore_lists_every_image_with_its_labels(
    connect: NewClient, project: Project, truth: dict[str, Path]
) -> None:
    client = connect(project.url, "ada")
    client.save_label(CASES[0], str(truth[CASES[0]]))
    document = client.datastore()
    assert sorted(document["objects"]) == sorted(CASES)
    for name, entry in document["objects"].items():
        assert entry["image"]["ext"] == ".nii.gz"
        assert entry["image"]["info"]["name"] == f"{name}.nii.gz"
        assert set(entry["labels"]) == ({"final"} if name == CASES[0] else set())
    final = document["objects"][CASES[0]]["labels"]["final"]
    assert final["info"]["client_id"] == "ada"
    assert final["info"]["name"] == f"{CASES[0]}{final['ext']}"


def test_what_the_model_drew_is_the_label_original(connect: NewClient, volumes: Project) -> None:
    client, name = connect(volumes.url), "hippocampus_003"
    drawn, _ = client.infer("clicking", name, {})

    sample = volumes.sample(name).id
    wait_for(lambda: volumes.service.predictions.stored(volumes.name, sample))
    original = client.download_label(name, "original")
    values = np.asarray(nibabel.load(original).dataobj)
    np.testing.assert_array_equal(values, np.asarray(nibabel.load(drawn).dataobj))
    assert "original" in client.datastore()["objects"][name]["labels"]


@pytest.mark.parametrize("tag", ["original", "kept"])
def test_an_answer_can_be_kept_as_it_is_drawn(
    connect: NewClient, volumes: Project, tag: str
) -> None:
    client, name = connect(volumes.url, "ada"), "turned"
    params = {"save_label": True, **({} if tag == "original" else {"label_tag": tag})}
    drawn, _ = client.infer("clicking", name, params)
    kept = client.download_label(name, tag)
    values = np.asarray(nibabel.load(kept).dataobj)
    np.testing.assert_array_equal(values, np.asarray(nibabel.load(drawn).dataobj))
    label = volumes.label(name, tag)
    assert label is not None
    assert (label.state, label.author) == (LabelState.DRAFT, "ada")
    assert volumes.label(name) is None


def test_an_uploaded_image_is_a_sample_with_the_same_bytes(
    connect: NewClient, project: Project, turned: Path
) -> None:
    client = connect(project.url, "ada")
    assert client.upload_image(str(turned), "brought") == {"image": "brought"}
    assert project.image("brought").read_bytes() == turned.read_bytes()
    assert project.samples() == sorted([*CASES, "brought"])
    assert client.info()["datastore"]["total"] == len(CASES) + 1
    noted = project.service.tags.remarks(project.sample("brought").id)
    assert noted == {"client_id": "ada", "user": "ada"}


def test_an_image_sent_again_is_that_one_and_another_never_takes_its_place(
    connect: NewClient, project: Project, hippocampus: Path
) -> None:
    client, name = connect(project.url, "ada"), CASES[0]
    before = project.image(name).read_bytes()
    same = hippocampus / "images" / f"{name}.nii.gz"
    assert client.upload_image(str(same), name, {"scanner": "A"}) == {"image": name}
    with pytest.raises(Raised, match="Status: 409"):
        client.upload_image(str(hippocampus / "images" / "hippocampus_008.nii.gz"), name)
    assert project.image(name).read_bytes() == before
    assert project.samples() == sorted(CASES)
    noted = project.service.tags.remarks(project.sample(name).id)
    assert noted["scanner"] == "A"


def test_a_label_that_does_not_lie_on_its_image_is_refused_and_nothing_is_kept(
    connect: NewClient, project: Project, truth: dict[str, Path], tmp_path: Path
) -> None:
    client = connect(project.url, "ada")
    other = tmp_path / "other.nii.gz"
    shutil.copyfile(truth[CASES[3]], other)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(truth[CASES[0]].read_bytes()[:500])
    odd = tmp_path / "odd.nii.gz"
    real = nibabel.load(truth[CASES[0]])
    nibabel.save(nibabel.Nifti1Image(np.full(real.shape, 9, np.uint8), real.affine), odd)
    for file in (other, broken, odd):
        with pytest.raises(Raised, match="Status: 422"):
            client.save_label(CASES[0], str(file))
    assert project.every_label(CASES[0]) == []
    assert project.labelled() == 0
