"""OHIF's extension, in a browser on a page of another port of the same machine."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.clients.conftest import PARTS, Project, Site, serving
from tests.clients.viewers import axios, nrrd
from tests.clients.viewers.conftest import unprompted
from tests.clients.viewers.wire import Answer, exchange
from tests.http.conftest import wait_for

from limner.records.rows import JobState, LabelState

SERIES = "1.3.6.1.4.1.14519.5.2.1.6279.6001.298806137288633453246975630178"
STRANGER = "https://example.org"


@pytest.fixture(scope="module")
def series(site: Site, hippocampus: Path, turned: Path, tmp_path_factory: Any) -> Project:
    """A model, and a volume that is called by the identifier of a series."""
    adopt = tmp_path_factory.mktemp("adopt")
    images = {f"{SERIES}.nii.gz": turned}
    for number in ("001", "003"):
        name = f"hippocampus_{number}.nii.gz"
        images[name] = hippocampus / "images" / name
        (adopt / name).write_bytes((hippocampus / "labels" / name).read_bytes())
    project = site.project("clicking", PARTS, images, adopt)
    project.train()
    return project


def readable(answer: Answer, origin: str = axios.ORIGIN) -> bool:
    """Whether the browser lets the page see an answer."""
    return answer.headers["Access-Control-Allow-Origin"] in {origin, "*"}


def infer(project: Project, model: str, params: dict[str, Any]) -> Answer:
    """Ask as all tools do, for bytes of a volume."""
    asked = {
        **params,
        "result_extension": ".nrrd",
        "result_dtype": "uint8",
        "result_compress": False,
        "restore_label_idx": False,
    }
    path = f"/infer/{model}?image={SERIES}&output=image"
    return exchange(project.url, axios.with_form(project.url, "POST", path, asked))


def get(project: Project, path: str) -> Answer:
    return exchange(project.url, axios.bare(project.url, "GET", path))


def test_connecting(series: Project, cells: Project) -> None:
    for project in (series, cells):
        answer = get(project, "/info/")
        assert readable(answer)
        info = answer.json()
        assert isinstance(info["labels"], list)
        for model in info["models"].values():
            assert model["type"]
            assert isinstance(model["labels"], list | dict)
            assert isinstance(model["dimension"], int)
        for section in ("strategies", "trainers"):
            assert isinstance(info[section], dict)
        assert {"completed", "total"} <= set(info["datastore"])
        first = next(iter(info["train_stats"].values()))
        assert {"epoch", "total_epochs", "total_time", "best_metric"} <= set(first)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/activelearning/random", "content-type"),
        ("POST", "/train/", "content-type"),
        ("DELETE", "/train/", ""),
        ("PUT", f"/datastore/label?image={SERIES}", "content-type"),
        ("GET", "/info/", "authorization"),
    ],
)
def test_a_page_of_this_machine_may_ask(
    series: Project, method: str, path: str, headers: str
) -> None:
    answer = exchange(series.url, axios.preflight(series.url, method, path, headers))
    assert answer.status in {200, 204}
    assert readable(answer)
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert set(headers.split()) <= set(allowed.replace(",", " ").split())


def test_an_outline_comes_as_plain_bytes_of_the_same_voxels(series: Project) -> None:
    answer = infer(series, "clicking", {})
    assert answer.status == 200
    assert readable(answer)
    assert answer.headers["Content-Encoding"] is None
    volume, image = nrrd.parse(answer.body), nibabel.load(series.image(SERIES))
    assert volume.fields["encoding"] == "raw"
    assert volume.fields["type"] in {"uint8", "unsigned char", "uchar"}
    assert volume.fields["sizes"] == " ".join(str(each) for each in image.shape)
    np.testing.assert_array_equal(volume.array, unprompted(series, SERIES))


def test_voxels_count_the_classes_whatever_their_values_are(
    site: Site, hippocampus: Path, turned: Path, tmp_path: Path
) -> None:
    name = "hippocampus_001.nii.gz"
    real = nibabel.load(hippocampus / "labels" / name)
    values = np.choose(np.asarray(real.dataobj), [0, 3, 7]).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, real.affine), tmp_path / name)
    images = {f"{SERIES}.nii.gz": turned, name: hippocampus / "images" / name}
    project = site.project("clicking", {"anterior": 3, "posterior": 7}, images, tmp_path)
    project.train()
    labels = get(project, "/info/").json()["models"]["clicking"]["labels"]
    assert labels == PARTS
    volume = nrrd.parse(infer(project, "clicking", {}).body)
    seen = unprompted(project, SERIES)
    assert set(np.unique(seen)) == {0, 3, 7}
    for place, value in ((1, 3), (2, 7)):
        np.testing.assert_array_equal(volume.array == place, seen == value)


def test_the_next_image_is_said_in_json(site: Site, turned: Path) -> None:
    project = site.project("clicking", PARTS, {f"{SERIES}.nii.gz": turned})
    path = "/activelearning/random"
    answer = exchange(project.url, axios.with_json(project.url, "POST", path, {}))
    assert readable(answer)
    assert answer.json()["id"] == SERIES
    assert len(project.held("monai-label")) == 1


def test_a_training_is_started_watched_and_stopped(
    site: Site, nuclei: Path, nuclei_cases: list[str], tmp_path: Path
) -> None:
    name = nuclei_cases[0]
    (tmp_path / name).write_bytes((nuclei / "labels" / name).read_bytes())
    slow = {"step_seconds": 0.3}
    images = [nuclei / "images" / name]
    project = site.project("tiny-instances", ["nucleus"], images, tmp_path, app_options=slow)
    wait_for(lambda: project.labelled() == 1)
    assert get(project, "/train/?check_if_running=true").status == 404
    params = {"tiny-instances": {"pretrained": True, "max_epochs": 10}}
    sent = axios.with_json(project.url, "POST", "/train/", params)
    started = exchange(project.url, sent).json()["tiny-instances"]["result"]

    def is_running() -> bool:
        answer = get(project, "/train/?check_if_running=true")
        assert readable(answer)
        return answer.status == 200 and answer.json()["status"] == "RUNNING"

    wait_for(is_running)
    stopped = exchange(project.url, axios.bare(project.url, "DELETE", "/train/"))
    assert stopped.json()["id"] == started["id"]
    job = int(started["id"])
    wait_for(lambda: project.service.jobs.get(job).state == JobState.CANCELLED)
    assert not is_running()


def test_a_drawing_is_submitted_as_bare_voxels(series: Project) -> None:
    """The extension of OHIF 2 does so; that of OHIF 3 has the code."""
    image = nibabel.load(series.image(SERIES))
    drawn = np.zeros(image.shape, np.uint8)
    drawn[5:9, 3:20, 2:6] = 2
    params = {"label_info": [{"name": "anterior", "idx": 1}, {"name": "posterior", "idx": 2}]}
    sent = axios.with_form(
        series.url,
        "PUT",
        f"/datastore/label?image={SERIES}&tag=drawn",
        params,
        ("label", "label.bin", drawn.tobytes(order="F")),
    )
    answer = exchange(series.url, sent)
    assert answer.status == 200, answer.body
    label = series.label(SERIES, "drawn")
    assert label is not None
    assert label.state == LabelState.DRAFT
    assert label.format == ".nii.gz"
    stored = nibabel.Nifti1Image.from_bytes(gzip.decompress(series.label_bytes(SERIES, "drawn")))
    np.testing.assert_array_equal(np.asarray(stored.dataobj), drawn)
    np.testing.assert_array_equal(stored.affine, image.affine)


def test_errors_can_be_read_by_the_page_too(series: Project) -> None:
    for answer in (
        get(series, "/datastore/label?label=none&tag=final"),
        infer(series, "no-such-model", {}),
        exchange(series.url, axios.with_json(series.url, "POST", "/activelearning/none", {})),
    ):
        assert answer.status == 404
        assert readable(answer)
        assert answer.json()["detail"]


def test_a_strangers_page_is_told_nothing_and_changes_nothing(site: Site, turned: Path) -> None:
    project = site.project("clicking", PARTS, [turned])
    seen = exchange(project.url, axios.bare(project.url, "GET", "/info/", STRANGER))
    assert not readable(seen, STRANGER)
    asked = axios.preflight(project.url, "POST", "/train/", "content-type", STRANGER)
    assert not readable(exchange(project.url, asked), STRANGER)
    # A form needs no question before it; it is refused as such.
    for path in ("/activelearning/random", "/infer/clicking?image=turned", "/train/"):
        sent = axios.with_form(project.url, "POST", path, {}, origin=STRANGER)
        assert exchange(project.url, sent).status == 403
    assert project.held("monai-label") == []


def test_where_a_token_is_needed_a_page_must_have_it_and_its_first_question_is_answered(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, token="secret") as guarded:
        project = guarded.project("clicking", PARTS, [])
        asked = axios.preflight(project.url, "GET", "/info/", "authorization", STRANGER)
        answer = exchange(project.url, asked)
        assert answer.status in {200, 204}
        assert readable(answer, STRANGER)
        refused = exchange(project.url, axios.bare(project.url, "GET", "/info/"))
        assert refused.status == 401
        assert readable(refused)
