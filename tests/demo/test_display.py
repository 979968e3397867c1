"""What a person sees, in a terminal and without one."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from limner.client import Job, Progress
from limner.demo.display import LiveDisplay, PlainDisplay, cells, display_on, headings
from limner.simulate import Round

ROUND = Round(
    number=2,
    labels=10,
    trained=2,
    outcome="refuse",
    reason="worse",
    serving=1,
    validation_measure="dice",
    validation_score=0.71234,
    unseen_measure="Dice",
    unseen_score=None,
    training_s=12.4,
    seconds=20.6,
)
JOB = Job(
    id=1,
    kind="train",
    state="running",
    progress=Progress(step=3, total=9, losses={"dice": 0.25}, eta_s=12.0),
)


def test_a_round_is_told_in_words_and_figures() -> None:
    assert cells(ROUND) == ("2", "10", "1", "refused", "0.712", "-", "12", "21")


def test_headings_name_the_measures() -> None:
    sorted_images = replace(ROUND, validation_measure="", unseen_measure="balanced accuracy")
    assert headings(ROUND)[4:6] == ("Validation Dice", "Unseen Dice")
    assert headings(sorted_images)[4:6] == ("Validation score", "Unseen balanced accuracy")
    assert len(headings(ROUND)) == len(cells(ROUND))


def test_without_a_terminal_there_are_plain_lines_only() -> None:
    text = io.StringIO()
    with display_on(Console(file=text, width=200)) as display:
        assert isinstance(display, PlainDisplay)
        for done in range(3):
            display.step("Labelling", done, 3)
        for _ in range(3):
            display.job(JOB)
        display.row(ROUND)
        display.row(ROUND)
    lines = text.getvalue().splitlines()
    assert lines[0] == "Labelling …"
    assert lines[1].startswith("Training")
    assert lines[2].split()[:2] == ["Round", "Labels"]
    assert lines[3] == lines[4]
    assert len(lines) == 5
    assert "\x1b" not in text.getvalue()


def test_in_a_terminal_the_table_grows_and_a_bar_tells_what_goes_on() -> None:
    text = io.StringIO()
    console = Console(file=text, width=140, force_terminal=True, force_interactive=True)
    with display_on(console) as display:
        assert isinstance(display, LiveDisplay)
        display.job(JOB)
        display.live.refresh()
        shown = text.getvalue()
        assert "3 of 9, dice 0.250, 12 s left" in shown
        display.row(ROUND)
    assert "0.712" in text.getvalue()
    assert "Validation" in text.getvalue()
