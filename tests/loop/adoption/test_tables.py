"""Adopting classes from a table: every line that can be used is, and the others are named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]


def table(house: Any, *lines: str, name: str = "labels.csv") -> Path:
    path: Path = house.root / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_labels_the_images_that_it_names(house: Any, make: Make, seen: Any) -> None:
    for name in ("a.png", "b.png", "train/c.png", "d.png"):
        house.picture(name)
    path = table(
        house, "split,image,label", "x,a.png,cat", "x,b,dog", "x,train/c.png,dog", "x,d.png,"
    )
    make("kinds", path)
    assert seen.classes() == {"a": ["cat"], "b": ["dog"], "train/c": ["dog"]}
    (label,) = seen.labels()["a"]
    assert (label.author, label.state, label.format) == ("adopted", "submitted", ".json")
    assert label.adopted_from == f"{path}#a.png"
    assert house.report.adopted == 3
    assert seen.problems() == {}


@pytest.mark.parametrize("told", ["elsewhere/images/a.png", "C:\\data\\deep\\a.png", "a"])
def test_folders_need_not_agree(told: str, house: Any, make: Make, seen: Any) -> None:
    house.picture("deep/a.png")
    make("kinds", table(house, "filename;class", f"{told};cat"))
    assert seen.classes() == {"deep/a": ["cat"]}


def test_a_name_that_means_two_images_is_reported(house: Any, make: Make, seen: Any) -> None:
    house.picture("x/a.png")
    house.picture("y/a.png")
    make("kinds", table(house, "image,label", "a.png,cat", "y/a.png,dog"))
    assert seen.classes() == {"y/a": ["dog"]}
    assert "any of 2 images, such as 'x/a' and 'y/a'" in seen.problems()["labels.csv, line 2"]


def test_several_classes_are_separated_by_a_bar(house: Any, make: Make, seen: Any) -> None:
    for name in ("a.png", "b.png", "c.png"):
        house.picture(name)
    path = table(house, "image,classes", "a.png,cat|dog", "b.png,", "c.png, dog ")
    make("kinds", path, multi_label=True)
    assert seen.classes() == {"a": ["cat", "dog"], "b": [], "c": ["dog"]}


def test_a_column_a_class_says_0_or_1(house: Any, make: Make, seen: Any) -> None:
    for name in ("a.png", "b.png", "c.png"):
        house.picture(name)
    path = table(house, "image,Dog,age,cat", "a.png,1,5,0", "b.png,1.0,7,TRUE", "c.png,,,-1")
    make("kinds", path, multi_label=True)
    assert seen.classes() == {"a": ["dog"], "b": ["cat", "dog"]}
    assert "'cat' has '-1', neither 0 nor 1" in seen.problems()["labels.csv, line 4"]


def test_lines_that_label_nothing_are_named_and_stop_nothing(
    house: Any, make: Make, seen: Any
) -> None:
    house.picture("a.png")
    house.picture("b.png")
    path = table(
        house,
        "image,label",
        "a.png,cow",
        "nobody.png,cat",
        "",
        "b.png",
        ",cat",
        "b.png,cat|dog",
        "b.png,cat",
        "a.png,cat",
        'b.png,"ca',
    )
    make("kinds", path)
    found = seen.problems()
    said = {
        "line 2": "'cow', which the project has not",
        "line 3": "the store has no image 'nobody'",
        "line 5": "1 columns, fewer",
        "line 6": "names no image",
        "line 7": "2 classes",
        "line 8": "second label of image 'b'",
        "line 9": "second label of image 'a'",
        "line 10": "cannot be read on: unexpected end of data",
    }
    assert len(found) == len(said)
    for line, words in said.items():
        assert words in found[f"labels.csv, {line}"]
    assert seen.labels() == {}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"picture,label\na.png,cat\n", "one of them image, filename"),
        (b"image,cat\na.png,1\n", "none for the class 'dog'"),
        (b"image\na.png\n", "says no classes"),
        (b"\x00\x01\x02", "no table of images"),
        (b"image,label\n" + b"a" * 200_000 + b",cat\n", "larger than field limit"),
        (b"a" * 200_000, "no table of images"),
        (b'"image,label\n', "no table of images"),
    ],
)
def test_a_table_that_is_none_is_one_problem(
    data: bytes, said: str, house: Any, make: Make, seen: Any
) -> None:
    house.picture("a.png")
    path = house.root / "labels.csv"
    path.write_bytes(data)
    make("kinds", path)
    (problem,) = seen.problems().values()
    assert said in problem


def test_many_bad_lines_are_told_in_short(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    lines = [f"nobody{number},cat" for number in range(300)]
    make("kinds", table(house, "image,label", *lines, "a,cat"))
    assert seen.classes() == {"a": ["cat"]}
    found = seen.problems()
    assert len(found) == 101
    assert "200 more labels" in found["labels.csv"]


def test_a_line_that_changes_is_a_new_version_and_others_are_not(
    house: Any, make: Make, seen: Any
) -> None:
    house.picture("a.png")
    house.picture("b.png")
    path = table(house, "image,label", "a.png,cat", "b.png,cat")
    make("kinds", path)
    assert house.ingest.sync("liver").adopted == 0
    table(house, "image,label", "new.png,cat", "b.png,cat", "a.png,dog")
    assert house.ingest.sync("liver").adopted == 1
    assert seen.classes() == {"a": ["dog"], "b": ["cat"]}
    assert [label.version for label in seen.labels()["a"]] == [2, 1]
    assert house.ingest.sync("liver").adopted == 0
    assert house.kept_counts() == house.scanned_counts()


def test_a_source_that_is_older_than_its_labels_is_not_compared(
    house: Any, make: Make, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.picture("a.png")
    path = table(house, "image,label", "a.png,cat")
    make("kinds", path)
    with house.records.write() as tx:
        tx.exec_driver_sql("UPDATE labels SET created_at = 1e10")

    def refuse(_: Any) -> str:
        raise AssertionError("it was compared")

    monkeypatch.setattr("limner.loop.adoption._digest", refuse)
    assert house.ingest.sync("liver").adopted == 0


def test_old_line_ends_are_fine(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    path = house.root / "labels.csv"
    path.write_bytes(b'\xef\xbb\xbfimage\tlabel\ra.png\t"cat"\r')
    make("kinds", path)
    assert seen.classes() == {"a": ["cat"]}


def test_a_persons_label_is_never_put_aside_by_a_line(house: Any, make: Make, seen: Any) -> None:
    house.picture("a.png")
    path = table(house, "image,label")
    make("kinds", path)
    (sample,) = house.samples.list("liver").items
    house.submit(sample.id, data=b'{"classes": ["dog"]}', filename="label.json")
    table(house, "image,label", "a.png,cat")
    assert house.ingest.sync("liver").adopted == 0
    assert seen.classes() == {"a": ["dog"]}


def test_an_image_that_comes_later_is_labelled_and_its_problem_forgotten(
    house: Any, make: Make, seen: Any
) -> None:
    make("kinds", table(house, "image,label", "late.png,cat"))
    assert list(seen.problems()) == ["labels.csv, line 2"]
    house.picture("late.png")
    assert house.ingest.sync_paths("liver", ["late.png"]).adopted == 1
    assert seen.problems() == {}
    assert seen.classes() == {"late": ["cat"]}


def test_real_chest_images_take_the_classes_of_their_table(
    house: Any, make: Make, seen: Any, data_dir: Path
) -> None:
    source = data_dir / "chest-xray"
    for path in sorted((source / "images").iterdir())[:40]:
        shutil.copy(path, house.images)
    make("kinds", source / "labels.csv", labels=("normal", "pneumonia"))
    found = seen.classes()
    assert len(found) == 40
    told = dict(
        line.split(",")[:2] for line in (source / "labels.csv").read_text().splitlines()[1:]
    )
    assert all([told[f"{name}.png"]] == each for name, each in found.items())
