"""Average precision, against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from limner.plugin import Instances, no_instances
from limner_apps.instances import average_precision
from limner_apps.instances.average_precision import AveragePrecision

SHAPE = (40, 40)


def boxed(*boxes: tuple[int, int, int, int], scores: tuple[float, ...] = ()) -> Instances:
    """Objects of one class that fill their boxes."""
    return Instances(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        masks=tuple(np.ones((b[2] - b[0], b[3] - b[1]), bool) for b in boxes),
        classes=np.ones(len(boxes), np.int64),
        scores=np.asarray(scores or [1.0] * len(boxes), np.float32),
    )


HERE, THERE = (0, 0, 10, 10), (20, 20, 30, 30)


def test_what_is_found_exactly_has_precision_one() -> None:
    precision = AveragePrecision((1,))
    precision.add(boxed(HERE, THERE), boxed(HERE, THERE), SHAPE)
    for kind in ("segm", "bbox"):
        assert precision.measure(kind) == pytest.approx({"ap": 1.0, "ap50": 1.0})


def test_an_overlap_of_seven_tenths_counts_up_to_that_threshold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    precision = AveragePrecision((1,))
    precision.add(boxed((0, 0, 7, 10)), boxed(HERE), SHAPE)
    # Of the thresholds 0.50, 0.55, …, 0.95 five are at most 0.7.
    assert precision.measure("segm") == pytest.approx({"ap": 0.5, "ap50": 1.0})
    assert capsys.readouterr().out == ""


def test_images_do_not_mix() -> None:
    precision = AveragePrecision((1,))
    precision.add(boxed(HERE, scores=(0.9,)), boxed(HERE), SHAPE)
    precision.add(boxed(THERE, scores=(0.8,)), boxed(HERE), SHAPE)
    # One of two is found before the mistake: precision 1 up to a recall of one half.
    assert precision.measure("segm")["ap50"] == pytest.approx(51 / 101)


def test_more_than_a_hundred_objects_of_an_image_all_count() -> None:
    grid = [(r, c, r + 2, c + 2) for r in range(0, 39, 3) for c in range(0, 39, 3)]
    precision = AveragePrecision((1,))
    precision.add(boxed(*grid), boxed(*grid), SHAPE)
    assert len(grid) > 100
    assert precision.measure("segm")["ap"] == pytest.approx(1.0)


def test_a_label_of_boxes_counts_for_boxes_alone() -> None:
    precision = AveragePrecision((1,))
    precision.add(boxed(HERE), replace(boxed(HERE), masks=(None,)), SHAPE)
    assert precision.measure("bbox") == pytest.approx({"ap": 1.0, "ap50": 1.0})
    assert precision.measure("segm") == {}


def test_without_any_labelled_object_nothing_is_defined() -> None:
    precision = AveragePrecision((1,))
    precision.add(boxed(HERE), no_instances(2), SHAPE)
    assert precision.measure("segm") == {}


def test_nothing_found_has_precision_zero() -> None:
    precision = AveragePrecision((1,))
    precision.add(no_instances(2), boxed(HERE), SHAPE)
    assert precision.measure("segm") == {"ap": 0.0, "ap50": 0.0}


def test_an_image_that_would_take_minutes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(average_precision, "_MOST_PAIRS", 3)
    precision = AveragePrecision((1,))
    precision.add(boxed(HERE, THERE), boxed(HERE, THERE), SHAPE)
    assert precision.measure("segm") == {}
