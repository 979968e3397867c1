"""How the pictures look: colours that the colour-blind tell apart, and quiet axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e6e6e6"

# Okabe & Ito 2008, Color universal design; yellow is left out, as it vanishes on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A4FBF", "#8C564B")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
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
            "markersize": 4.5,
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
            chosen[name] = Style(_GREYS[greys % len(_GREYS)], "o", True)
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


def legend_above(axes: Axes) -> None:
    """Put the legend above the axes, where it hides nothing."""
    _, labels = axes.get_legend_handles_labels()
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=min(4, len(labels)),
        frameon=False,
        borderaxespad=0,
        fontsize=9,
    )
