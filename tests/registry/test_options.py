"""Options of an app are defaults joined with what a project gives, all checked at once."""

from __future__ import annotations

import pytest

from limner.errors import InvalidRequest
from limner.plugin import AppManifest, Option, Task
from limner.registry import merged_options

MANIFEST = AppManifest(
    name="mine",
    version="1",
    factory=":App",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2}),
    abilities=frozenset(),
    title="Mine",
    licence="MIT",
    options={
        "width": Option(default=8, help="Channels.", minimum=1, maximum=64),
        "mode": Option(default="2d", help="Kind.", choices=("2d", "3d")),
        "rate": Option(default=0.5, help="Rate."),
    },
)


def test_what_is_not_given_is_the_default() -> None:
    assert merged_options(MANIFEST, {"width": 16}) == {"width": 16, "mode": "2d", "rate": 0.5}


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest, match="app 'mine'") as refusal:
        merged_options(MANIFEST, {"width": 100, "mode": "4d", "rate": "fast", "wdith": 3})
    assert refusal.value.problems == (
        "option 'wdith' is unknown; there are: mode, rate, width",
        "option 'width': 100 is above 64",
        "option 'mode': '4d' is none of ['2d', '3d']",
        "option 'rate': 'fast' is not of type float",
    )


def test_given_options_are_not_changed() -> None:
    given = {"width": 16}
    merged_options(MANIFEST, given)["mode"] = "3d"
    assert given == {"width": 16}
