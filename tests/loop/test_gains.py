"""What an arm bought: its sign, its interval, and which labels a trial leaves out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from limner.loop.arms import Standing, arms_of
from limner.loop.gains import NEWEST, bought, differences, interval
from limner.loop.trial_plan import FEWEST, MOST, drawn
from limner.plugin import CONTROL_ARM, Bought, Evaluation
from limner.records.rows import ArmTrial


def evaluation(scores: Mapping[str, float], weights: Mapping[str, float] = {}) -> Evaluation:
    return Evaluation(measure="dice", case_scores=scores, class_scores={}, case_weights=weights)


def trial(job: int, arm: str = "clasp", measure: str = "dice", **cases: float) -> ArmTrial:
    return ArmTrial(
        project_id=1,
        job_id=job,
        arm=arm,
        labels=5,
        measure=measure,
        differences=cases,
        newest_label_id=job,
        created_at=0.0,
    )


def test_an_arm_whose_loss_hurts_more_than_the_control_s_has_gained() -> None:
    """A toy whose truth is known: a label of the arm is worth 0.03, one of the control 0.01."""
    worth = {"clasp": 0.03, CONTROL_ARM: 0.01}
    everything = 0.2 + 5 * sum(worth.values())
    left = {arm: evaluation({"a": everything - 5 * each}) for arm, each in worth.items()}
    gain = differences(left[CONTROL_ARM], left["clasp"])
    assert gain["a"] == pytest.approx(5 * (0.03 - 0.01))


def test_the_mean_of_the_differences_is_that_of_the_weighted_means() -> None:
    weights = {"a": 1.0, "b": 3.0}
    control, arm = {"a": 0.5, "b": 0.9}, {"a": 0.6, "b": 0.7, "c": 0.1}
    found = differences(evaluation(control, weights), evaluation(arm, weights))
    assert set(found) == {"a", "b"}
    assert sum(found.values()) / 2 == pytest.approx((0.5 + 3 * 0.9) / 4 - (0.6 + 3 * 0.7) / 4)


def test_one_trial_says_nothing_of_how_sure_it_is() -> None:
    gain, low, high = interval([{"a": 0.1, "b": 0.1}])
    assert gain == pytest.approx(0.1)
    assert (low, high) == (-math.inf, math.inf)


def test_the_interval_is_as_wide_as_trials_and_cases_differ() -> None:
    alike = interval([{"a": 0.1, "b": 0.1}] * 3)
    by_trial = interval([{"a": 0.0, "b": 0.0}, {"a": 0.1, "b": 0.1}, {"a": 0.2, "b": 0.2}])
    by_case = interval([{"a": 0.0, "b": 0.2}] * 3)
    assert alike[1:] == pytest.approx((0.1, 0.1))
    assert by_trial[1:] == pytest.approx((0.1 - 1.886 * 0.1 / 3**0.5, 0.1 + 1.886 * 0.1 / 3**0.5))
    assert by_case[1:] == pytest.approx((0.1 - 1.886 * 0.1, 0.1 + 1.886 * 0.1))


@pytest.mark.parametrize("trials", [2, 4, NEWEST])
@pytest.mark.parametrize(("training", "case", "rest"), [(1, 0, 1), (0.3, 0.5, 3), (0.1, 1, 1)])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(
    trials: int, training: float, case: float, rest: float
) -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        found = training * random.normal(size=(trials, 1)) + case * random.normal(size=(1, 20))
        found = found + rest * random.normal(size=(trials, 20))
        _, low, high = interval(
            [{str(at): each for at, each in enumerate(row)} for row in found.tolist()]
        )
        held += low <= 0 <= high
    assert held / 400 >= 0.77  # 0.8 less what 400 draws leave open


def test_the_newest_trials_of_each_arm_count_and_only_those_of_one_measure() -> None:
    many = [trial(100 - job, a=0.0 if job < NEWEST else 9.0) for job in range(NEWEST + 3)]
    found = bought([*many, trial(5, "badge", a=0.3), trial(4, "badge", "auc", a=9.0)])
    assert found["clasp"] == Bought(
        gain=0.0, low=0.0, high=0.0, measure="dice", labels=5 * NEWEST, trials=NEWEST
    )
    assert (found["badge"].gain, found["badge"].trials) == (0.3, 1)
    assert not found["badge"].is_more
    assert bought([]) == {}


def test_as_many_labels_of_every_arm_are_left_out_and_the_seed_says_which() -> None:
    labels = {"clasp": range(100, 130), CONTROL_ARM: range(6), "badge": range(200, 203)}
    found = drawn(labels, 1)
    assert list(found) == [CONTROL_ARM, "clasp"]
    assert {len(each) for each in found.values()} == {6}
    assert set(found["clasp"]) <= set(range(100, 130))
    assert drawn(labels, 1) == found
    assert drawn(labels, 2) != found
    wide = drawn({"clasp": range(100, 200), CONTROL_ARM: range(99)}, 1)
    assert {len(each) for each in wide.values()} == {MOST}


@pytest.mark.parametrize(("control", "arm"), [(FEWEST - 1, 50), (50, FEWEST - 1), (0, 50), (50, 0)])
def test_too_few_labels_of_an_arm_make_no_trial(control: int, arm: int) -> None:
    assert drawn({CONTROL_ARM: range(control), "clasp": range(100, 100 + arm)}, 1) == {}


def test_arms_stand_by_their_intervals_and_the_control_comes_first() -> None:
    def known(low: float, high: float) -> Bought:
        return Bought(gain=0, low=low, high=high, measure="dice", labels=8, trials=2)

    found = arms_of(
        {"a": 5, CONTROL_ARM: 4},
        {"a": known(0.1, 0.2), "b": known(-0.2, -0.1), "c": known(-0.1, 0.1)},
    )
    assert [(each.arm, each.labels, each.standing) for each in found] == [
        (CONTROL_ARM, 4, Standing.CONTROL),
        ("a", 5, Standing.MORE),
        ("b", 0, Standing.LESS),
        ("c", 0, Standing.OPEN),
    ]
