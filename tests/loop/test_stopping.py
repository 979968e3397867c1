"""What signals say of the figures that they stand on."""

from __future__ import annotations

import pytest

from limner.loop.stopping import correction, stability
from limner.plugin import Task
from limner.records.stability import VersionAgreement


def test_the_newest_labels_are_told_apart_from_those_before() -> None:
    found = correction(Task.SEGMENTATION, [(0.98, 2)] * 11 + [(0.5, 2)] * 9 + [(0.8, 1)] * 20)
    assert (found.measure, found.labels) == ("dice", 40)
    assert (found.newest, found.earlier) == (0.98, 0.8)
    assert found.is_settled
    told = [(each.number, each.labels, each.agreement) for each in found.versions]
    assert told == [(1, 20, 0.8), (2, 20, 0.98)]


def test_a_few_labels_settle_nothing() -> None:
    assert correction(Task.INSTANCES, []).newest is None
    found = correction(Task.INSTANCES, [(1.0, 1)] * 19)
    assert (found.newest, found.earlier, found.is_settled) == (1.0, None, False)
    assert correction(Task.INSTANCES, [(1.0, 1)] * 20).is_settled


def test_of_classes_the_share_left_as_it_was_counts_not_the_median() -> None:
    found = correction(Task.CLASSIFICATION, [(1.0, 1)] * 19 + [(0.0, 1)])
    assert found.newest == pytest.approx(0.95)
    assert not found.is_settled


def agreeing(*values: float, measure: str = "dice") -> list[VersionAgreement]:
    return [
        VersionAgreement(
            number=number, measure=measure, agreement=value, cases=50, compared_with=number - 1
        )
        for number, value in enumerate(values, start=2)
    ]


def test_three_agreeing_versions_in_a_row_are_stable() -> None:
    found = stability(agreeing(0.99, 0.9, 0.97, 0.98))
    assert (found.rounds, found.is_stable) == (2, False)
    assert stability(agreeing(0.9, 0.97, 0.98, 0.99)).is_stable
    assert stability([]).rounds == 0


def test_kappa_has_to_be_higher() -> None:
    assert not stability(agreeing(0.98, 0.98, 0.98, measure="kappa")).is_stable
    assert stability(agreeing(0.99, 0.99, 1.0, measure="kappa")).is_stable
