"""Names that are no plain words: those of images, and those that nothing has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.clients.conftest import PARTS, Project, Site
from tests.clients.monai_label.conftest import NewClient, Raised, RealClient

LONGEST = "n" * (255 - len(".nii.gz"))
NAMES = (
    "a b",
    "a+b",
    "100%25 & more",
    "ward 3/left + right/scan.v1",
    "Größe–ñ漢字",
    "semi;colon, comma",
    "quo\"te's",
    "filename=x",
    LONGEST,
    f"deep/{'ü' * 120}",
)


@pytest.fixture(scope="module")
def oddly_named(site: Site, hippocampus: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same volume under odd names, and one with a label, so that there is a model."""
    image = hippocampus / "images" / "hippocampus_001.nii.gz"
    adopt = tmp_path_factory.mktemp("adopt")
    for name in ("plain", "other"):
        label = (hippocampus / "labels" / "hippocampus_001.nii.gz").read_bytes()
        (adopt / f"{name}.nii.gz").write_bytes(label)
    images = {f"{name}.nii.gz": image for name in (*NAMES, "plain", "other")}
    project = site.project("clicking", PARTS, images, adopt)
    project.train()
    return project


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_an_image_of_any_name_is_predicted_labelled_and_found(
    connect: NewClient, oddly_named: Project, hippocampus: Path, name: str
) -> None:
    client = connect(oddly_named.url, "ada")
    drawn, _ = client.infer("clicking", name, {})
    assert nibabel.load(drawn).shape == nibabel.load(oddly_named.image(name)).shape
    label = hippocampus / "labels" / "hippocampus_001.nii.gz"
    assert client.save_label(name, str(label)) == {"image": name, "label": name}
    assert oddly_named.label_bytes(name) == label.read_bytes()
    path = Path(client.download_label(name, "final"))
    assert path.read_bytes() == label.read_bytes()
    assert path.name.endswith(".nii.gz")
    entry = client.datastore()["objects"][name]
    assert entry["image"]["info"]["name"] == f"{name.rpartition('/')[2]}.nii.gz"
    assert set(entry["labels"]) >= {"final"}


def test_the_next_images_have_their_odd_names(
    connect: NewClient, site: Site, hippocampus: Path
) -> None:
    image = hippocampus / "images" / "hippocampus_001.nii.gz"
    project = site.project("clicking", PARTS, {f"{name}.nii.gz": image for name in NAMES})
    client = connect(project.url, "ada b+c ü")
    given = [client.next_sample("random", {}) for _ in NAMES]
    assert sorted(each["id"] for each in given) == sorted(NAMES)
    assert {Path(each["path"]).read_bytes() for each in given} == {image.read_bytes()}
    assert len(project.held("ada b+c ü")) == len(NAMES)


@pytest.mark.parametrize("name", [each for each in NAMES if "/" not in each], ids=ascii)
def test_an_image_is_uploaded_under_any_name(
    connect: NewClient, site: Site, turned: Path, name: str
) -> None:
    project = site.project("clicking", PARTS, [])
    assert connect(project.url).upload_image(str(turned), name) == {"image": name}
    assert project.samples() == [name]
    assert project.image(name).read_bytes() == turned.read_bytes()
    assert [each.name for each in project.folder.glob("*.nii.gz")] == [f"{name}.nii.gz"]


@pytest.mark.parametrize(
    "name", ["sub/folder", "../outside", "/etc/passwd", "..", ".hidden", "a\\b", f"{LONGEST}n", " "]
)
def test_an_image_is_not_uploaded_under_a_name_that_leads_elsewhere(
    connect: NewClient, site: Site, turned: Path, name: str
) -> None:
    project = site.project("clicking", PARTS, [])
    around = sorted(project.folder.parent.rglob("*"))
    with pytest.raises(Raised, match="Status: 422"):
        connect(project.url).upload_image(str(turned), name)
    assert project.samples() == []
    assert sorted(project.folder.parent.rglob("*")) == around


def test_files_keep_their_names_where_they_come_from_odd_folders(
    connect: NewClient, oddly_named: Project, turned: Path, tmp_path: Path
) -> None:
    """The client sends the whole path of a file as its name."""
    folder = tmp_path / "two  words" / "ünd; more"
    folder.mkdir(parents=True)
    file = folder / "übersicht (1).v2.nii.gz"
    file.write_bytes(turned.read_bytes())
    client = connect(oddly_named.url)
    drawn, _ = client.infer("clicking", "", {}, file=str(file))
    np.testing.assert_array_equal(nibabel.load(drawn).affine, nibabel.load(turned).affine)
    session = client.create_session(str(file))
    assert Path(session["session_info"]["image"]).name == file.name


Call = Callable[[RealClient, str], Any]
WRONG: dict[str, tuple[Call, str]] = {
    "model": (lambda client, _: client.infer("vista3d", "plain", {}), "it has clicking"),
    "slide model": (lambda client, _: client.wsi_infer("no such", "plain"), "it has clicking"),
    "trainer": (lambda client, _: client.train_start("no/such", {}), ""),
    "strategy": (lambda client, _: client.next_sample("epistemic", {}), "random, first"),
    "image": (lambda client, _: client.infer("clicking", "no image", {}), "no image"),
    "image of a label": (lambda client, file: client.save_label("no image", file), "no image"),
    "label": (lambda client, _: client.download_label("no label", "final"), "no label"),
    "tag": (lambda client, _: client.download_label("plain", "version_9"), "version_9"),
    "id that is a path": (lambda client, _: client.infer("clicking", "/etc/passwd", {}), "passwd"),
}


@pytest.mark.parametrize(("call", "told"), WRONG.values(), ids=WRONG)
def test_a_name_that_nothing_has_raises_and_says_which(
    connect: NewClient, oddly_named: Project, hippocampus: Path, call: Call, told: str
) -> None:
    label = hippocampus / "labels" / "hippocampus_001.nii.gz"
    with pytest.raises(Raised, match="Status: 404") as raised:
        call(connect(oddly_named.url, "eve"), str(label))
    assert raised.value.kind == "MONAILabelClientException"
    assert told in raised.value.message
    assert oddly_named.held("eve") == []


@pytest.mark.parametrize("tag", ["../outside", "/etc", "a/b", "x" * 65, ".hidden"])
def test_a_tag_that_leads_elsewhere_is_refused(
    connect: NewClient, oddly_named: Project, hippocampus: Path, tag: str
) -> None:
    label = hippocampus / "labels" / "hippocampus_001.nii.gz"
    before = len(oddly_named.every_label("plain"))
    with pytest.raises(Raised, match=r"Status: 422.*tag"):
        connect(oddly_named.url).save_label("plain", str(label), tag=tag)
    assert len(oddly_named.every_label("plain")) == before


def test_a_client_without_a_name_or_with_an_unusable_one(
    connect: NewClient, site: Site, turned: Path
) -> None:
    project = site.project("clicking", PARTS, [turned])
    for client_id in ("x" * 201, "two\nlines", "  "):
        with pytest.raises(Raised, match="Status: 422"):
            connect(project.url, client_id).next_sample("first", {})
    assert connect(project.url, None).next_sample("first", {})["id"] == "turned"
    assert len(project.held("monai-label")) == 1
