"""The loop with a model whose libraries the server does not have: over HTTP, on real volumes."""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import psutil
import pytest
from tests.http.conftest import wait_for

from limner.engine import Engine

if TYPE_CHECKING:
    from tests.another_python.conftest import KerasServer

CASES = 14
ADOPTED = 11
STEPS = 120


def libraries_of(pid: int) -> str:
    """The names of all files that a process has mapped."""
    return " ".join(each.path for each in psutil.Process(pid).memory_maps())


def workers(engine: Engine) -> dict[str, int | None]:
    return {each.name: each.pid for each in engine.status()}


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_of_another_python_goes_round_the_loop(
    keras_server: KerasServer, hippocampus: Path, tmp_path: Path
) -> None:
    client = keras_server.client
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder in (images, labels):
        folder.mkdir()
    known = {path.name for path in (hippocampus / "images").iterdir()}
    labelled = sorted(p for p in (hippocampus / "labels").iterdir() if p.name in known)
    for number, label in enumerate(labelled[:CASES]):
        shutil.copy(hippocampus / "images" / label.name, images)
        if number < ADOPTED:
            shutil.copy(label, labels)

    listed = {each.name: each for each in client.plugins()}
    assert listed["keras-unet"].problems == ()
    assert workers(keras_server.engine).keys() == {"predictor", "learner", "picker"}

    client.create_project(
        "keras",
        app="keras-unet",
        images=str(images),
        labels=["anterior", "posterior"],
        adopt=str(labels),
        settings={"retrain_every": 0, "app_options": {"steps": STEPS}},
    )
    project = client.project("keras")
    wait_for(lambda: project.get().counts["labelled"] == ADOPTED)
    lent = project.next("ann").assignment
    assert lent is not None
    truth = hippocampus / "labels" / f"{lent.sample.name}.nii.gz"
    project.submit(lent.sample.id, truth, annotator="ann", assignment=lent.id)
    assert project.get().counts["labelled"] == ADOPTED + 1

    job = client.wait(project.start_job("train"))
    assert job.state == "succeeded", job.failure
    assert job.result is not None
    assert job.result["outcome"] == "promoted"
    assert project.model(1).state == "serving"

    lent = project.next("ann").assignment
    assert lent is not None
    name = f"{lent.sample.name}.nii.gz"
    predicted = project.predict(lent.sample.id, accept="application/gzip")
    assert predicted.model_version == 1
    content = predicted.data
    mask = nibabel.Nifti1Image.from_bytes(
        gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    )
    image = nibabel.load(images / name)
    assert mask.shape == image.shape
    np.testing.assert_array_equal(mask.affine, image.affine)
    found = np.asarray(mask.dataobj) > 0
    true = np.asarray(nibabel.load(hippocampus / "labels" / name).dataobj) > 0
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.4

    assert not {"tensorflow", "keras"} & set(sys.modules)
    alive = {name: pid for name, pid in workers(keras_server.engine).items() if pid is not None}
    assert {"predictor", "predictor of keras-unet", "learner of keras-unet"} <= alive.keys()
    for name, pid in alive.items():
        assert ("tensorflow" in libraries_of(pid)) == name.endswith("of keras-unet"), name
