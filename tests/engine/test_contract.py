"""What trainings, evaluations and strategies answer is checked and made plain."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.engine.learner import checked_evaluation, checked_trained
from limner.engine.numbers import Broken
from limner.engine.picker import checked_picks
from limner.plugin import Evaluation, LabelSchema, Pick, Trained

SCHEMA = LabelSchema.of("a", "b")
EVALUATION = Evaluation(
    measure="dice",
    case_scores={"1": np.float64(0.5), "2": 1.0},
    class_scores={"a": 0.75},
    metrics={"hd95_mm": float("inf"), "nll": 0.25},
)


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    (tmp_path / "weights").write_bytes(b"w")
    return Trained(
        weights=tmp_path / "weights",
        plan={"patch": (np.int64(8), 8)},  # type: ignore[dict-item]
        metrics={"loss": np.float32(0.5), "bad": float("nan")},  # type: ignore[dict-item]
        seed=1,
        steps=2,
        libraries={"numpy": "2"},
        notes=("a note",),
    )


def test_what_a_training_leaves_becomes_plain(trained: Trained, tmp_path: Path) -> None:
    checked = checked_trained(trained, tmp_path)
    assert checked.plan == {"patch": [8, 8]}
    assert checked.metrics == {"loss": 0.5}
    assert type(checked.metrics["loss"]) is float


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": Path("/nowhere/weights")}, "no file of weights at /nowhere/weights"),
        ({"weights": Path(__file__)}, "do not lie in the workspace"),
        ({"plan": {"x": {1, 2}}}, "the plan cannot be said in JSON: set is no JSON type"),
        ({"plan": {"x": float("nan")}}, "the plan cannot be said in JSON"),
        ({"metrics": {"loss": "low"}}, "loss is a str, not a number"),
        ({"steps": 1.5}, "the number of steps is 1.5"),
    ],
)
def test_a_broken_training_is_refused(
    trained: Trained, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(Broken, match=words):
        checked_trained(dataclasses.replace(trained, **changes), tmp_path)  # type: ignore[arg-type]


def test_an_evaluation_becomes_plain_and_says_nothing_that_is_not_finite() -> None:
    checked = checked_evaluation(EVALUATION, ["1", "2"], SCHEMA)
    assert checked.case_scores == {"1": 0.5, "2": 1.0}
    assert type(checked.case_scores["1"]) is float
    assert checked.metrics == {"nll": 0.25}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"case_scores": {"1": 0.5}}, r"name every case and no other; at odds are \['2'\]"),
        ({"case_scores": {"1": 0.5, "2": 1.5}}, "score of case 2 is 1.5, outside"),
        ({"case_scores": {"1": 0.5, "2": float("nan")}}, "score of case 2 is nan"),
        ({"class_scores": {"c": 0.5}}, r"names \['c'\]"),
    ],
)
def test_a_broken_evaluation_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Broken, match=words):
        checked_evaluation(
            dataclasses.replace(EVALUATION, **changes),  # type: ignore[arg-type]
            ["1", "2"],
            SCHEMA,
        )


def picks(*rows: object, score: float = 1.0) -> list[Pick]:
    return [Pick(index=row, score=score, reason="why") for row in rows]  # type: ignore[arg-type]


def test_picks_become_plain() -> None:
    checked = checked_picks(picks(np.int64(2), 0), 3, 2)
    assert [pick.index for pick in checked] == [2, 0]
    assert type(checked[0].index) is int


def test_a_small_pool_is_picked_whole() -> None:
    assert len(checked_picks(picks(1, 0), 2, 500)) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "is a NoneType"),
        (picks(0), "gave 1 picks; asked were 2 of 3 rows"),
        (picks(0, 0), "picked a row twice"),
        (picks(0, 3), "picked row 3 of 3"),
        (picks(0, -1), "picked row -1"),
        (picks(0, 1.0), "an index is 1.0, not a whole number"),
        (picks(0, 1, score=float("nan")), "a score is nan"),
        ([0, 1], "gave a int, not a Pick"),
    ],
)
def test_broken_picks_are_refused(answer: object, words: str) -> None:
    with pytest.raises(Broken, match=words):
        checked_picks(answer, 3, 2)
