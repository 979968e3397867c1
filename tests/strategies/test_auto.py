"""Auto: who shares the queue, the control arm's places, and what annotators are told."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

from limner.plugin import CONTROL_ARM, Bought, Pool
from limner.testing.pools import made_pool
from limner_strategies.answer import UNSEEN
from limner_strategies.auto import FALLBACK, MOST_TRIALS, STRATEGIES, Auto, manifest, sharers, turns

TWO = ["clasp", "entropy"]


def found(low: float, high: float, trials: int = 2) -> Bought:
    gain = 0.0 if math.isinf(low) else (low + high) / 2
    return Bought(gain=gain, low=low, high=high, measure="dice", labels=8, trials=trials)


MORE, LESS, OPEN = found(0.003, 0.021), found(-0.02, -0.01), found(-0.01, 0.02)
ONCE = found(-math.inf, math.inf, 1)
TIRED = found(-0.01, 0.02, MOST_TRIALS)


@pytest.mark.parametrize(
    ("bought", "shared"),
    [
        ({}, TWO),
        ({"clasp": ONCE, "entropy": ONCE}, TWO),
        ({"clasp": MORE}, ["clasp"]),
        ({"clasp": MORE, "entropy": found(0.01, 0.05)}, ["entropy"]),
        ({"clasp": LESS}, ["entropy"]),
        ({"clasp": OPEN, "entropy": LESS}, ["clasp"]),
        ({"clasp": TIRED}, ["entropy"]),
        ({"clasp": TIRED, "entropy": LESS}, [FALLBACK]),
        ({"clasp": TIRED, "entropy": LESS, FALLBACK: OPEN}, [FALLBACK]),
        ({"clasp": TIRED, "entropy": LESS, FALLBACK: LESS}, []),
        ({"clasp": TIRED, "entropy": found(0.01, 0.02, 8)}, ["entropy"]),
        ({"badge": MORE}, TWO),
    ],
)
def test_what_is_left_goes_to_who_leads_or_is_open_or_to_the_fallback(
    bought: dict[str, Bought], shared: list[str]
) -> None:
    assert sharers(TWO, bought) == shared


@pytest.mark.parametrize("control", [0.05, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_every_part_of_the_queue_has_the_control_arm_s_share(control: float, seed: int) -> None:
    whose = [arm == CONTROL_ARM for arm in islice(turns(TWO, control, seed), 200)]
    for start in range(0, 100, 7):
        for length in (1, 5, 20, 60):
            assert abs(sum(whose[start : start + length]) - control * length) < 1 + 1e-6


def test_open_contenders_share_evenly_and_none_leaves_all_to_chance() -> None:
    whose = list(islice(turns(TWO, 0.2, 1), 100))
    assert [whose.count(each) for each in (CONTROL_ARM, *TWO)] == [20, 40, 40]
    assert set(islice(turns([], 0.2, 1), 50)) == {CONTROL_ARM}


def pool(count: int = 60, **changes: object) -> Pool:
    ids = np.arange(1, count + 1, dtype=np.int64)
    bought = changes.get("bought", {})
    options = {"strategies": TWO, "control": 0.2, **changes.get("options", {})}  # type: ignore[dict-item]
    return made_pool(ids, ids > 10, manifest.needs, options=options, bought=bought)  # type: ignore[arg-type]


def test_each_arm_s_picks_are_its_strategy_s_in_its_order() -> None:
    given = pool()
    picks = Auto().pick(given, 20, 7)
    assert [each.arm for each in picks].count(CONTROL_ARM) == 4
    for name in TWO:
        own = [each.index for each in STRATEGIES[name].pick(given, 20, 7)]
        mine = [each.index for each in picks if each.arm == name]
        assert mine == [row for row in own if row in mine]
        assert len(mine) == 8


def test_the_control_arm_does_not_hang_on_what_the_others_are() -> None:
    """It would be no fair sample otherwise: the first drawn are the same whoever leads."""
    drawn = {
        next(each.index for each in Auto().pick(pool(bought=known), 5, 7) if not each.score
             and each.arm == CONTROL_ARM)
        for known in ({"clasp": MORE}, {"entropy": MORE})
    }  # fmt: skip
    assert len(drawn) == 1


def test_a_leader_s_picks_say_what_it_has_bought() -> None:
    picks = Auto().pick(pool(bought={"clasp": MORE}), 20, 7)
    assert {each.arm for each in picks} == {"clasp", CONTROL_ARM}
    (said,) = {each.reason.split(": ")[0] for each in picks if each.arm == "clasp"}
    assert said == (
        "chosen by clasp, which has bought 0.012 dice more than chance here (0.003 to 0.021)"
    )
    (drawn,) = {each.reason for each in picks if each.arm == CONTROL_ARM}
    assert drawn == "it was drawn at random, as 20% are, to see what choosing buys"


def test_when_nothing_beats_chance_foreground_picks_and_says_so() -> None:
    picks = Auto().pick(pool(bought={"clasp": TIRED, "entropy": LESS}), 20, 7)
    assert {each.arm for each in picks} == {FALLBACK, CONTROL_ARM}
    assert picks[-1].reason.startswith(("no strategy has beaten chance here, so ", "it was drawn"))


def test_what_the_model_has_not_seen_comes_last_for_the_control_arm() -> None:
    picks = Auto().pick(pool(), 60, 7)
    assert sorted(each.index for each in picks) == list(range(60))
    assert {(each.arm, each.reason) for each in picks[50:]} == {(CONTROL_ARM, UNSEEN)}


def test_contenders_are_some_of_those_that_there_are() -> None:
    option = manifest.options["strategies"]
    assert list(option.problems(["badge"])) == []
    for wrong in ([], "badge", ["bagde"], ["badge", "badge"], ["badge", 3], None):
        assert list(option.problems(wrong)), wrong  # type: ignore[arg-type]
