"""3D Slicer's module: its requests of every action, and what it reads of the answers."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK
from tests.clients.conftest import PARTS, Project, Site
from tests.clients.viewers import nrrd, python_client, reviewer
from tests.clients.viewers.conftest import unprompted
from tests.clients.viewers.wire import Answer, exchange
from tests.http.conftest import wait_for

from limner.records.rows import LabelState

WHO = {"client_id": "user-xyz"}
TYPES = {"segmentation", "detection", "deepgrow", "deepedit", "scribbles", "classification"}
CASES = ("hippocampus_001", "hippocampus_003")


@pytest.fixture
def project(site: Site, hippocampus: Path) -> Project:
    """Two volumes without a label, and no model."""
    return site.project(
        "clicking", PARTS, [hippocampus / "images" / f"{each}.nii.gz" for each in CASES]
    )


def get(project: Project, path: str) -> Answer:
    return exchange(project.url, python_client.bare(project.url, "GET", path))


def delete(project: Project, path: str) -> Answer:
    return exchange(project.url, python_client.bare(project.url, "DELETE", path))


def post(project: Project, path: str, body: dict[str, Any]) -> Answer:
    return exchange(project.url, python_client.with_json(project.url, "POST", path, body | WHO))


def submit(project: Project, name: str, file: Path, **params: Any) -> Answer:
    path, said = f"/datastore/label?image={name}", params | WHO
    sent = python_client.with_form(project.url, "PUT", path, said, {"label": file})
    return exchange(project.url, sent)


def check_info(info: dict[str, Any]) -> None:
    """Check what the module walks through without a look at what it is."""
    assert not info.get("config"), "it would tell the user to upgrade the server, and stop"
    assert isinstance(info["name"], str)
    assert all(isinstance(each, str) for each in info["labels"])
    for model in info["models"].values():
        assert model["type"] in TYPES
        assert all(isinstance(each, str) for each in model["labels"])
        assert model["dimension"] in (2, 3)
        assert isinstance(model["description"], str)
    for section in ("models", "trainers"):
        for entry in info[section].values():
            for value in entry["config"].values():
                assert isinstance(value, list | bool | int | float | str)
                assert value != []
    for section in ("strategies", "scoring"):
        assert all(isinstance(each["description"], str) for each in info[section].values())
    assert 0 <= info["datastore"]["completed"] <= info["datastore"]["total"]
    for stats in info["train_stats"].values():
        assert f"{stats['best_metric']:.4f}"
        assert isinstance(stats["epoch"], int)
        assert isinstance(stats["total_epochs"], int)


def test_connecting(volumes: Project, cells: Project, project: Project) -> None:
    for each in (volumes, cells, project):
        auth = get(each, "/auth/")
        assert (auth.status, auth.json()) == (200, {"enabled": False})
        info = get(each, "/info/").json()
        check_info(info)
        assert get(each, "/train/?check_if_running=true").status == 404
    kinds = [each["type"] for each in get(volumes, "/info/").json()["models"].values()]
    assert kinds == ["segmentation", "deepedit", "deepgrow", "scribbles"]
    assert get(volumes, "/info/").json()["train_stats"]["clicking"]["total_time"]
    assert get(project, "/info/").json()["models"] == {}


def test_the_next_sample_is_downloaded_with_its_first_outline(volumes: Project) -> None:
    before = volumes.held("user-xyz")
    given = post(volumes, "/activelearning/first", {}).json()
    name = given["id"]
    assert given["name"] == f"{name}.nii.gz"
    assert [each.sample_id for each in volumes.held("user-xyz") if each not in before] == [
        volumes.sample(name).id
    ]
    path = f"/datastore/image?image={name}"
    image = exchange(volumes.url, python_client.downloaded_by_slicer(volumes.url, path))
    assert image.status == 200
    assert image.body == volumes.image(name).read_bytes()
    assert image.headers["Content-Disposition"] == f'attachment; filename="{name}.nii.gz"'
    # Were there a checksum, it would be compared with the download.
    digest = hashlib.sha256(image.body).hexdigest()
    assert given.get("checksum", f"SHA256:{digest}") == f"SHA256:{digest}"

    # The outline that the model has drawn ahead, and the names of its values.
    params = {"result_extension": ".nii.gz"}
    sent = python_client.with_form(volumes.url, "POST", f"/infer/clicking?image={name}", params)
    drawn, content, _ = exchange(volumes.url, sent).form()
    sample = volumes.sample(name).id
    wait_for(lambda: volumes.service.predictions.stored(volumes.name, sample))
    listed = get(volumes, "/datastore/?output=all").json()["objects"][name]
    names = listed["labels"]["original"]["info"]["params"]["label_names"]
    assert names == drawn["label_names"] == PARTS
    original = get(volumes, f"/datastore/label?label={name}&tag=original")
    assert original.headers["Content-Disposition"] == f'attachment; filename="{name}.nii.gz"'
    first, second = (
        np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(each)).dataobj)
        for each in (original.body, content)
    )
    np.testing.assert_array_equal(first, second)


def test_nothing_left_is_an_empty_object(site: Site, turned: Path) -> None:
    project = site.project("clicking", PARTS, [turned])
    assert post(project, "/activelearning/random", {}).json()["id"] == "turned"
    other = python_client.with_json(
        project.url, "POST", "/activelearning/random", {"client_id": "somebody else"}
    )
    answer = exchange(project.url, other)
    assert (answer.status, answer.json()) == (200, {})


def test_a_volume_of_the_user_is_uploaded_or_kept_for_a_session(
    project: Project, turned: Path
) -> None:
    # From Windows: the whole path is the file's name.
    sent = python_client.with_form(
        project.url,
        "PUT",
        "/datastore/?image=my+volume",
        WHO,
        {"file": r"C:\Users\ada\AppData\Local\Temp\my volume.nii.gz"},
        {"file": turned.read_bytes()},
    )
    answer = exchange(project.url, sent)
    assert answer.json() == {"image": "my volume"}
    assert project.image("my volume").read_bytes() == turned.read_bytes()

    sent = reviewer.session(project.url, "my volume.nii.gz", turned.read_bytes(), "user-xyz")
    made = exchange(project.url, sent).json()
    session = get(project, f"/session/{made['session_id']}").json()
    assert Path(session["image"]).read_bytes() == turned.read_bytes()
    removed = delete(project, f"/session/{made['session_id']}")
    assert removed.json()["name"] == made["session_id"]
    assert get(project, f"/session/{made['session_id']}").status == 404


@pytest.mark.parametrize("name", ["hippocampus_008", "turned"])
def test_an_automatic_segmentation_lies_on_the_volume(volumes: Project, name: str) -> None:
    config = get(volumes, "/info/").json()["models"]["clicking"]["config"]
    chosen = {key: each[0] if isinstance(each, list) else each for key, each in config.items()}
    params = {**chosen, "result_extension": ".nrrd", "result_dtype": "uint8", **WHO}
    path = f"/infer/clicking?image={name}"
    answer = exchange(volumes.url, python_client.with_form(volumes.url, "POST", path, params))
    assert answer.headers["Content-Length"] == str(len(answer.body))
    told, content, file = answer.form()
    assert file.endswith(".nrrd")
    assert told["label_names"] == PARTS
    volume, image = nrrd.parse(content), nibabel.load(volumes.image(name))
    assert volume.fields["type"] in {"uint8", "unsigned char"}
    assert volume.array.shape == image.shape
    np.testing.assert_allclose(volume.affine(), image.affine, atol=1e-5)
    np.testing.assert_array_equal(volume.array, unprompted(volumes, name))


def test_a_submitted_segmentation_is_the_label(project: Project, hippocampus: Path) -> None:
    name, truth = CASES[0], hippocampus / "labels" / f"{CASES[0]}.nii.gz"
    segments = [{"name": part, "idx": place} for place, part in enumerate(PARTS, start=1)]
    answer = submit(project, name, truth, label_info=segments, model="clicking")
    assert answer.status == 200
    assert answer.json()["image"] == name
    label = project.label(name)
    assert label is not None
    assert (label.state, label.author) == (LabelState.SUBMITTED, "user-xyz")
    assert project.label_bytes(name) == truth.read_bytes()
    assert project.remarks(name) == {"label_info": segments, "model": "clicking", **WHO}
    assert get(project, "/info/").json()["datastore"]["completed"] == 1


def test_segments_in_another_order_are_the_classes_that_they_are_called(
    project: Project, hippocampus: Path, tmp_path: Path
) -> None:
    """The module numbers voxels by the order of the segments, as the user has arranged them."""
    name = CASES[0]
    real = nibabel.load(hippocampus / "labels" / f"{name}.nii.gz")
    truth = np.asarray(real.dataobj).astype(np.uint8)
    exported = np.choose(truth, [0, 2, 1]).astype(np.uint8)
    file = tmp_path / "label.nii.gz"
    nibabel.save(nibabel.Nifti1Image(exported, real.affine), file)
    segments = [{"name": "posterior", "idx": 1}, {"name": "anterior", "idx": 2}]
    assert submit(project, name, file, label_info=segments).status == 200
    stored = nibabel.Nifti1Image.from_bytes(gzip.decompress(project.label_bytes(name)))
    np.testing.assert_array_equal(np.asarray(stored.dataobj), truth)
    np.testing.assert_array_equal(stored.affine, real.affine)


def test_segments_are_told_by_their_order_where_their_numbers_count_the_background(
    project: Project, hippocampus: Path
) -> None:
    """The module counts a segment `background` in `idx`, and leaves it out of the voxels."""
    truth = hippocampus / "labels" / f"{CASES[0]}.nii.gz"
    segments = [{"name": "anterior", "idx": 2}, {"name": "posterior", "idx": 3}]
    assert submit(project, CASES[0], truth, label_info=segments).status == 200
    stored = nibabel.Nifti1Image.from_bytes(gzip.decompress(project.label_bytes(CASES[0])))
    wanted = np.asarray(nibabel.load(truth).dataobj)
    np.testing.assert_array_equal(np.asarray(stored.dataobj), wanted)


def test_a_segmentation_file_of_slicer_is_kept_as_the_nrrd_file_that_it_is(
    project: Project, hippocampus: Path, tmp_path: Path
) -> None:
    truth = SimpleITK.ReadImage(hippocampus / "labels" / f"{CASES[0]}.nii.gz")
    truth.SetMetaData("Segment0_Name", "anterior")
    file = tmp_path / "label.nrrd"
    SimpleITK.WriteImage(SimpleITK.Cast(truth, SimpleITK.sitkUInt8), file)
    file = file.rename(tmp_path / "label.seg.nrrd")
    assert submit(project, CASES[0], file).status == 200
    label = project.label(CASES[0])
    assert label is not None
    assert label.format == ".nrrd"
    assert project.label_bytes(CASES[0]) == file.read_bytes()


def test_a_segment_that_is_no_class_is_refused_in_words(
    project: Project, hippocampus: Path
) -> None:
    segments = [{"name": "anterior", "idx": 1}, {"name": "liver", "idx": 2}]
    truth = hippocampus / "labels" / f"{CASES[0]}.nii.gz"
    answer = submit(project, CASES[0], truth, label_info=segments)
    assert answer.status == 422
    assert "liver" in answer.json()["detail"]
    assert project.every_label(CASES[0]) == []


def test_a_training_is_started_after_a_submit_and_followed_to_its_end(
    project: Project, hippocampus: Path
) -> None:
    assert submit(project, CASES[0], hippocampus / "labels" / f"{CASES[0]}.nii.gz").status == 200
    # The module updates the model by itself: it stops a training that runs, and starts one.
    assert get(project, "/train/?check_if_running=true").status == 404
    assert (delete(project, "/train/").status, delete(project, "/train/").json()) == (200, None)
    trainer = get(project, "/info/").json()["trainers"]["clicking"]
    started = post(project, "/train/clicking", trainer["config"]).json()
    assert started["id"]

    def followed() -> dict[str, Any] | None:
        status: dict[str, Any] = get(project, "/train/").json()
        if status["status"] != "SUBMITTED":
            assert isinstance(status["details"][-1], str)
        check_info(get(project, "/info/").json())
        return status if status["status"] == "DONE" else None

    ended = wait_for(followed)
    assert ended["id"] == started["id"]
    assert ended["start_ts"]
    assert ended["end_ts"]
    assert get(project, "/info/").json()["models"]["clicking"]["type"] == "segmentation"
    assert project.versions() == 1


def test_a_picture_is_labelled_as_the_volume_of_one_slice_that_slicer_makes_of_it(
    site: Site, nuclei: Path, nuclei_cases: list[str], tmp_path: Path
) -> None:
    file = nuclei / "images" / nuclei_cases[3]
    project = site.project("clicking", ["nucleus"], [file])
    name = project.samples()[0]
    rows, columns = 520, 696
    drawn = np.zeros((columns, rows, 1), np.uint8)  # x, y, one slice
    drawn[600:650, 10:30] = 1
    volume = tmp_path / "label.nii.gz"
    nibabel.save(nibabel.Nifti1Image(drawn, np.diag([-1.0, -1.0, 1.0, 1.0])), volume)
    assert submit(project, name, volume, label_info=[{"name": "nucleus", "idx": 1}]).status == 200
    with PIL.Image.open(io.BytesIO(project.label_bytes(name))) as picture:
        stored = np.asarray(picture)
    np.testing.assert_array_equal(stored, drawn[:, :, 0].T)
