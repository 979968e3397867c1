"""The design of a comparison: its budgets, its name, and what a folder goes on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.simulate.known_outcomes import contender, design

from limner.errors import SettingsError
from limner.simulate.design import FILE, Design, Kept, kept_design, smaller
from limner.simulate.work_items import work_items


def test_batches_of_one_size_go_up_in_equal_steps() -> None:
    assert design(start=5, batch=10, growth=1.0, rounds=4).budgets == [5, 15, 25, 35]


def test_batches_grow_from_the_first_on() -> None:
    assert design(start=20, batch=20, growth=2.0, rounds=5).budgets == [20, 40, 80, 160, 320]
    # 4, 6 and 9 labels more.
    assert design(start=10, batch=4, growth=1.5, rounds=4).budgets == [10, 14, 20, 29]


def test_a_design_comes_back_from_its_file() -> None:
    made = design("random", "typiclust→entropy", noise=0.1)
    again = Design.from_json(json.loads(json.dumps(made.as_json())))
    assert again.as_json() == made.as_json()
    assert again.digest == made.digest
    assert again.contenders == [contender("random"), contender("typiclust→entropy")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("seeds", 9), ("growth", 1.5), ("test", "0.5"), ("truth_digest", "d2"), ("effort", 0.5)],
)
def test_whatever_changes_a_result_changes_the_name(name: str, value: Any) -> None:
    assert design(**{name: value}).digest != design().digest


def test_the_classes_are_in_the_order_of_their_values() -> None:
    schema = design(labels={"late": 3, "early": 1}).schema
    assert [each.name for each in schema.classes] == ["early", "late"]
    assert schema.exclusive
    assert not design(settings={"multi_label": True}).schema.exclusive


def test_a_smaller_design_is_the_same_but_for_what_was_cut() -> None:
    cut = smaller(design(), seeds=3, rounds=2)
    assert (cut.seeds, cut.rounds, cut.budgets) == (3, 2, [10, 20])
    assert smaller(cut, seeds=10, rounds=3).digest == design().digest


def test_a_new_folder_takes_what_is_asked_for(tmp_path: Path) -> None:
    kept = kept_design(tmp_path, design())
    assert kept.asked == kept.fitted == design()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_goes_on_with_what_it_was_cut_to(tmp_path: Path) -> None:
    Kept(asked=design(), fitted=smaller(design(), seeds=4), dropped=("4 seeds",)).save(tmp_path)
    kept = kept_design(tmp_path, design())
    assert kept.fitted.seeds == 4
    assert kept.dropped == ("4 seeds",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seeds": 5}, "seeds was 10, now 5"),
        ({"truth_digest": "d2"}, "the images or their labels have changed"),
        ({"contenders": [contender("random")]}, "strategies was random, entropy, now random"),
        (
            {"contenders": [contender("random"), contender("entropy", batch="power")]},
            "the options of a strategy have changed",
        ),
        ({"labels": {"a": 1, "c": 2}}, 'labels was {"b": 2}, now {"c": 2}'),
        ({"every_version": False}, "every-version was true, now false"),
    ],
)
def test_another_comparison_in_the_same_folder_is_refused_in_words(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    Kept(asked=design(), fitted=design()).save(tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(SettingsError) as refused:
        kept_design(tmp_path, design(**changed))
    assert words in str(refused.value)
    assert "--out" in str(refused.value)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_design_of_another_kind_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"asked": {"contenders": []}, "fitted": {}}')
    with pytest.raises(SettingsError, match="no design that this Limner can go on with"):
        kept_design(tmp_path, design())


def test_the_work_is_listed_seed_by_seed_with_what_others_wait_for_first() -> None:
    items = list(work_items(design("random", "entropy", "typiclust→entropy", seeds=2, bounds=1)))
    assert [each.key for each in items] == [
        "begun-by-random-seed0",
        "begun-by-typiclust-seed0",
        "full-seed0",
        "trivial-seed0",
        "random-seed0",
        "entropy-seed0",
        "typiclust-then-entropy-seed0",
        "begun-by-random-seed1",
        "begun-by-typiclust-seed1",
        "random-seed1",
        "entropy-seed1",
        "typiclust-then-entropy-seed1",
    ]
    arms = {each.key: each for each in items if each.kind == "arm"}
    assert arms["random-seed1"].after == arms["entropy-seed1"].after == "begun-by-random-seed1"
    assert arms["typiclust-then-entropy-seed0"].after == "begun-by-typiclust-seed0"


def test_mistakes_are_work_of_their_own() -> None:
    items = list(work_items(design(seeds=1, bounds=0, noise=0.1)))
    assert [each.key for each in items if each.noise] == [
        "begun-by-random-mistakes-seed0",
        "random-mistakes-seed0",
        "entropy-mistakes-seed0",
    ]
    assert len({each.key for each in items}) == len(items)
