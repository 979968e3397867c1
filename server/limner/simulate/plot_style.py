"""How the pictures look: colours that the colour-blind tell apart, and quiet axes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e6e6e6"

# Okabe & Ito 2008, Color universal design; yellow is left out, as it vanishes on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A4FBF", "#8C564B")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
# How wide letters are at the sizes of letters that are used here.
_LETTER_INCHES = 0.075
_LINE_INCHES = 0.6
_MARGIN_INCHES = 0.7
_TITLE_LETTER_INCHES = 0.088
_NOTE_LETTER_INCHES = 0.061
_NAMES_INCHES = 1.7
_GREYS = ("#444444", "#8a8a8a", "#b0b0b0")


@dataclass(frozen=True, slots=True)
class Style:
    """How one strategy is drawn, the same in every picture."""

    color: str
    marker: str
    dashed: bool

    def line(self) -> dict[str, Any]:
        """Return what a line is drawn with."""
        return {
            "color": self.color,
            "marker": self.marker,
            "markersize": 5.5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
            "linewidth": 1.9,
            "linestyle": (0, (4, 1.5)) if self.dashed else "-",
        }


def styles(names: Sequence[str], are_random: Sequence[bool]) -> dict[str, Style]:
    """Choose a style for every strategy: greys and dashes for the random baselines."""
    chosen = {}
    greys = colours = 0
    for name, is_random in zip(names, are_random, strict=True):
        if is_random:
            place = greys % len(_GREYS)
            chosen[name] = Style(_GREYS[place], _MARKERS[place], True)
            greys += 1
        else:
            place = colours % len(_COLOURS)
            chosen[name] = Style(_COLOURS[place], _MARKERS[place], False)
            colours += 1
    return chosen


def tidy(axes: Axes) -> None:
    """Leave of the axes what helps to read them."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#999999")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def legend_above(figure: Figure, axes: Axes) -> None:
    """Put the legend above the axes, where it hides nothing."""
    _, labels = axes.get_legend_handles_labels()
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=legend_columns(figure.get_figwidth(), labels),
        frameon=False,
        borderaxespad=0,
        fontsize=9,
    )


def legend_columns(width: float, labels: Sequence[str]) -> int:
    """Return how many columns of a legend fit side by side into so many inches."""
    column = _LINE_INCHES + _LETTER_INCHES * max(map(len, labels), default=1)
    return max(1, min(len(labels), int((width - _MARGIN_INCHES) / column)))


def title_above(figure: Figure, words: str) -> None:
    """Put what a picture says above it, in as many lines as it needs."""
    lines = textwrap.wrap(words, int(figure.get_figwidth() / _TITLE_LETTER_INCHES))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, fontweight="bold", color=INK)


def note_below(figure: Figure, axes: Axes, words: str) -> None:
    """Put how to read a picture below it, as wide as the picture."""
    width = figure.get_figwidth() - _NAMES_INCHES
    lines = textwrap.wrap(words, max(30, int(width / _NOTE_LETTER_INCHES)))
    axes.set_xlabel("\n".join(lines), fontsize=8, color=MUTED, loc="left")


def in_lines(name: str, letters: int = 14) -> str:
    """Break the name of a strategy at its hyphens and arrows, so that it fits a column."""
    lines = [""]
    for part in re.findall(r"[^-→]+[-→]?|[-→]", name):
        if lines[-1] and len(lines[-1]) + len(part) > letters:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
