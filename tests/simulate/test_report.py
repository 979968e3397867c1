"""The report and its pictures: one file that says it all, whatever things are called."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.simulate.known_outcomes import noisy, results

from limner.errors import SettingsError
from limner.simulate.plot_style import in_lines, legend_columns, styles
from limner.simulate.plots import DPI, draw_all
from limner.simulate.report import report_of

CURVES = {
    "random": [0.60, 0.70, 0.80],
    "entropy": [0.60, 0.80, 0.88],
    "typiclust→uncertain-then-diverse": [0.65, 0.80, 0.88],
}


def known(**values: Any) -> dict[str, Any]:
    scores = {name: noisy(curve, 10, at) for at, (name, curve) in enumerate(CURVES.items())}
    lower = {name: (np.array(each) - 0.03).tolist() for name, each in scores.items()}
    voxels = np.broadcast_to([1000.0, 2000.0, 4000.0], (10, 3))
    costs = {"voxels": voxels, "minutes": voxels / 100}
    return results(scores, **{"mistaken": lower, "costs": costs, **values})


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return draw_all(known())


class Page(HTMLParser):
    """What a browser would fetch, and what it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self._is_style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._is_style = tag == "style"
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.words += data

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False


def test_the_page_needs_nothing_from_elsewhere(pictures: dict[str, bytes]) -> None:
    text = report_of(known(), pictures)
    page = Page(text)
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "script" not in page.tags
    assert "link" not in page.tags
    for link in page.links:
        text = text.replace(link, "")
    assert not re.search(r"https?:|url\(|@import|//", text)


def test_every_picture_is_in_the_page(pictures: dict[str, bytes]) -> None:
    page = Page(report_of(known(), pictures))
    inlined = {base64.b64decode(link.partition(",")[2]) for link in page.links}
    assert inlined == set(pictures.values())
    assert page.tags.count("figcaption") == len(pictures)


def test_the_line_that_counts_is_on_top_and_the_conclusion_follows(
    pictures: dict[str, bytes],
) -> None:
    told = known()
    words = " ".join(Page(report_of(told, pictures)).words.split())
    assert words.index(told["headline"]) < words.index(told["conclusion"])
    assert words.index(told["conclusion"]) < words.index("Strategies Strategy")
    for note in told["notes"]:
        assert note in words


def test_names_are_shown_as_they_are_and_run_nothing(pictures: dict[str, bytes]) -> None:
    told = known(labels={"<b>": 1, "<script>alert('x')</script>": 2, "a & b": 3})
    told["design"]["images"] = "/data/<img src=x onerror=alert(1)>"
    page = Page(report_of(told, pictures))
    assert "b" not in page.tags
    assert "script" not in page.tags
    assert page.tags.count("img") == len(pictures)
    assert "<img src=x onerror=alert(1)>" in page.words
    assert r"\u003cb\u003e" in page.words  # as JSON in HTML has it


def test_the_page_says_what_was_not_found_out(pictures: dict[str, bytes]) -> None:
    told = known(full=None, trivial=None, mistaken=None)
    words = " ".join(Page(report_of(told, {})).words.split())
    assert "Labels to 90 %" not in words
    assert "Mistakes in the labels" not in words
    assert "All labels score –" in words


def test_labels_that_were_not_enough_are_shown_as_such(pictures: dict[str, bytes]) -> None:
    words = " ".join(Page(report_of(known(), pictures)).words.split())
    assert "> 40" in words


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("learning-curves", (962, 598)),
        ("learning-curves-log", (962, 598)),
        ("costs", (962, 598)),
        ("worst-case", (962, 598)),
        ("mistakes", (962, 598)),
        ("labels-to-target", (962, round((1.6 + 3 * 0.85) * DPI))),
        ("cost-to-target", (962, round((1.6 + 3 * 0.85) * DPI))),
        ("pairwise", (round((1.9 + 3 * 1.35) * DPI), round((1.5 + 3 * 0.85) * DPI))),
    ],
)
def test_pictures_are_whole_and_of_their_size(
    pictures: dict[str, bytes], name: str, size: tuple[int, int]
) -> None:
    with Image.open(io.BytesIO(pictures[name])) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert abs(picture.width - size[0]) <= 1
        assert abs(picture.height - size[1]) <= 1
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_a_picture_is_the_same_whenever_it_is_drawn(pictures: dict[str, bytes]) -> None:
    assert draw_all(known())["learning-curves"] == pictures["learning-curves"]


def test_pictures_without_numbers_are_not_drawn() -> None:
    drawn = draw_all(known(full=None, trivial=None, mistaken=None))
    assert set(drawn) == {
        "learning-curves", "learning-curves-log", "costs", "worst-case", "pairwise",
    }  # fmt: skip


def test_pictures_need_no_display_and_leave_matplotlib_as_it_is(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = ['.']\n"
        "from tests.simulate.known_outcomes import noisy, results\n"
        "from limner.simulate.plots import draw_all\n"
        "assert 'matplotlib' not in sys.modules\n"
        "drawn = draw_all(results({'random': noisy([0.5, 0.6, 0.7], 3, 0)}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(len(drawn['learning-curves']))\n"
    )
    # MPLBACKEND names a window system that is not there: it must not be asked for.
    path = os.pathsep.join(sys.path)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": path,
        "MPLBACKEND": "TkAgg",
        "MPLCONFIGDIR": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 5000


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(SettingsError, match=r"pip install 'limner\[simulate\]'"):
        draw_all(known())


def test_colours_are_apart_and_baselines_are_grey_and_dashed() -> None:
    names = ["random", "stratified-random", *"abcdefgh"]
    chosen = styles(names, [True, True] + [False] * 8)
    assert len({each.color for each in chosen.values()}) == len(names)
    assert len({each.marker for each in list(chosen.values())[2:]}) == 8
    assert chosen["random"].marker != chosen["stratified-random"].marker
    assert [each.dashed for each in chosen.values()] == [True, True] + [False] * 8


def test_long_names_are_broken_where_a_reader_would() -> None:
    assert in_lines("entropy") == "entropy"
    assert in_lines("uncertain-then-diverse") == "uncertain-\nthen-diverse"
    assert in_lines("typiclust→entropy") == "typiclust→\nentropy"
    assert in_lines("a" * 40) == "a" * 40


def test_a_legend_is_never_wider_than_its_picture() -> None:
    assert legend_columns(7.4, ["random", "entropy"]) == 2
    assert legend_columns(7.4, ["typiclust→uncertain-then-diverse"] * 4) == 2
    assert legend_columns(7.4, ["x" * 200] * 3) == 1
