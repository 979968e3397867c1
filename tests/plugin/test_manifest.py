from __future__ import annotations

import pytest

from limner.plugin import AppManifest, Option, Task, manifest_problems


def app(**options: Option) -> AppManifest:
    return AppManifest(
        name="any",
        version="1",
        factory=":Any",
        task=Task.SEGMENTATION,
        dimensions=frozenset({2}),
        abilities=frozenset(),
        title="Any",
        licence="MIT",
        options=options,
    )


def test_a_sound_manifest_has_no_problem() -> None:
    assert manifest_problems(app(depth=Option(default=3, help="How deep.", minimum=1))) == []


@pytest.mark.parametrize("bound", [10**400, float("nan"), float("inf"), "9"])
def test_bounds_of_an_option_are_finite_numbers(bound: float) -> None:
    option = Option(default=3, help="How deep.", maximum=bound)
    assert manifest_problems(app(depth=option)) == ["option depth: its maximum is no finite number"]


def test_a_default_lies_within_its_bounds() -> None:
    option = Option(default=3, help="How deep.", minimum=4.5)
    assert manifest_problems(app(depth=option)) == ["option depth: the default 3 is below 4.5"]
