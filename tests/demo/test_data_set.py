"""What is drawn lies on the disk as a server and an annotator want it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limner.demo.cells import draw_cells
from limner.demo.data_set import write_data_set
from limner.demo.drawings import DRAWINGS
from limner.images import read_header, read_image, read_label
from limner.plugin import ClassScores, Instances, LabelSchema, Task, window
from limner.settings import Limits

PICTURES = (Task.INSTANCES, Task.CLASSIFICATION)


def test_every_task_has_a_drawing_of_its_own() -> None:
    assert set(DRAWINGS) == set(Task)
    assert len({each.project for each in DRAWINGS.values()}) == len(Task)


@pytest.mark.parametrize("task", Task)
def test_labels_stay_out_of_the_served_folder(tmp_path: Path, task: Task) -> None:
    told: list[tuple[int, int]] = []
    data = write_data_set(
        DRAWINGS[task], tmp_path, 2, pool=3, unseen=2, on_step=lambda *at: told.append(at)
    )
    served = sorted(each.name.split(".")[0] for each in data.images.iterdir())
    assert served == [f"case-00{number}" for number in range(1, 6)]
    assert list(data.truth) == ["case-001", "case-002", "case-003"]
    assert list(data.unseen) == ["case-004", "case-005"]
    assert told[-1] == (5, 5)
    for label in (*data.truth.values(), *data.unseen.values()):
        assert label.is_file()
        assert data.images not in label.parents


def test_volumes_and_masks_share_a_geometry(tmp_path: Path) -> None:
    import nibabel

    data = write_data_set(DRAWINGS[Task.SEGMENTATION], tmp_path, 2, pool=1, unseen=0)
    image = nibabel.load(data.images / "case-001.nii.gz")
    label = nibabel.load(data.truth["case-001"])
    assert image.shape == label.shape
    assert np.array_equal(image.affine, label.affine)


@pytest.mark.parametrize("task", PICTURES)
def test_pictures_and_labels_are_what_the_server_reads(tmp_path: Path, task: Task) -> None:
    drawing = DRAWINGS[task]
    data = write_data_set(drawing, tmp_path, 2, pool=4, unseen=0)
    schema = LabelSchema.of(*drawing.classes)
    for name, file in data.truth.items():
        image = data.images / f"{name}.png"
        header = read_header(image, Limits())
        label = read_label(file, ".json", header, schema, task, Limits())
        assert isinstance(label, Instances if task is Task.INSTANCES else ClassScores)
        assert read_image(image, Limits()).array.dtype == np.uint8


def test_cells_are_written_whole_where_they_overlap(tmp_path: Path) -> None:
    drawing = DRAWINGS[Task.INSTANCES]
    data = write_data_set(drawing, tmp_path, 2, pool=1, unseen=0)
    drawn = draw_cells(2, 0)
    header = read_header(data.images / "case-001.png", Limits())
    schema = LabelSchema.of(*drawing.classes)
    label = read_label(data.truth["case-001"], ".json", header, schema, Task.INSTANCES, Limits())
    assert isinstance(label, Instances)
    assert [schema.names[value - 1] for value in label.classes] == list(drawn.kinds)
    for box, cut, mask in zip(label.boxes, label.masks, drawn.masks, strict=True):
        assert cut is not None
        assert np.array_equal(cut, mask[window(box)])
        assert cut.sum() == mask.sum()


def test_a_texture_is_labelled_with_one_class(tmp_path: Path) -> None:
    drawing = DRAWINGS[Task.CLASSIFICATION]
    data = write_data_set(drawing, tmp_path, 2, pool=3, unseen=0)
    for file in data.truth.values():
        (found,) = json.loads(file.read_text())["classes"]
        assert found in drawing.classes


@pytest.mark.parametrize("task", Task)
def test_the_command_draws_only_when_that_is_asked(tmp_path: Path, task: Task) -> None:
    folder = tmp_path / "new"
    ended = demo("--task", task.value, "--data-only", str(folder), "--pool", "2")
    assert ended.returncode == 0, ended.stderr
    assert f"2 {DRAWINGS[task].things} in" in ended.stdout
    for each in ("images", "labels"):
        assert len(list((folder / each).iterdir())) == 2


@pytest.mark.parametrize(
    ("option", "value"), [("--task", "regression"), ("--pool", "1"), ("--labels", "0")]
)
def test_a_demo_that_cannot_be_is_refused(tmp_path: Path, option: str, value: str) -> None:
    ended = demo(option, value, "--data-only", str(tmp_path / "new"))
    assert ended.returncode == 2
    assert option in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "new").exists()


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "limner.cli", "demo", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
