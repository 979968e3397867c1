"""The strategies that are compared, read from their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.simulate.known_outcomes import contender

from limner.errors import NotFound, SettingsError
from limner.registry import Registry
from limner.simulate.contenders import Contender, contenders


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(())


def read(
    registry: Registry, *names: str, options: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Contender, ...]:
    return contenders(names, options or {}, registry)


def test_a_strategy_that_needs_a_model_begins_at_random(registry: Registry) -> None:
    _, entropy = read(registry, "random", "entropy")
    assert (entropy.cold_start, entropy.strategy, entropy.name) == ("random", "entropy", "entropy")


def test_a_strategy_that_needs_none_opens_for_itself(registry: Registry) -> None:
    first = read(registry, "random", "first")[1]
    assert (first.cold_start, first.strategy) == ("first", "first")


@pytest.mark.parametrize("text", ["first->entropy", "first→entropy", " first  -> entropy "])
def test_an_arrow_names_one_that_opens_and_one_that_goes_on(registry: Registry, text: str) -> None:
    made = read(registry, "random", text)[1]
    assert (made.cold_start, made.strategy) == ("first", "entropy")
    assert made.name == "first→entropy"
    assert made.slug == "first-then-entropy"


def test_one_over_embeddings_opens_by_the_pixels_where_it_is_named_to(registry: Registry) -> None:
    _, plain, opened, both = read(
        registry, "random", "typiclust", "typiclust->entropy", "typiclust->typiclust"
    )
    assert (plain.cold_start, plain.strategy) == ("random", "typiclust")
    assert (opened.cold_start, opened.strategy) == ("typiclust", "entropy")
    assert (both.cold_start, both.strategy) == ("typiclust", "typiclust")


def test_a_random_one_is_always_there(registry: Registry) -> None:
    assert [each.name for each in read(registry, "entropy")] == ["random", "entropy"]
    assert [each.name for each in read(registry, "entropy", "random")] == ["entropy", "random"]


def test_one_that_only_goes_on_at_random_is_no_random_baseline(registry: Registry) -> None:
    made = read(registry, "first->random")
    assert [(each.name, each.is_random) for each in made] == [
        ("random", True),
        ("first→random", False),
    ]


@pytest.mark.parametrize(
    ("name", "is_random"),
    [("random", True), ("entropy", False), ("brandomised", False), ("first→random", False)],
)
def test_random_baselines_go_by_their_names(name: str, is_random: bool) -> None:
    assert contender(name).is_random is is_random


def test_options_go_to_the_strategy_that_they_name(registry: Registry) -> None:
    made = read(registry, "random", "entropy", options={"entropy": {"batch": "power"}})
    assert [each.options for each in made] == [{}, {"batch": "power"}]


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        ((), {}, "Name the strategies"),
        (("random", "entropy", "entropy"), {}, "'entropy' is named twice"),
        (("random", "first->entropy", "first→entropy"), {}, "'first→entropy' is named twice"),
        (("first->entropy->random",), {}, "names no strategy"),
        (("->entropy",), {}, "names no strategy"),
        (("entropy->",), {}, "names no strategy"),
        (("entropy->random",), {}, "cannot open with 'entropy': it needs scores of a model"),
        (("badge->random",), {}, "cannot open with 'badge': it needs classes of a model"),
        (("entropy",), {"clasp": {"a": 1}}, "strategy 'clasp', which is not compared"),
    ],
)
def test_mistakes_are_told_in_words(
    registry: Registry, names: tuple[str, ...], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        read(registry, *names, options=options)


@pytest.mark.parametrize("name", ["entropi", "entropi->random", "random->entropi"])
def test_a_strategy_that_is_not_there_is_named(registry: Registry, name: str) -> None:
    with pytest.raises(NotFound, match="entropi"):
        read(registry, name)
