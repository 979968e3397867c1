"""`limner simulate` as a shell sees it: words and exit codes, and how it shows where it stands."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.simulate.drawn import draw_pictures

from limner.cli import main
from limner.cli.exits import Exit
from limner.cli.simulate_display import LiveDisplay, PlainDisplay, display_on, round_words
from limner.simulate.work_items import WorkItem

ITEM = WorkItem(kind="arm", key="entropy-seed3", seed=3, rounds=4)
ROUND: dict[str, Any] = {
    "event": "round",
    "round": 2,
    "labels": 40,
    "title": "balanced accuracy",
    "value": 0.87654,
    "seconds": {"train": 8.4},
    "test": {"measure": "log_score", "score": 0.97, "metrics": {"balanced_accuracy": 0.87654}},
}


def told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    """Run the command line in this process; return its exit code and its complaint."""
    monkeypatch.setattr(sys, "argv", ["limner", "simulate", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    out, words = capsys.readouterr()
    assert out == ""
    return ended.value.code, " ".join(words.split())


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, str]:
    images, table = draw_pictures(tmp_path / "data", 12)
    return str(images), str(table)


LABELS = ("--labels", "dark,bright", "--app", "classification")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give a folder of images, its labels and the classes"),
        (("IMAGES",), "Give a folder of images, its labels and the classes"),
        (("IMAGES", "TABLE"), "Give a folder of images, its labels and the classes"),
        (("NOWHERE", "TABLE", *LABELS), "There is no folder of images at"),
        (("TABLE", "TABLE", *LABELS), "There is no folder of images at"),
        (("IMAGES", "NOWHERE", *LABELS), "There are no labels at"),
        (("IMAGES", "TABLE", *LABELS, "--project", "p"), "Give --home together with --project"),
        (("--project", "p"), "Give --home together with --project"),
        (("--home", "NOWHERE"), "Give --home together with --project"),
        (("--home", "NOWHERE", "--project", "p"), "is no home of a Limner server"),
        (("IMAGES", "TABLE", *LABELS, "--seeds", "0"), "--seeds 0 is too few"),
        (("IMAGES", "TABLE", *LABELS, "--seeds", "few"), "Invalid value for '--seeds'"),
        (("IMAGES", "TABLE", *LABELS, "--rounds", "60"), "and the pool has 9 images"),
        (("IMAGES", "TABLE", *LABELS, "--strategies", " , "), "Name the strategies to compare"),
        (("IMAGES", "TABLE", *LABELS, "--budget", "soon"), "--budget 'soon' is no time"),
        (("IMAGES", "TABLE", *LABELS, "--set", "x"), "--set 'x' is no pair; write NAME=VALUE"),
        (("IMAGES", "TABLE", *LABELS, "--set", "seed=1"), "the comparison sets it itself"),
        (
            ("IMAGES", "TABLE", *LABELS, "--strategy-option", "batch=power"),
            "write STRATEGY.NAME=VALUE",
        ),
        (("IMAGES", "TABLE", *LABELS, "--app-option", "widht=3"), "option 'widht' is unknown"),
        (("IMAGES", "TABLE", *LABELS, "--parallel", "0"), "Invalid value for '--parallel'"),
        (("IMAGES", "TABLE", *LABELS, "--test", "fold=1"), "a column 'fold'"),
        (("IMAGES", "TABLE", *LABELS, "--frobnicate"), "No such option"),
    ],
)
def test_mistakes_are_told_in_words_and_nothing_is_written(
    arguments: tuple[str, ...],
    words: str,
    data: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = {"IMAGES": data[0], "TABLE": data[1], "NOWHERE": str(tmp_path / "nowhere")}
    out = tmp_path / "out"
    given = [real.get(each, each) for each in arguments]
    code, complaint = told(capsys, monkeypatch, *given, "--out", str(out))
    assert code == Exit.USAGE, complaint
    assert words in complaint
    assert "Traceback" not in complaint
    assert not (out / "design.json").exists()
    assert not (out / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--app", "classifikation"), "no app 'classifikation'"),
        (("--app", "classification", "--strategies", "entropi"), "no strategy 'entropi'"),
    ],
)
def test_plugins_that_are_not_there_are_named(
    arguments: tuple[str, ...],
    words: str,
    data: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = [*data, "--labels", "dark,bright", *arguments, "--out", str(tmp_path / "out")]
    code, complaint = told(capsys, monkeypatch, *given)
    assert code == Exit.FAILED
    assert words in complaint
    assert "Traceback" not in complaint


def test_a_training_is_told_by_the_measure_that_is_compared() -> None:
    words = round_words(ITEM, ROUND)
    assert words == "entropy-seed3: 40 labels, balanced accuracy 0.877, trained in 8 s"
    assert round_words(ITEM, {**ROUND, "value": None}).count("balanced accuracy –") == 1


def test_a_round_without_a_version_to_measure_is_told_without_a_number() -> None:
    nothing = {**ROUND, "test": None}
    del nothing["title"], nothing["value"]
    assert round_words(ITEM, nothing) == "entropy-seed3: 40 labels, score –, trained in 8 s"


def test_without_a_terminal_there_is_a_line_for_every_training() -> None:
    text = io.StringIO()
    with display_on(Console(file=text, width=200)) as display:
        assert isinstance(display, PlainDisplay)
        for done in range(3):
            display.step("Reading labels", done, 3)
        display.begin(5, 12)
        display.event(ITEM, {"event": "stage", "what": "training", "done": 1, "total": 9})
        display.event(ITEM, ROUND)
        display.event(ITEM, {"event": "done"})
        display.say("1 pieces of work failed [bold]")
    assert text.getvalue().splitlines() == [
        "Reading labels …",
        "12 trainings, 5 of them done already.",
        "   6 of 12  entropy-seed3: 40 labels, balanced accuracy 0.877, trained in 8 s",
        "1 pieces of work failed [bold]",
    ]


def test_in_a_terminal_a_bar_goes_on_with_every_training() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True, highlight=False)
    with display_on(console) as display:
        assert isinstance(display, LiveDisplay)
        display.step("Reading labels", 0, 3)
        display.begin(5, 12)
        display.event(ITEM, ROUND)
        display.event(ITEM, {"event": "done"})
    shown = text.getvalue()
    assert "Reading labels" in shown
    assert "6/12" in shown
    assert "balanced accuracy 0.877" in shown
