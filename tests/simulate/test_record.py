"""What a piece of work has brought is kept whole, and taken up again by the same design only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import Evaluation
from limner.simulate.record import Record, evaluation_record
from limner.simulate.whole_files import read_json, write_json, write_whole


def test_a_record_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "arms" / "random-seed0.json"
    record = Record.load(path, {"key": "random-seed0"}, "design-1")
    assert record.rounds == []
    record.started_s = 1.5
    record.rounds.append({"round": 1, "labels": 10})
    record.ahead = {"select": 0.25}
    record.save()
    again = Record.load(path, {"key": "random-seed0"}, "design-1")
    assert again == record


def test_a_record_of_another_design_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    Record(path, {}, "design-1", [{"round": 1}]).save()
    assert Record.load(path, {}, "design-2").rounds == []


def test_a_torn_record_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    Record(path, {}, "design-1", [{"round": 1}]).save()
    path.write_bytes(path.read_bytes()[:-20])
    assert Record.load(path, {}, "design-1").rounds == []


def test_an_evaluation_is_kept_in_the_order_of_the_test_set() -> None:
    evaluation = Evaluation(
        measure="dice",
        case_scores={"b": 0.25, "a": 0.75},
        class_scores={"liver": 0.5},
        metrics={"nll": 0.123456789, "hd95_mm": float("inf")},
        chance=0.1,
    )
    kept = evaluation_record(evaluation, ("a", "b"))
    assert kept["case_scores"] == [0.75, 0.25]
    assert kept["score"] == 0.5
    assert not kept["is_weighted"]
    assert kept["metrics"] == {"nll": 0.12346, "hd95_mm": None}
    json.dumps(kept, allow_nan=False)


def test_weights_of_cases_count_in_the_score() -> None:
    evaluation = Evaluation(
        measure="log_score",
        case_scores={"a": 1.0, "b": 0.0},
        case_weights={"a": 3.0, "b": 1.0},
        class_scores={},
    )
    kept = evaluation_record(evaluation, ("a", "b"))
    assert kept["score"] == 0.75
    assert kept["is_weighted"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "down" / "file.json"
    write_json(path, {"a": 1})

    def fails(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"half of it")
    assert read_json(path) == {"a": 1}


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"name": "caf\udce9"})
    assert read_json(tmp_path / "file.json") == {"name": "caf\udce9"}


def test_what_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"a": float(np.nan)})
    assert not (tmp_path / "file.json").exists()
