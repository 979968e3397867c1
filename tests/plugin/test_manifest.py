from __future__ import annotations

import dataclasses

import pytest

from limner.plugin import (
    CONTRACT_VERSION,
    Ability,
    AppManifest,
    Option,
    PromptKind,
    Task,
    manifest_problems,
)


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


def prompted(abilities: set[str], prompts: set[str]) -> AppManifest:
    kinds = frozenset(prompts)
    return dataclasses.replace(app(), abilities=frozenset(abilities), prompts=kinds)  # type: ignore[arg-type]


@pytest.mark.parametrize("prompts", [set(PromptKind), {PromptKind.BOXES}, {"points", "scribbles"}])
def test_an_app_names_the_kinds_of_prompt_that_its_models_take(prompts: set[str]) -> None:
    assert manifest_problems(prompted({Ability.PROMPT}, prompts)) == []


@pytest.mark.parametrize(
    ("abilities", "prompts", "problem"),
    [
        ({"prompt"}, set(), "it has the ability 'prompt' and names no kind in prompts"),
        ({"train"}, {"points"}, "it names kinds in prompts and lacks the ability 'prompt'"),
        (
            {"prompt"},
            {"points", "words"},
            "prompt 'words' is none of ['points', 'boxes', 'scribbles']",
        ),
    ],
)
def test_the_ability_and_the_kinds_of_prompt_belong_together(
    abilities: set[str], prompts: set[str], problem: str
) -> None:
    (said,) = manifest_problems(prompted(abilities, prompts))
    assert said.startswith(problem)


@pytest.mark.parametrize("contract", ["1.0", "1.2", "1.3", CONTRACT_VERSION])
def test_apps_made_for_an_older_contract_take_no_prompts_and_work(contract: str) -> None:
    older = dataclasses.replace(app(), contract=contract)
    assert older.prompts == frozenset()
    assert manifest_problems(older) == []
