"""Which files can be labels of which task."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from limner.errors import UnsupportedFormat
from limner.images import (
    MASK_TYPES,
    Header,
    encode_answer,
    label_oddities,
    label_suffix,
    label_suffixes,
    label_types,
    media_type,
)
from limner.images.suffixes import Kind
from limner.plugin import ClassScores, Instances, LabelSchema, Mask, Task

KINDS: tuple[Kind, ...] = ("picture", "volume")


def test_the_best_format_of_a_task_comes_first() -> None:
    assert label_suffixes(Task.SEGMENTATION, "picture") == (".png", ".tif")
    assert label_suffixes(Task.INSTANCES, "picture") == (".json", ".png", ".tif")
    assert label_suffixes(Task.INSTANCES, "volume")[0] == ".nii.gz"
    assert {label_suffixes(Task.CLASSIFICATION, kind) for kind in KINDS} == {(".json",)}


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_has_a_media_type_that_leads_back(task: Task, kind: Kind) -> None:
    for suffix in label_suffixes(task, kind):
        assert label_types(task)[media_type(suffix)] == suffix


def test_the_types_of_a_task_are_no_others() -> None:
    assert label_types(Task.SEGMENTATION) == MASK_TYPES
    assert dict(label_types(Task.CLASSIFICATION)) == {"application/json": ".json"}


@pytest.mark.parametrize(
    ("name", "task", "suffix"),
    [
        ("a.PNG", Task.SEGMENTATION, ".png"),
        ("a.nii.gz", Task.INSTANCES, ".nii.gz"),
        ("a.tiff", Task.INSTANCES, ".tif"),
        ("a.JSON", Task.INSTANCES, ".json"),
        ("a.json", Task.CLASSIFICATION, ".json"),
    ],
)
def test_a_name_says_the_format(name: str, task: Task, suffix: str) -> None:
    assert label_suffix(name, task) == suffix


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("a.json", Task.SEGMENTATION),
        ("a.png", Task.CLASSIFICATION),
        ("a.jpg", Task.INSTANCES),
        ("json", Task.INSTANCES),
        ("", Task.CLASSIFICATION),
    ],
)
def test_a_name_of_another_task_is_refused(name: str, task: Task) -> None:
    with pytest.raises(UnsupportedFormat, match=f"a label of {task.value}"):
        label_suffix(name, task)


def test_an_answer_is_not_written_in_a_format_that_cannot_carry_it(
    picture_header: Callable[..., Header],
) -> None:
    header = picture_header((2, 2))
    schema = LabelSchema.of("a")
    mask = Mask(array=np.zeros((2, 2), np.uint8), spacing=(1.0, 1.0))
    classes = ClassScores(probabilities=np.ones(1, np.float32))
    with pytest.raises(UnsupportedFormat):
        encode_answer(mask, header, schema, ".json")
    with pytest.raises(UnsupportedFormat):
        encode_answer(classes, header, schema, ".png")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "instance 1 is in several pieces"),
        (2, "instances 1 and 2 are in several pieces"),
        (5000, "instances 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4990 more are in several pieces"),
    ],
)
def test_oddities_are_told_in_a_few_words(count: int, said: str) -> None:
    two = np.array([[True, False, True]])
    answer = Instances(
        boxes=np.tile(np.array([0, 0, 1, 3], np.float32), (count, 1)),
        masks=(two,) * count,
        classes=np.ones(count, np.int64),
        scores=np.ones(count, np.float32),
    )
    assert label_oddities(answer) == said


def test_pycocotools_is_loaded_with_the_first_coco_file_only() -> None:
    code = "import sys, limner.images; print('pycocotools' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "False"
