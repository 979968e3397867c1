"""The report of a comparison: one page of HTML that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from limner.simulate.curves import shown
from limner.simulate.results import TARGETS

_CAPTIONS = {
    "learning-curves": "Mean score on the test set after each training, with 95 % intervals over "
    "seeds. The dashed line is what a training on all labels of the pool scores.",
    "learning-curves-log": "The same along the logarithm of the labels.",
    "labels-to-target": "Labels until the mean curve, made non-decreasing, reaches a share of the "
    "full score.",
    "cost-to-target": "The same in what the labels cost.",
    "costs": "Mean scores along what the labels cost.",
    "worst-case": "The 5th percentile of the test cases.",
    "pairwise": "Every two strategies against each other.",
    "mistakes": "What mistakes in the labels cost.",
}
"""What stands under each picture, in the order of the page."""


def report_of(results: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Write the page.

    Args:
        results: The content of `results.json`.
        pictures: PNG files by name, as `draw_all` gives them.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {each.__name__: each for each in (between, number, ratio, reached)}
    source = files("limner.simulate").joinpath("report.html.j2").read_text(encoding="utf-8")
    figures = [
        {
            "name": name,
            "caption": caption,
            "data": base64.b64encode(pictures[name]).decode("ascii"),
        }
        for name, caption in _CAPTIONS.items()
        if name in pictures
    ]
    template = environment.from_string(source)
    return template.render(
        results=results, figures=figures, targets=[str(each) for each in TARGETS]
    )


def number(value: float | None, digits: int = 3) -> str:
    """Write a number; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def between(found: Mapping[str, Any], digits: int = 3) -> str:
    """Write an estimate with its interval."""
    low, high = number(found["low"], digits), number(found["high"], digits)
    return f"{number(found['mean'], digits)} ({low} to {high})"


def reached(found: Mapping[str, Any]) -> str:
    """Write how many labels a target takes."""
    if found["estimate"] is not None:
        return shown(round(found["estimate"]))
    return str(found["censored"]).replace("<=", "≤")


def ratio(found: Mapping[str, Any]) -> str:
    """Write how many times as many labels the opponent needs."""
    if found["estimate"] is None:
        return str(found.get("censored", "–"))
    low = "?" if found["low"] is None else f"{found['low']:.2f}"
    high = "?" if found["high"] is None else f"{found['high']:.2f}"
    return f"{found['estimate']:.2f} ({low} to {high})"
