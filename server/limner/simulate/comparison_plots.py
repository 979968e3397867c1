"""Pictures that set strategies against each other: differences, and labels to a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from limner.simulate.conclusion import is_found
from limner.simulate.plot_style import INK, MUTED, Style, in_lines, note_below, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TARGET_SHADES = {"90": 0.45, "95": 0.7, "98": 1.0}


def pairwise(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw the differences of the areas: row minus column, coloured only where one was found."""
    from matplotlib.patches import Rectangle

    names = list(results["strategies"])
    pairs: dict[tuple[str, str], tuple[float, float, float, bool]] = {}
    for each in results["pairwise"]:
        found = each["difference"]
        mean, low, high = found["mean"], found["low"], found["high"]
        pairs[each["a"], each["b"]] = (mean, low, high, is_found(each))
        pairs[each["b"], each["a"]] = (-mean, -high, -low, is_found(each))
    largest = max((abs(each[0]) for each in pairs.values()), default=0.0) or 1.0
    axes = figure.add_subplot()
    for row, left in enumerate(names):
        for column, right in enumerate(names):
            cell = pairs.get((left, right))
            axes.add_patch(
                Rectangle(
                    (column, row),
                    1,
                    1,
                    facecolor=_shade(cell, largest),
                    edgecolor="white",
                    linewidth=2,
                )
            )
            if cell is not None:
                _cell_text(axes, column, row, cell)
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0))
    axes.set_xticks(np.arange(len(names)) + 0.5, [in_lines(each) for each in names])
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, colors=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    note_below(
        figure,
        axes,
        f"Area under the curve ({results['measure']['title']}): row minus column, with the 95 % "
        "interval over paired seeds. Blue: the row is better, orange: worse; grey: no difference "
        "was found that holds when all pairs are looked at (Holm).",
    )


def labels_to_target(
    figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]
) -> None:
    """Draw how many labels each strategy needs to come to shares of the full score."""
    bars = {
        name: {
            percent: _bar(reached, reached["ratio_to_random"])
            for percent, reached in each.get("labels_to", {}).items()
        }
        for name, each in results["strategies"].items()
    }
    _target_bars(figure, results, style, bars, "labels")


def cost_ratios(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw what each strategy costs until it comes to shares of the full score."""
    axis = next(iter(next(iter(results["strategies"].values()))["costs"]))
    bars = {
        name: {
            percent: _bar(reached, reached["ratio_to_random"])
            for percent, reached in each["costs"][axis].get("cost_to", {}).items()
        }
        for name, each in results["strategies"].items()
    }
    title = "simulated minutes" if axis == "minutes" else f"annotated {axis}"
    _target_bars(figure, results, style, bars, title)


def _bar(reached: Mapping[str, Any], ratio: Mapping[str, Any]) -> tuple[float, str, str]:
    """Return a bar's length, what is before its number, and the words on its ratio."""
    if reached["estimate"] is not None:
        length, sign = float(reached["estimate"]), ""
    else:
        sign, _, number = str(reached["censored"]).partition(" ")
        length, sign = float(number), "> " if sign == ">" else "≤ "
    if ratio["estimate"] is None:
        return length, sign, ""
    low = "?" if ratio["low"] is None else f"{ratio['low']:.2f}"
    high = "?" if ratio["high"] is None else f"{ratio['high']:.2f}"
    return length, sign, f"{ratio['estimate']:.2f}× ({low}–{high})"


def _target_bars(
    figure: Figure,
    results: Mapping[str, Any],
    style: Mapping[str, Style],
    bars: Mapping[str, Mapping[str, tuple[float, str, str]]],
    unit: str,
) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes = figure.add_subplot()
    names = list(bars)
    percents = list(_TARGET_SHADES)
    height = 0.8 / len(percents)
    # Labels are whole; of a few minutes the tenths count.
    digits = 0 if unit == "labels" else _digits(bars)
    longest = max((b[0] for each in bars.values() for b in each.values()), default=1.0)
    for row, name in enumerate(names):
        for number, percent in enumerate(percents):
            found = bars[name].get(percent)
            if found is None:
                continue
            length, sign, ratio = found
            place = row - 0.4 + height * (number + 0.5)
            axes.barh(
                place,
                length,
                height * 0.86,
                color=style[name].color,
                alpha=_TARGET_SHADES[percent],
                hatch="///" if sign == "> " else None,
                edgecolor="white",
                linewidth=0,
            )
            own = "" if name == results["opponent"] or not ratio else f"   {ratio}"
            axes.annotate(
                f"{percent} %: {sign}{length:,.{digits}f}{own}",
                (length, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=INK,
            )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 1.55 * longest)
    tidy(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    note_below(
        figure,
        axes,
        f"{unit} until the mean curve reaches a share of the full score; hatched: not reached. "
        f"×: {results['opponent']} needs so many times as many, with the 95 % interval.",
    )


def _digits(bars: Mapping[str, Mapping[str, tuple[float, str, str]]]) -> int:
    return 1 if any(bar[0] < 20 for each in bars.values() for bar in each.values()) else 0


def _shade(cell: tuple[float, float, float, bool] | None, largest: float) -> str:
    if cell is None:
        return "#ffffff"
    mean, _, _, found = cell
    if not found:
        return "#efefef"
    share = 0.25 + 0.6 * abs(mean) / largest
    return _mixed((0, 114, 178) if mean > 0 else (213, 94, 0), share)


def _mixed(colour: Sequence[int], share: float) -> str:
    return "#" + "".join(f"{round(255 - share * (255 - each)):02x}" for each in colour)


def _cell_text(axes: Axes, column: int, row: int, cell: tuple[float, float, float, bool]) -> None:
    mean, low, high, found = cell
    colour = INK if found else MUTED
    axes.text(
        column + 0.5, row + 0.43, f"{mean:+.3f}", ha="center", va="center", fontsize=10,
        color=colour, fontweight="bold" if found else "normal",
    )  # fmt: skip
    axes.text(
        column + 0.5, row + 0.68, f"{low:+.3f} to {high:+.3f}", ha="center", va="center",
        fontsize=7, color=colour,
    )  # fmt: skip
