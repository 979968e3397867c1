"""Which images are measured on and which are picked from: fixed, in shares, or as a table says."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.simulate.known_outcomes import truth

from limner.errors import SettingsError
from limner.loop.intake import draw_of
from limner.simulate.split import Split, check_same, split_of


def test_test_and_pool_part_all_images() -> None:
    split = split_of(truth(40), "0.25", 0, None)
    assert len(split.test) == 10
    assert sorted([*split.test, *split.pool]) == [f"i-{number:03d}" for number in range(40)]


def test_the_test_set_is_the_same_every_time() -> None:
    assert split_of(truth(40), "0.25", 0, None) == split_of(truth(40), "0.25", 0, None)


def test_a_number_of_images_is_that_many() -> None:
    assert len(split_of(truth(40), "7", 0, None).test) == 7


def test_every_class_has_its_share_of_the_test_set() -> None:
    known = truth(40, second=10)  # 36 of one class, 4 of the other
    split = split_of(known, "0.25", 0, None)
    strata = [known.known[name].stratum for name in split.test]
    assert (strata.count("a"), strata.count("b")) == (9, 1)


def test_a_smaller_pool_is_drawn_at_random_and_leaves_the_test_set_alone() -> None:
    whole, part = split_of(truth(60), "12", 0, None), split_of(truth(60), "12", 20, None)
    assert part.test == whole.test
    assert len(part.pool) == 20
    assert set(part.pool) < set(whole.pool)
    assert part.pool != whole.pool[:20]


@pytest.mark.parametrize("text", ["half", "0", "-3", "1.5", "nan", "inf", ""])
def test_what_is_neither_share_nor_number_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="neither a share"):
        split_of(truth(40), text, 0, None)


@pytest.mark.parametrize("text", ["0.01", "1", "39", "40", "400"])
def test_too_few_to_measure_on_or_to_pick_from_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="too few labels to compare anything"):
        split_of(truth(40), text, 0, None)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = [f"i-{number:03d}.png;{'val' if number < 5 else 'train'}" for number in range(20)]
    path.write_text("\n".join(["Image;Split", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_column_of_a_table_names_the_test_set(table: Path) -> None:
    split = split_of(truth(20), "split=val", 0, table)
    assert split.test == tuple(f"i-{number:03d}" for number in range(5))
    assert len(split.pool) == 15


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("fold=1", "a column 'fold'; its columns are image, split"),
        ("split=test", "has split 'test' in"),
    ],
)
def test_a_column_or_a_value_that_is_not_there_is_named(table: Path, test: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        split_of(truth(20), test, 0, table)


def test_a_column_without_a_table_is_refused() -> None:
    with pytest.raises(SettingsError, match="--test-table"):
        split_of(truth(20), "split=val", 0, None)


def test_tables_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        split_of(truth(20), "split=val", 0, tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(SettingsError, match="its columns are none"):
        split_of(truth(20), "split=val", 0, tmp_path / "empty.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        split_of(truth(20), "split=val", 0, tmp_path / "picture.csv")


def test_rows_of_another_length_than_the_heading_are_borne(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("image,split\ni-000,val\ni-001,val,more,and more\ni-002\ni-003,train\n")
    assert split_of(truth(8), "split=val", 0, path).test == ("i-000", "i-001")


def test_validation_images_are_those_that_a_server_would_draw() -> None:
    split = split_of(truth(40), "0.25", 0, None)
    drawn = split.validation(3, 5)
    left = [name for name in split.pool if name not in drawn]
    assert min(draw_of(3, name) for name in drawn) > max(draw_of(3, name) for name in left)
    assert split.validation(4, 5) != drawn
    assert split.validation(3, 0) == ()


def test_training_images_of_a_bound_leave_the_validation_images_out() -> None:
    split = split_of(truth(40), "0.25", 0, None)
    held_out = split.validation(1, 5)
    assert set(split.drawn(1, 100, held_out)) == set(split.pool) - set(held_out)
    assert split.drawn(1, 6) == split.drawn(1, 20)[:6]
    assert split.drawn(2, 6) != split.drawn(1, 6)


def test_a_folder_does_not_go_on_with_another_split(tmp_path: Path) -> None:
    split = Split(test=("a", "b"), pool=("c", "d"))
    check_same(tmp_path, split)
    split.save(tmp_path)
    assert Split.load(tmp_path) == split
    check_same(tmp_path, split)
    with pytest.raises(SettingsError, match="other images for the test"):
        check_same(tmp_path, Split(test=("a", "c"), pool=("b", "d")))
