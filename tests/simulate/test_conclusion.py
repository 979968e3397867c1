"""What a comparison says: a winner where one was found, no difference where none was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scipy.stats
from tests.simulate.known_outcomes import noisy, results

from limner.simulate.curves import area_under

RANDOM = [0.60, 0.70, 0.80]
BETTER = [0.60, 0.80, 0.88]


def compared(seeds: int = 10, **curves: list[float]) -> dict[str, Any]:
    """A comparison of curves with a little noise by seed."""
    scores = {name: noisy(curve, seeds, at) for at, (name, curve) in enumerate(curves.items())}
    return results(scores)


def test_a_clear_winner_is_named_with_how_sure_that_is() -> None:
    told = compared(random=RANDOM, entropy=BETTER)
    (pair,) = told["against_opponent"]
    assert pair["difference"]["low"] > 0
    words = told["conclusion"]
    assert words.startswith("Use entropy: over 10 seeds and 10 to 40 labels")
    assert f"{pair['difference']['mean']:+.4f}" in words
    assert f"p = {pair['p_holm']:.3f}" in words
    assert "95 % interval" in words
    assert "other data may give another winner" in words
    # Random never came to 95 %, so how many labels are saved is not known.
    assert told["headline"] == (
        f"Use entropy: its learning curve lies {pair['difference']['mean']:.3f} AUROC above that "
        f"of random (95 % interval {pair['difference']['low']:.3f} to "
        f"{pair['difference']['high']:.3f})."
    )


def test_the_headline_says_how_many_labels_are_saved_where_that_is_known() -> None:
    scores = {"random": noisy([0.6, 0.8, 0.9], 10, 0), "entropy": noisy([0.6, 0.88, 0.9], 10, 1)}
    told = results(scores, full=0.9)
    ratio = told["strategies"]["entropy"]["labels_to"]["95"]["ratio_to_random"]
    assert told["headline"] == (
        f"Use entropy: random needs {ratio['estimate']:.2f} times as many labels to 95 % of the "
        f"full score (95 % interval {ratio['low']:.2f} to {ratio['high']:.2f})."
    )


def test_how_many_labels_the_winner_saves_is_said_with_its_interval() -> None:
    told = compared(random=RANDOM, entropy=BETTER, badge=RANDOM)
    saved = told["strategies"]["entropy"]["labels_to"]["95"]
    random = told["strategies"]["random"]["labels_to"]["95"]
    assert random == {
        "target": pytest.approx(0.855),
        "estimate": None,
        "censored": "> 40",
        "ratio_to_random": random["ratio_to_random"],
    }
    assert (
        f"with about {saved['estimate']:.0f} labels, where random needed more than 40"
        in (told["conclusion"])
    )


def test_no_difference_is_said_where_there_is_none() -> None:
    told = compared(random=RANDOM, entropy=RANDOM, badge=RANDOM)
    words = told["conclusion"]
    assert words.startswith("No difference was found: over 10 seeds")
    assert "no strategy (entropy, badge) was better than random" in words
    assert "would have been found four times out of five" in words
    assert "use random" in words
    assert told["headline"] == "No difference was found between random and the other strategies."


def test_what_would_have_been_found_is_worked_out_from_the_spread_of_the_differences() -> None:
    told = compared(random=RANDOM, entropy=RANDOM)
    differences = told["against_opponent"][0]["by_seed"]
    detectable = 2.8 * np.std(differences, ddof=1) / np.sqrt(10)
    assert f"about {detectable:.3f} would have been found" in told["conclusion"]


def test_few_seeds_show_nothing_however_large_the_difference() -> None:
    told = compared(3, random=RANDOM, entropy=[0.60, 0.95, 0.99])
    assert told["conclusion"].startswith("No difference was found")
    assert "none could have been found: the test needs at least 6 seeds" in told["conclusion"]
    assert told["headline"] == (
        "Nothing is shown yet: 3 seeds are too few to tell strategies apart."
    )
    assert any("Take at least 10" in note for note in told["notes"])


def test_chance_winners_are_rare() -> None:
    found = [
        results(
            {name: noisy(RANDOM, 10, 100 * trial + at) for at, name in enumerate(("random", "a"))}
        )["conclusion"].startswith("Use")
        for trial in range(30)
    ]
    assert sum(found) <= 4  # one in twenty is expected


def test_what_is_worse_than_random_is_warned_of() -> None:
    told = compared(random=BETTER, entropy=RANDOM)
    assert told["conclusion"].startswith("Nothing better was found: over 10 seeds")
    assert "Do not use entropy: worse than random by the same test." in told["conclusion"]
    assert told["headline"] == "No strategy was found to be better than random, and some are worse."


def test_a_difference_that_does_not_hold_among_all_pairs_is_said_to_be_less_sure() -> None:
    # Seven seeds that agree have p = 1/64: 0.047 among three pairs, 0.094 among six.
    curves = {"random": RANDOM, "entropy": BETTER, "badge": BETTER, "clue": BETTER}
    words = compared(7, **curves)["conclusion"]
    assert words.startswith("Use ")
    assert "p = 0.047 by Wilcoxon's test" in words
    assert "among all 6 pairs of strategies it does not hold (p = 0.094)" in words
    assert "it does not hold" not in compared(10, **curves)["conclusion"]


def test_winners_that_cannot_be_told_apart_are_named() -> None:
    told = compared(random=RANDOM, entropy=BETTER, badge=BETTER)
    best = told["conclusion"].split(":")[0].removeprefix("Use ")
    other = {"entropy": "badge", "badge": "entropy"}[best]
    assert f"It could not be told apart from {other}." in told["conclusion"]


def test_the_better_of_the_random_baselines_is_the_opponent() -> None:
    told = results(
        {
            "random": noisy(RANDOM, 10, 0),
            "stratified-random→stratified-random": noisy([0.65, 0.75, 0.83], 10, 1),
            "entropy": noisy(BETTER, 10, 2),
        }
    )
    assert told["opponent"] == "stratified-random→stratified-random"
    assert [(each["a"], each["b"]) for each in told["against_opponent"]] == [
        ("entropy", "stratified-random→stratified-random")
    ]


def test_random_alone_is_compared_with_nothing() -> None:
    told = results({"random": noisy(RANDOM, 10, 0)})
    assert (
        told["conclusion"]
        == told["headline"]
        == ("Only random baselines were compared; the better one is random.")
    )


def test_a_start_set_that_knows_all_is_noted() -> None:
    flat = {"random": noisy([0.89, 0.9, 0.9], 10, 0), "entropy": noisy([0.89, 0.9, 0.9], 10, 1)}
    told = results(flat, full=0.9)
    assert any("there is little to be won" in note for note in told["notes"])
    assert any("99 % of the full score already" in note for note in told["notes"])
    told = results(flat, full=0.85)
    assert any("no strategy can win anything here" in note for note in told["notes"])


def test_what_was_left_out_is_noted() -> None:
    scores = {"random": noisy(RANDOM, 4, 0), "entropy": noisy(RANDOM, 4, 1)}
    told = results(scores, seeds=10)
    assert told["notes"][0].startswith("Only 4 of 10 seeds are done")
    assert any("whatever the gate said" in note for note in told["notes"])
    gated = results(scores, every_version=False)
    assert any("Only versions that the gate promoted" in note for note in gated["notes"])


def test_the_numbers_are_those_of_the_scores() -> None:
    scores = {"random": noisy(RANDOM, 10, 0), "entropy": noisy(BETTER, 10, 1)}
    told = results(scores)
    areas = {name: area_under([10, 20, 40], each) for name, each in scores.items()}
    entropy = told["strategies"]["entropy"]
    assert entropy["aubc_by_seed"] == pytest.approx(areas["entropy"].tolist())
    assert entropy["aubc"]["mean"] == pytest.approx(areas["entropy"].mean())
    assert [each["mean"] for each in entropy["curve"]] == pytest.approx(
        np.mean(scores["entropy"], axis=0).tolist()
    )
    assert all(each["low"] <= each["mean"] <= each["high"] for each in entropy["curve"])
    assert entropy["final"]["mean"] == pytest.approx(entropy["curve"][-1]["mean"])
    (pair,) = told["against_opponent"]
    differences = areas["entropy"] - areas["random"]
    assert pair["by_seed"] == pytest.approx(differences.tolist())
    assert pair["p_wilcoxon"] == pytest.approx(
        scipy.stats.wilcoxon(differences, method="exact").pvalue
    )
    json.dumps(told, allow_nan=False)


def test_chance_does_not_count_towards_a_normalised_target() -> None:
    told = results({"random": noisy(RANDOM, 10, 0)}, full=0.9, trivial=0.5)
    found = told["strategies"]["random"]
    assert found["labels_to"]["90"]["target"] == pytest.approx(0.81)
    assert found["labels_to_normalised"]["90"]["target"] == pytest.approx(0.5 + 0.9 * 0.4)


def test_without_bounds_there_are_no_targets() -> None:
    told = results({"random": noisy(RANDOM, 10, 0)}, full=None, trivial=None)
    assert told["full_score"] is None
    assert "labels_to" not in told["strategies"]["random"]


def test_a_budget_that_grows_more_than_tenfold_has_its_area_along_the_logarithm_too() -> None:
    scores = {"random": noisy(RANDOM, 4, 0)}
    assert "aubc_log" not in results(scores)["strategies"]["random"]
    wide = results(scores, batch=100)["strategies"]["random"]
    assert wide["aubc_log"]["mean"] == pytest.approx(
        float(area_under([10, 110, 310], scores["random"], log=True).mean())
    )


def test_what_mistakes_cost_is_the_fall_of_the_area() -> None:
    clean = {"random": noisy(RANDOM, 6, 0), "entropy": noisy(BETTER, 6, 1)}
    lower = {name: (np.array(each) - 0.05).tolist() for name, each in clean.items()}
    told = results(clean, mistaken=lower)["mistakes"]
    assert told["share"] == 0.1
    assert told["what"] == "of the labels name another class"
    for each in told["strategies"].values():
        assert each["aubc_lost"]["mean"] == pytest.approx(0.05)
        assert each["aubc_lost"]["low"] == pytest.approx(0.05)


def test_costs_to_a_target_are_read_off_along_the_cost() -> None:
    spent = np.array([[2.0, 4.0, 8.0]] * 6)
    told = results({"random": [[0.6, 0.75, 0.85]] * 6}, full=0.8 / 0.9, costs={"minutes": spent})
    found = told["strategies"]["random"]["costs"]["minutes"]
    assert [each["cost"] for each in found["curve"]] == [2.0, 4.0, 8.0]
    # 0.8 lies in the middle between 4 and 8 minutes along their logarithm.
    assert found["cost_to"]["90"]["estimate"] == pytest.approx(np.sqrt(32))


def test_start_sets_that_cost_nothing_have_no_cost_to_a_target() -> None:
    # In one seed of six the start set has no object at all.
    spent = np.array([[0.0, 4.0, 8.0]] + [[2.0, 4.0, 8.0]] * 5)
    told = results({"random": noisy(RANDOM, 6, 0)}, costs={"instances": spent})
    assert "cost_to" not in told["strategies"]["random"]["costs"]["instances"]
    json.dumps(told, allow_nan=False)
