"""Records of arms as arrays: what is done counts, what is not is left out and said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.simulate.known_outcomes import design, truth

from limner.errors import Conflict, SettingsError
from limner.simulate.design import Design, Kept
from limner.simulate.outcomes import read_outcomes
from limner.simulate.record import Record
from limner.simulate.results import results_of
from limner.simulate.split import Split
from limner.simulate.work_items import WorkItem, work_items

TRUTH = truth(60)


def entry(
    number: int, value: float | None, picks: Sequence[int], *, weighted: bool = False
) -> dict[str, Any]:
    """What is kept of a round; two test cases, one as good as the other is bad."""
    test = None
    if value is not None:
        test = {
            "measure": "dice",
            "score": value,
            "is_weighted": weighted,
            "chance": 0.0,
            "case_scores": [value + 0.05, value - 0.05],
            "class_scores": {},
            "metrics": {"auroc": value / 2},
        }
    return {
        "round": number,
        "test": test,
        "picks": [{"sample": f"i-{each:03d}"} for each in picks],
        "outcome": "refuse" if number == 2 else "promote",
        "seconds": {"train": 2.0, "select": 0.5},
    }


def keep(
    out: Path, item: WorkItem, made: Design, scores: Sequence[float | None], **of: Any
) -> None:
    """Write the record of a piece of work with a round for each score; ten labels a round."""
    rounds = [
        entry(place + 1, score, range(10 * place, 10 * place + 10), **of)
        for place, score in enumerate(scores)
    ]
    Record(item.record(out), item.as_json(), made.digest, rounds).save()


def keep_all(out: Path, made: Design, score: float = 0.5) -> None:
    for item in work_items(made):
        keep(out, item, made, [score + 0.1 * place for place in range(item.rounds)])


def item_of(made: Design, key: str) -> WorkItem:
    return next(each for each in work_items(made) if each.key == key)


MADE = design("random", "entropy", seeds=3, bounds=1, task="segmentation")


def test_scores_costs_and_times_come_by_strategy_seed_and_round(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    keep(tmp_path, item_of(MADE, "entropy-seed1"), MADE, [0.6, 0.7, 0.9])
    found = read_outcomes(tmp_path, MADE, TRUTH, "auto")
    assert found.seeds == [0, 1, 2]
    random, entropy = found.plain
    assert random.scores == pytest.approx(np.array([[0.5, 0.6, 0.7]] * 3))
    assert entropy.scores[1] == pytest.approx([0.6, 0.7, 0.9])
    assert random.costs["minutes"][0] == pytest.approx([50 / 60, 100 / 60, 150 / 60])
    assert random.seconds["train"].tolist() == [[2.0] * 3] * 3
    assert random.refused == 3
    assert (found.full, found.trivial) == ({0: 0.5}, {0: 0.5})
    assert found.mistaken == []
    assert found.left_out == []


def test_scores_by_case_are_there_where_the_measure_is_their_mean(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    found = read_outcomes(tmp_path, MADE, TRUTH, "auto")
    assert found.case_scores["random"].shape == (3, 3, 2)
    assert found.case_scores["random"].mean(axis=-1) == pytest.approx(found.plain[0].scores)
    assert read_outcomes(tmp_path, MADE, TRUTH, "auroc").case_scores == {}
    keep(tmp_path, item_of(MADE, "random-seed0"), MADE, [0.5, 0.6, 0.7], weighted=True)
    assert read_outcomes(tmp_path, MADE, TRUTH, "auto").case_scores == {}


def test_seeds_that_are_not_done_for_every_strategy_are_left_out(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    keep(tmp_path, item_of(MADE, "entropy-seed1"), MADE, [0.6, 0.7])
    found = read_outcomes(tmp_path, MADE, TRUTH, "auto")
    assert found.seeds == [0, 2]
    assert found.plain[0].scores.shape == (2, 3)


def test_a_strategy_that_failed_for_every_seed_is_left_out_and_named(tmp_path: Path) -> None:
    made = design("random", "entropy", "badge", seeds=3, bounds=1, task="segmentation")
    keep_all(tmp_path, made)
    for seed in range(3):
        item_of(made, f"badge-seed{seed}").record(tmp_path).unlink()
    found = read_outcomes(tmp_path, made, TRUTH, "auto")
    assert [each.contender.name for each in found.plain] == ["random", "entropy"]
    assert found.seeds == [0, 1, 2]
    assert found.left_out == ["badge"]
    split = Split(test=("t-0", "t-1"), pool=("p-0", "p-1"))
    told = results_of(Kept(asked=made, fitted=made), split, found)
    assert "Not done for any seed, so not compared: badge." in told["notes"]


def test_without_a_random_strategy_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    for seed in range(3):
        item_of(MADE, f"random-seed{seed}").record(tmp_path).unlink()
    with pytest.raises(Conflict, match="No seed"):
        read_outcomes(tmp_path, MADE, TRUTH, "auto")


def test_records_of_another_design_do_not_count(tmp_path: Path) -> None:
    keep_all(tmp_path, design("random", "entropy", seeds=3, bounds=1, effort=0.5))
    with pytest.raises(Conflict, match="there is nothing to compare"):
        read_outcomes(tmp_path, MADE, TRUTH, "auto")


def test_what_has_no_number_has_learnt_nothing(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    keep(tmp_path, item_of(MADE, "trivial-seed0"), MADE, [0.3])
    keep(tmp_path, item_of(MADE, "entropy-seed2"), MADE, [None, 0.6, 0.7])
    found = read_outcomes(tmp_path, MADE, TRUTH, "auto")
    assert found.plain[1].scores[2] == pytest.approx([0.3, 0.6, 0.7])
    assert found.case_scores == {}


def test_a_comparison_in_which_nothing_ever_served_is_told_so(tmp_path: Path) -> None:
    made = design("random", "entropy", seeds=1, bounds=0, task="segmentation")
    for item in work_items(made):
        keep(tmp_path, item, made, [None] * item.rounds)
    with pytest.raises(Conflict, match="ever served"):
        read_outcomes(tmp_path, made, TRUTH, "auto")


def test_arms_with_mistakes_are_set_beside_those_without(tmp_path: Path) -> None:
    made = design("random", "entropy", seeds=2, bounds=0, noise=0.2, task="segmentation")
    keep_all(tmp_path, made)
    keep(tmp_path, item_of(made, "entropy-mistakes-seed0"), made, [0.4, 0.5, 0.6])
    found = read_outcomes(tmp_path, made, TRUTH, "auto")
    assert found.plain[1].scores[0] == pytest.approx([0.5, 0.6, 0.7])
    assert found.mistaken[1].scores[0] == pytest.approx([0.4, 0.5, 0.6])


def test_a_measure_that_is_not_there_is_refused(tmp_path: Path) -> None:
    keep_all(tmp_path, MADE)
    with pytest.raises(SettingsError, match="'iou'"):
        read_outcomes(tmp_path, MADE, TRUTH, "iou")
