"""Labels are compared with what was offered: behind the answer, once, and after a restart too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.loop_models.conftest import truth
from tests.loop_models.in_process_engine import DEADLINE_S

from limner.images import read_mask
from limner.loop.agreement.dice import dice
from limner.records import assignments as assignment_rows
from limner.records import corrections as correction_rows
from limner.records import labels as label_rows
from limner.records import predictions as prediction_rows
from limner.records import samples as sample_rows
from limner.settings import Limits

MakeLab = Callable[..., Any]


@pytest.fixture
def lab(make_lab: MakeLab) -> Any:
    """A project whose first version serves and has drawn the pool ahead."""
    lab = make_lab()
    lab.start()
    lab.ids = lab.add_images(10)
    lab.label(lab.ids[:4])
    lab.train()
    lab.idle()
    return lab


def answer(lab: Any, sample_id: int, version: int = 1) -> int:
    """Label a sample by the truth as the answer to an offer; return the label's id."""
    lab.label([sample_id])
    label_id = lab.sample(sample_id).label_id
    with lab.records.write() as tx:
        label_rows.change(tx, label_id, compared_with=version)
    return int(label_id)


def compared(lab: Any, label_id: int) -> tuple[float | None, int | None]:
    with lab.records.read() as tx:
        label = label_rows.find(tx, label_id)
    assert label is not None
    return label.agreement, label.compared_with


def waiting(lab: Any) -> list[int]:
    with lab.records.read() as tx:
        return [label.id for label, _ in correction_rows.waiting(tx, after=0, limit=100)]


def test_the_agreement_is_the_dice_of_the_label_and_what_was_offered(lab: Any) -> None:
    label = answer(lab, lab.ids[5])
    offered = lab.predictions.predict("demo", lab.ids[5]).data
    assert isinstance(offered, Path)
    mask = truth(int(lab.sample(lab.ids[5]).name.removeprefix("case")))
    expected = dice(read_mask(offered, Limits(), suffix=".nii.gz").array, mask.array, 1)
    lab.corrections.fill()
    found, version = compared(lab, label)
    assert found == pytest.approx(expected)
    assert version == 1
    assert waiting(lab) == []


def test_what_a_crash_left_is_compared_after_the_next_start(lab: Any) -> None:
    label = answer(lab, lab.ids[5])
    lab.restart()
    assert waiting(lab) == [label]
    lab.corrections.start()
    end = time.monotonic() + DEADLINE_S
    while compared(lab, label)[0] is None:
        assert time.monotonic() < end
    lab.corrections.stop()


def test_a_prediction_that_was_let_go_or_never_drawn_is_compared_with_nothing(lab: Any) -> None:
    gone, never = answer(lab, lab.ids[5]), answer(lab, lab.ids[6], version=7)
    with lab.records.write() as tx:
        version = lab.serving().id
        prediction_rows.forget(tx, version, limit=100)
    lab.corrections.fill()
    assert [compared(lab, each) for each in (gone, never)] == [(None, None)] * 2
    assert waiting(lab) == []


def test_a_prediction_drawn_after_the_label_was_not_seen(lab: Any) -> None:
    label = answer(lab, lab.ids[5])
    lab.clock.now += 60
    lab.touch(lab.ids[5])
    lab.predictions.predict("demo", lab.ids[5])
    lab.keeper.stop()
    lab.corrections.fill()
    assert compared(lab, label) == (None, None)


def test_a_label_that_cannot_be_read_does_not_hold_up_the_others(lab: Any) -> None:
    broken, sound = answer(lab, lab.ids[5]), answer(lab, lab.ids[6])
    with lab.records.write() as tx:
        label_rows.change(tx, broken, sha256="0" * 64)
    lab.corrections.fill()
    assert compared(lab, broken) == (None, None)
    assert compared(lab, sound)[0] is not None


def test_a_scan_for_a_new_version_compares_first_and_keeps_what_is_lent(lab: Any) -> None:
    label, lent = answer(lab, lab.ids[5]), lab.sample(lab.ids[6])
    with lab.records.write() as tx:
        assignment_rows.add(
            tx, project_id=lab.project_id, sample_id=lent.id, annotator="ann", state="held",
            slot=0, purpose="training", strategy="entropy", score=None, reason="", position=None,
            offered=1, created_at=lab.clock(), expires_at=lab.clock() + 60,
        )  # fmt: skip
    first = lab.serving()
    lab.engine.scores = [0.9, 0.9, 0.5]
    lab.train()
    lab.idle()
    assert lab.serving().number == 2
    assert compared(lab, label)[0] is not None
    with lab.records.read() as tx:
        kept = [prediction_rows.find(tx, first.id, each) for each in lab.ids]
    assert [each.sample_id for each in kept if each is not None] == [lent.id]
    later = answer(lab, lent.id)
    lab.corrections.fill()
    assert compared(lab, later)[0] is not None


def test_rejected_labels_do_not_count(lab: Any) -> None:
    labels = [answer(lab, each) for each in lab.ids[5:7]]
    lab.corrections.fill()
    with lab.records.write() as tx:
        label_rows.change(tx, labels[1], state="rejected")
        found = correction_rows.newest(tx, lab.project_id, limit=10)
        sample_rows.change(tx, lab.ids[6], label_id=None)
    assert [version for _, version in found] == [1]
