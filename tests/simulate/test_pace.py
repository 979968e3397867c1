"""How long a comparison takes, and what is cut off where there is less time."""

from __future__ import annotations

import pytest
from tests.simulate.known_outcomes import design

from limner.errors import SettingsError
from limner.simulate.pace import Pace, duration_s, fitted, pace_of

PACE = Pace(
    started_s=5.0, train_s=(10.0, 14.0), labels=(10, 20), scan_s=3.0, measure_s=2.0, other_s=1.0
)


def test_longer_trainings_go_on_in_a_straight_line() -> None:
    assert PACE.training(10) == 10.0
    assert PACE.training(50) == pytest.approx(26.0)


def test_a_training_that_was_faster_the_second_time_is_not_expected_to_get_faster_still() -> None:
    lucky = Pace(
        started_s=0, train_s=(10.0, 8.0), labels=(10, 20), scan_s=0, measure_s=0, other_s=0
    )
    assert lucky.training(1000) == 10.0


def test_the_time_of_a_comparison_is_as_added_up_by_hand() -> None:
    made = design(seeds=2, bounds=1, growth=1.0)  # 10, 20 and 30 labels, two strategies
    beginning = 5 + 10 + 2 + 1
    arm = (14 + 3 + 2 + 1) + (18 + 3 + 2 + 1)
    bounds = (46 + 2) + (18 + 2)  # 100 labels and 30
    total = 2 * (beginning + 2 * arm) + bounds
    assert PACE.seconds(made, pool=100, parallel=1) == pytest.approx(total)
    assert PACE.seconds(made, pool=100, parallel=2) == pytest.approx(total / 2)


def test_every_way_to_begin_and_every_share_of_mistakes_takes_its_time() -> None:
    one = PACE.seconds(design("random", "entropy", seeds=1, bounds=0), 100, 1)
    two = PACE.seconds(design("random", "typiclust→entropy", seeds=1, bounds=0), 100, 1)
    assert two - one == pytest.approx(5 + 10 + 2 + 1)
    noisy = PACE.seconds(design("random", "entropy", seeds=1, bounds=0, noise=0.1), 100, 1)
    assert noisy == pytest.approx(2 * one)


def test_the_pace_is_read_off_two_rounds() -> None:
    first = {"labels": 10, "seconds": {"train": 10.0, "measure": 1.0, "round": 12.0}}
    second = {
        "labels": 20,
        "seconds": {
            "train": 14.0, "measure": 2.0, "describe": 2.5, "select": 0.5, "label": 0.1,
            "round": 20.0,
        },
    }  # fmt: skip
    assert pace_of([first, second], 5.0) == PACE


def test_a_design_that_fits_is_left_as_it_is() -> None:
    made, dropped = fitted(design(), PACE, pool=100, parallel=1, budget_s=1e6)
    assert (made, dropped) == (design(), [])


def test_seeds_go_first_then_bounds_then_rounds() -> None:
    asked = design(seeds=10, bounds=3, rounds=6, growth=1.0)

    def cut_to(budget_s: float) -> tuple[int, int, int]:
        made, _ = fitted(asked, PACE, pool=100, parallel=1, budget_s=budget_s)
        assert PACE.seconds(made, 100, 1) <= 0.9 * budget_s
        return made.seeds, made.bounds, made.rounds

    def needs(**values: int) -> float:
        return PACE.seconds(design(growth=1.0, **values), 100, 1) / 0.9 + 1e-6

    assert cut_to(needs(seeds=7, bounds=3, rounds=6)) == (7, 3, 6)
    assert cut_to(needs(seeds=3, bounds=3, rounds=6)) == (3, 3, 6)
    assert cut_to(needs(seeds=3, bounds=1, rounds=6)) == (3, 1, 6)
    assert cut_to(needs(seeds=3, bounds=1, rounds=4)) == (3, 1, 4)


def test_what_was_cut_is_said() -> None:
    needed = PACE.seconds(design(seeds=4), 100, 1) / 0.9 + 1
    _, (words,) = fitted(design(), PACE, 100, 1, needed)
    assert words == "To fit the time that was given: 4 instead of 10 seeds."


def test_a_time_too_short_for_anything_is_refused_with_what_it_would_take() -> None:
    least = PACE.seconds(design(seeds=3, bounds=1), 100, 1) / 0.9 / 60
    with pytest.raises(SettingsError, match=f"about {least:.0f} min") as refused:
        fitted(design(), PACE, pool=100, parallel=1, budget_s=60.0)
    assert "1 min are too few" in str(refused.value)
    assert "--effort" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("20m", 1200.0), ("1.5h", 5400.0), ("2", 120.0)]
)
def test_times_are_read_with_their_units(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "soon", "-5m", "0", "nan", "inf", "20 minutes"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no time"):
        duration_s(text)
