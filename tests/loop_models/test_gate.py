"""What the gate lets pass and what it does not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.loop.gate import decide, lower_bound, refused_if_collapsed
from limner.plugin import Evaluation
from limner.settings import GateSettings

GATE = GateSettings()
# No deadline: a busy machine is no failure.
quick = settings(max_examples=40, deadline=None)
scores = st.floats(min_value=0, max_value=1).map(lambda value: round(value, 6))
score_lists = st.lists(scores, min_size=1, max_size=30)


def measured(
    case_scores: Mapping[str, float] | list[float], classes: Mapping[str, float] | None = None
) -> Evaluation:
    if isinstance(case_scores, list):
        case_scores = {str(number): score for number, score in enumerate(case_scores)}
    mean = math.fsum(case_scores.values()) / max(len(case_scores), 1)
    return Evaluation(
        measure="dice",
        case_scores=case_scores,
        class_scores={"one": mean} if classes is None else classes,
    )


@quick
@given(score_lists, st.floats(min_value=0, max_value=0.1))
def test_a_candidate_with_identical_scores_is_not_worse(values: list[float], margin: float) -> None:
    gate = GateSettings(margin=margin)
    decision = decide(measured(values), measured(values), gate, seed=1)
    assert decision.promotes
    assert decision.mean_difference == 0
    assert decision.lower_bound == 0


@quick
@given(score_lists, st.floats(min_value=0.03, max_value=0.5))
def test_a_candidate_that_is_worse_on_every_case_is_refused(
    values: list[float], drop: float
) -> None:
    candidate = [value - drop for value in values]
    decision = decide(measured(candidate), measured(values), GATE, seed=1)
    assert not decision.promotes
    assert "Worse" in decision.reason


@quick
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=30), st.randoms())
def test_the_order_and_the_names_of_cases_do_not_change_the_decision(
    pairs: list[tuple[float, float]], random: Random
) -> None:
    names = [f"case {number}" for number in range(len(pairs))]
    shuffled = list(names)
    random.shuffle(shuffled)
    plain, renamed = (
        decide(
            measured({name: pair[0] for name, pair in zip(order, pairs, strict=True)}),
            measured({name: pair[1] for name, pair in zip(order, pairs, strict=True)}),
            GATE,
            seed=7,
        )
        for order in (names, shuffled)
    )
    assert plain.outcome == renamed.outcome
    assert plain.lower_bound == renamed.lower_bound
    assert plain.mean_difference == renamed.mean_difference


@quick
@given(
    st.lists(st.floats(min_value=-1, max_value=1), min_size=2, max_size=40),
    st.floats(min_value=0.001, max_value=0.5),
)
def test_the_bound_moves_with_the_differences(differences: list[float], shift: float) -> None:
    before = lower_bound(differences, confidence=0.8, seed=3, resamples=500)
    after = lower_bound(
        [each + shift for each in differences], confidence=0.8, seed=3, resamples=500
    )
    assert after == pytest.approx(before + shift, abs=1e-9)


@quick
@given(st.lists(st.floats(min_value=-1, max_value=1), min_size=1, max_size=40))
def test_the_bound_lies_between_the_worst_case_and_the_mean(differences: list[float]) -> None:
    bound = lower_bound(differences, confidence=0.9, seed=3, resamples=2000)
    assert min(differences) - 1e-12 <= bound
    spread = float(np.std(differences))
    assert bound <= float(np.mean(differences)) + 0.1 * spread + 1e-12


def test_more_confidence_lowers_the_bound() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.05, size=20)
    bounds = [lower_bound(differences, confidence=c, seed=0) for c in (0.6, 0.8, 0.95)]
    assert bounds == sorted(bounds, reverse=True)
    assert len(set(bounds)) == 3


def test_the_bound_agrees_with_the_normal_approximation_on_many_cases() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.05, size=400)
    expected = differences.mean() - 0.8416 * differences.std() / math.sqrt(400)
    assert lower_bound(differences, confidence=0.8, seed=0) == pytest.approx(expected, abs=2e-4)


def test_the_bound_of_a_large_set_is_resampled_in_pieces_and_stays_seeded() -> None:
    differences = np.random.default_rng(0).normal(size=3000)
    first = lower_bound(differences, confidence=0.8, seed=5, resamples=1000)
    assert first == lower_bound(differences, confidence=0.8, seed=5, resamples=1000)
    assert first != lower_bound(differences, confidence=0.8, seed=6, resamples=1000)


def test_a_small_gain_on_noisy_cases_is_refused_because_it_may_be_a_loss() -> None:
    candidate = measured({"a": 0.95, "b": 0.40, "c": 0.80}, {"one": 0.72})
    serving = measured({"a": 0.70, "b": 0.62, "c": 0.80}, {"one": 0.71})
    decision = decide(candidate, serving, GATE, seed=0)
    assert decision.mean_difference is not None
    assert decision.mean_difference > 0
    assert not decision.promotes
    assert "confidence" in decision.reason


def test_a_loss_within_the_margin_is_refused_all_the_same() -> None:
    values = [0.8] * 20
    decision = decide(measured([v - 0.005 for v in values]), measured(values), GATE, seed=0)
    assert not decision.promotes
    assert decision.lower_bound is not None
    assert decision.lower_bound > -GATE.margin


def test_a_class_that_falls_too_far_refuses_a_better_mean() -> None:
    candidate = measured([0.9] * 10, {"large": 0.99, "small": 0.60})
    serving = measured([0.8] * 10, {"large": 0.95, "small": 0.65})
    decision = decide(candidate, serving, GATE, seed=0)
    assert not decision.promotes
    assert "small falls by 0.0500" in decision.reason
    assert decision.class_differences == pytest.approx({"large": 0.04, "small": -0.05})


def test_a_class_that_lost_its_score_refuses() -> None:
    candidate = measured([0.9] * 10, {"large": 0.99, "small": math.nan})
    serving = measured([0.8] * 10, {"large": 0.95, "small": 0.65})
    assert not decide(candidate, serving, GATE, seed=0).promotes


def test_a_class_without_a_score_on_either_side_is_no_reason_to_refuse() -> None:
    candidate = measured([0.9] * 10, {"large": 0.99, "absent": math.nan})
    serving = measured([0.8] * 10, {"large": 0.95, "absent": math.nan})
    assert decide(candidate, serving, GATE, seed=0).promotes


def test_a_score_that_is_no_number_refuses_even_where_nothing_serves() -> None:
    decision = decide(measured([0.9, math.nan]), None, GATE, seed=0)
    assert not decision.promotes
    assert "collapsed" in decision.reason


def test_a_first_version_that_has_learnt_is_promoted_and_one_that_has_not_is_refused() -> None:
    assert decide(measured([0.3, 0.5]), None, GATE, seed=0).promotes
    assert not decide(measured([0.0, 0.001]), None, GATE, seed=0).promotes


def test_without_any_case_only_an_empty_place_is_filled() -> None:
    assert decide(None, None, GATE, seed=0).promotes
    assert not decide(None, measured([0.1]), GATE, seed=0).promotes


def test_scores_of_different_measures_are_not_compared() -> None:
    other = Evaluation(measure="auc", case_scores={"0": 0.1}, class_scores={})
    assert not decide(measured([0.9]), other, GATE, seed=0).promotes


def test_only_cases_that_both_were_measured_on_count() -> None:
    candidate = measured({"a": 0.9, "b": 0.9, "c": 0.0}, {})
    serving = measured({"a": 0.8, "b": 0.8, "d": 1.0}, {})
    decision = decide(candidate, serving, GATE, seed=0)
    assert decision.cases == ("a", "b")
    assert decision.promotes


def test_a_decision_on_few_cases_says_so() -> None:
    few = decide(measured([0.9] * 3), measured([0.8] * 3), GATE, seed=0)
    many = decide(measured([0.9] * 9), measured([0.8] * 9), GATE, seed=0)
    assert any("Only 3 cases" in note for note in few.notes)
    assert not many.notes


def test_a_decision_is_plain_json_with_its_numbers() -> None:
    decision = decide(measured([0.9] * 3), measured([0.8] * 3), GATE, seed=11, notes=("why",))
    plain = json.loads(json.dumps(decision.as_json(), allow_nan=False))
    assert plain["outcome"] == "promote"
    assert plain["n"] == 3
    assert plain["seed"] == 11
    assert plain["resamples"] == 10_000
    assert plain["mean_difference"] == pytest.approx(0.1)
    assert plain["notes"][0] == "why"


def test_a_class_that_only_the_serving_version_sees_wrongly_is_no_objection() -> None:
    serving = measured([0.5, 0.6], {"one": 0.8, "absent": 0.0})
    assert decide(measured([0.7, 0.8], {"one": 0.9}), serving, GATE, seed=1).promotes
    serving = measured([0.5, 0.6], {"one": 0.8, "other": 0.4})
    assert not decide(measured([0.7, 0.8], {"one": 0.9}), serving, GATE, seed=1).promotes


def test_a_version_that_folds_spoke_for_is_refused_when_its_own_run_collapsed() -> None:
    decision = decide(measured([0.7, 0.8]), None, GATE, seed=1)
    assert refused_if_collapsed(decision, measured([0.6])).promotes
    refused = refused_if_collapsed(decision, measured([0.0, 0.0]))
    assert not refused.promotes
    assert "collapsed" in refused.reason


def test_a_first_version_must_beat_guessing() -> None:
    guessing = replace(measured([0.8, 0.9]), chance=0.87)
    decision = decide(guessing, None, GATE, seed=1)
    assert not decision.promotes
    assert "not above 0.87" in decision.reason
    assert decide(replace(guessing, chance=0.84), None, GATE, seed=1).promotes


def test_a_final_training_that_only_guesses_has_collapsed() -> None:
    decision = decide(measured([0.9]), None, GATE, seed=1)
    assert refused_if_collapsed(decision, measured([0.8])).promotes
    assert not refused_if_collapsed(decision, replace(measured([0.8]), chance=0.85)).promotes


def test_a_fall_of_a_class_that_a_single_case_explains_speaks_against_nobody() -> None:
    serving = measured([0.8] * 8, {"rare": 0.9, "usual": 0.9})
    candidate = measured([0.85] * 8, {"rare": 0.6, "usual": 0.9})
    assert not decide(candidate, serving, GATE, seed=1).promotes
    few = replace(candidate, class_tolerances={"rare": 0.5})
    assert decide(few, serving, GATE, seed=1).promotes
    other = replace(candidate, class_tolerances={"usual": 0.5})
    decision = decide(other, serving, GATE, seed=1)
    assert not decision.promotes
    assert "class rare falls by 0.3" in decision.reason


def test_cases_count_by_their_weights_where_they_have_some() -> None:
    weights = {"0": 0.5, "1": 0.5, "2": 0.5, "3": 2.5}
    serving = replace(measured([0.5] * 4, {}), case_weights=weights)
    candidate = replace(measured([0.7, 0.7, 0.7, 0.2], {}), case_weights=weights)
    alike = decide(replace(candidate, case_weights={}), serving, GATE, seed=1)
    assert alike.mean_difference == pytest.approx(0.075)
    decision = decide(candidate, serving, GATE, seed=1)
    assert decision.mean_difference == pytest.approx((3 * 0.5 * 0.2 - 2.5 * 0.3) / 4)
    assert decision.candidate_mean == pytest.approx((3 * 0.5 * 0.7 + 2.5 * 0.2) / 4)
    assert not decision.promotes


def test_equal_weights_change_nothing() -> None:
    differences = [0.1, -0.2, 0.3, 0.05]
    plain = lower_bound(differences, confidence=0.8, seed=3)
    for weight in (1.0, 7.0):
        assert lower_bound(
            differences, confidence=0.8, seed=3, weights=[weight] * 4
        ) == pytest.approx(plain)
