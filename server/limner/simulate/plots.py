"""The pictures of a comparison, drawn from its results. Matplotlib is imported when they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from limner.errors import SettingsError
from limner.simulate.plot_style import (
    INK,
    MUTED,
    Style,
    legend_above,
    legend_columns,
    styles,
    tidy,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
_WIDTH, _HEIGHT = 7.4, 4.6

Drawing = Callable[["Figure", Mapping[str, Any], Mapping[str, Style]], None]


def draw_all(results: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw every picture that the results have numbers for: PNG files by name.

    Raises:
        SettingsError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingsError(
            "Pictures need matplotlib: pip install 'limner[simulate]'. The numbers are kept; the "
            "same command then draws them."
        ) from error
    from limner.simulate.comparison_plots import cost_ratios, labels_to_target, pairwise

    names = list(results["strategies"])
    style = styles(names, [results["strategies"][each]["is_random"] for each in names])
    drawings: dict[str, tuple[Drawing, float, float]] = {
        "learning-curves": (learning_curves, _WIDTH, _HEIGHT),
        "learning-curves-log": (learning_curves_log, _WIDTH, _HEIGHT),
        "costs": (cost_curves, _WIDTH, _HEIGHT),
        "worst-case": (worst_cases, _WIDTH, _HEIGHT),
        "pairwise": (
            pairwise,
            max(5.0, 1.9 + 1.35 * len(names)),
            max(3.6, 1.5 + 0.85 * len(names)),
        ),
    }
    if results["full_score"] is not None:
        tall = max(3.2, 1.6 + 0.85 * len(names))
        drawings["labels-to-target"] = (labels_to_target, _WIDTH, tall)
    if any("cost_to" in axis for axis in _axes(results)):
        drawings["cost-to-target"] = (cost_ratios, _WIDTH, max(3.2, 1.6 + 0.85 * len(names)))
    if "mistakes" in results:
        drawings["mistakes"] = (mistakes, _WIDTH, _HEIGHT)
    drawn = {}
    for name, (drawing, width, height) in drawings.items():
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        drawing(figure, results, style)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
        drawn[name] = file.getvalue()
    return drawn


def learning_curves(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw the mean curves with their intervals, and the bounds between which they lie."""
    axes = figure.add_subplot()
    _curves(axes, results, style, lambda each: each["curve"])
    _bounds(axes, results)
    _labels_axis(axes, results)
    legend_above(figure, axes)
    title_above(figure, results["headline"])


def learning_curves_log(
    figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]
) -> None:
    """Draw the same along the logarithm of the labels, where each doubling has the same room."""
    learning_curves(figure, results, style)
    axes = figure.axes[0]
    axes.set_xscale("log")
    _round_ticks(axes, results["labels"])
    axes.set_xlabel("labels (log scale)")


def worst_cases(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw the 5th percentile of the test cases: what a user sees on a bad day."""
    axes = figure.add_subplot()
    _curves(axes, results, style, lambda each: each["worst_case"]["curve"])
    _labels_axis(axes, results)
    axes.set_ylabel(f"{results['worst_case_measure']} of the 5th percentile case")
    legend_above(figure, axes)


def cost_curves(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw the mean curves along what the labels cost, an axis beside the other."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    names = list(next(iter(results["strategies"].values()))["costs"])
    shared: Axes | None = None
    for number, axis in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), number, sharey=shared)
        shared = shared or axes
        for name, each in results["strategies"].items():
            curve = each["costs"][axis]["curve"]
            x, y = [p["cost"] for p in curve], [p["mean"] for p in curve]
            axes.plot(x, y, label=name, **style[name].line())
        tidy(axes)
        title = "simulated minutes" if axis == "minutes" else f"annotated {axis}"
        axes.set_xlabel(title)
        axes.margins(x=0.03)
        axes.xaxis.set_major_locator(MaxNLocator(5 if len(names) > 1 else 9))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        if number == 1:
            axes.set_ylabel(f"{results['measure']['title']} on the test set")
        else:
            axes.tick_params(labelleft=False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", frameon=False, fontsize=9,
        ncols=legend_columns(figure.get_figwidth(), labels),
    )  # fmt: skip


def mistakes(figure: Figure, results: Mapping[str, Any], style: Mapping[str, Style]) -> None:
    """Draw the curves with mistakes in the labels, dashed, beside those without."""
    axes = figure.add_subplot()
    labels = results["labels"]
    for name, each in results["strategies"].items():
        axes.plot(labels, [p["mean"] for p in each["curve"]], label=name, **style[name].line())
        wrong = results["mistakes"]["strategies"][name]["curve"]
        line = {**style[name].line(), "linestyle": (0, (2, 2)), "marker": "", "linewidth": 1.4}
        axes.plot(labels, [p["mean"] for p in wrong], **line)
    axes.plot([], [], color=INK, linestyle=(0, (2, 2)), linewidth=1.4, label="with mistakes")
    _labels_axis(axes, results)
    legend_above(figure, axes)


def _curves(
    axes: Axes,
    results: Mapping[str, Any],
    style: Mapping[str, Style],
    curve_of: Callable[[Mapping[str, Any]], Sequence[Mapping[str, float]]],
) -> None:
    for name, each in results["strategies"].items():
        curve = curve_of(each)
        x = [p["labels"] for p in curve]
        axes.fill_between(
            x,
            [p["low"] for p in curve],
            [p["high"] for p in curve],
            color=style[name].color,
            alpha=0.13,
            linewidth=0,
        )
        axes.plot(x, [p["mean"] for p in curve], label=name, **style[name].line())


def _bounds(axes: Axes, results: Mapping[str, Any]) -> None:
    """Draw the score of all labels; the lower bound only where it does not squeeze the curves."""
    full, trivial = results["full_score"], results["trivial_score"]
    low = min(p["mean"] for each in results["strategies"].values() for p in each["curve"])
    if full is not None:
        axes.axhline(full, color=INK, linewidth=1, linestyle=(0, (6, 3)), zorder=1)
        _at_line(axes, full, f"all {results['pool']} labels: {full:.3f}")
    if full is not None and trivial is not None and low - trivial < 0.5 * (full - low):
        axes.axhline(trivial, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        _at_line(axes, trivial, f"labels of other images: {trivial:.3f}")


def _at_line(axes: Axes, height: float, words: str) -> None:
    axes.annotate(
        words,
        (0.005, height),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        color=MUTED,
        fontsize=8,
    )


def _labels_axis(axes: Axes, results: Mapping[str, Any]) -> None:
    tidy(axes)
    axes.set_xlabel("labels")
    axes.set_ylabel(f"{results['measure']['title']} on the test set")
    axes.margins(x=0.03)
    _round_ticks(axes, results["labels"])


def _round_ticks(axes: Axes, labels: Sequence[int]) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    step = max(1, -(-len(labels) // 10))
    shown = list(labels[::step])
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FixedFormatter([str(each) for each in shown]))
    axes.xaxis.set_minor_locator(NullLocator())


def _axes(results: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [axis for each in results["strategies"].values() for axis in each["costs"].values()]
