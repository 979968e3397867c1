"""What a plugin says of itself before any of its code is loaded.

A manifest is a plain object in a module that imports nothing heavy. Its `factory` names the class
or function that does the work; only worker processes resolve it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from limner.plugin.strategy import Need
from limner.plugin.values import Json

CONTRACT_VERSION = "1.5"
"""Version of this contract. A plugin made for the same major version works."""


class Task(StrEnum):
    """The kind of answer an app gives."""

    SEGMENTATION = "segmentation"
    INSTANCES = "instances"
    CLASSIFICATION = "classification"


class Ability(StrEnum):
    """What an app can do beside predicting; each has a protocol, save `regions`."""

    DESCRIBE = "describe"
    TRAIN = "train"
    EVALUATE = "evaluate"
    EXPLAIN = "explain"
    PROMPT = "prompt"
    REGIONS = "regions"
    """Of a segmentation that describes and trains: names the part of an image that is worth most to
    label (`PredictRequest.region`), and learns from and is measured on labels of parts
    (`Case.regions`)."""


class PromptKind(StrEnum):
    """A way for an annotator to say something to a model; a part of `Prompt`."""

    POINTS = "points"
    BOXES = "boxes"
    SCRIBBLES = "scribbles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting that a project may give an app or a strategy."""

    default: Json
    """Its type is the option's type."""
    help: str
    """One sentence."""
    choices: tuple[Json, ...] = ()
    """Allowed values; empty allows any of the right type. Where the default is a list, what may be
    in it, each at most once; then it may not be empty."""
    minimum: float | None = None
    maximum: float | None = None

    def problems(self, value: Json) -> Iterator[str]:
        """Yield what is wrong with a value; nothing when it fits."""
        if self.choices and isinstance(self.default, list):
            yield from self._list_problems(value)
        elif self.choices and value not in self.choices:
            yield f"{value!r} is none of {list(self.choices)}"
        elif not self.choices and not self._has_type(value):
            yield f"{value!r} is not of type {type(self.default).__name__}"
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                yield f"{value!r} is below {self.minimum}"
            if self.maximum is not None and value > self.maximum:
                yield f"{value!r} is above {self.maximum}"

    def _list_problems(self, value: Json) -> Iterator[str]:
        if not isinstance(value, list) or not value:
            yield f"{value!r} is no list of some of {list(self.choices)}"
            return
        yield from (
            f"{each!r} is none of {list(self.choices)}"
            for each in value
            if each not in self.choices
        )
        yield from (f"{each!r} is named twice" for each in self.choices if value.count(each) > 1)

    def _has_type(self, value: Json) -> bool:
        if isinstance(self.default, bool) or isinstance(value, bool):
            return isinstance(self.default, bool) and isinstance(value, bool)
        if isinstance(self.default, float):
            return isinstance(value, int | float)
        return isinstance(value, type(self.default))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppManifest:
    """What an app says of itself."""

    name: str
    """Lower-case letters, digits and dashes; unique among apps."""
    version: str
    """The app's own version."""
    factory: str
    """`module:attribute` of a callable without parameters that makes the app; `:attribute` means
    the module that holds the manifest."""
    task: Task
    """The kind of answer."""
    dimensions: frozenset[int]
    """Numbers of spatial axes that it takes: 2, 3 or both."""
    abilities: frozenset[str]
    """Of `Ability`; a server ignores those it does not know."""
    title: str
    """A few words for people."""
    licence: str
    """SPDX identifier of the code's licence, such as `Apache-2.0`."""
    max_classes: int | None = None
    """Most classes that a schema may have; None for no limit."""
    prompts: frozenset[PromptKind] = frozenset()
    """Kinds of prompt that its models take; empty without the ability `prompt`."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Settings that a project may give, by name."""
    contract: str = CONTRACT_VERSION
    """Version of the contract that the app was made for."""
    python: str = ""
    """Python interpreter that the workers of this plugin run in, such as `.venv/bin/python`:
    absolute, or relative to the folder of the file that holds the manifest. Empty for the server's
    own. `limner` of the server's version must be installed there, beside the plugin's libraries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyManifest:
    """What a strategy says of itself."""

    name: str
    """Lower-case letters, digits and dashes; unique among strategies."""
    version: str
    """The strategy's own version."""
    factory: str
    """As in `AppManifest.factory`."""
    needs: frozenset[Need]
    """What it wants to see of the pool; nothing more is computed or sent."""
    title: str
    """A few words for people."""
    licence: str
    """SPDX identifier of the code's licence."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Settings that a project may give, by name; `Pool.options` brings them."""
    contract: str = CONTRACT_VERSION
    """Version of the contract that the strategy was made for."""
    python: str = ""
    """As in `AppManifest.python`."""

    @property
    def works_without_model(self) -> bool:
        """Whether it can order a pool that no model has seen."""
        return not self.needs


Manifest: TypeAlias = AppManifest | StrategyManifest

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*|:[A-Za-z_]\w*")


def manifest_problems(manifest: Manifest) -> list[str]:
    """List everything that breaks the contract in a manifest; empty when it is sound."""
    problems = []
    if not isinstance(manifest.name, str) or not _NAME.fullmatch(manifest.name):
        problems.append(
            f"name {manifest.name!r} is not usable: take 1 to 64 lower-case letters, digits and "
            "inner dashes"
        )
    if not isinstance(manifest.factory, str) or not _FACTORY.fullmatch(manifest.factory):
        problems.append(f"factory {manifest.factory!r} is not of the form 'module:attribute'")
    major = str(manifest.contract).split(".", maxsplit=1)[0]
    if major != CONTRACT_VERSION.split(".", maxsplit=1)[0]:
        problems.append(
            f"it was made for contract {manifest.contract}, this server speaks {CONTRACT_VERSION}"
        )
    if not isinstance(manifest.python, str) or "\0" in manifest.python:
        problems.append(f"python {manifest.python!r} is no path of an interpreter")
    problems += [
        f"{part} is empty"
        for part in ("version", "title", "licence")
        if not getattr(manifest, part)
    ]
    if isinstance(manifest, AppManifest):
        problems += _app_problems(manifest)
    else:
        problems += [
            f"need {need!r} is none of {[each.value for each in Need]}"
            for need in manifest.needs
            if need not in set(Need)
        ]
    problems += _option_problems(manifest.options)
    return problems


def _app_problems(manifest: AppManifest) -> Iterator[str]:
    if manifest.task not in set(Task):
        yield f"task {manifest.task!r} is none of {[each.value for each in Task]}"
    if not manifest.dimensions or not manifest.dimensions <= {2, 3}:
        yield f"dimensions {sorted(manifest.dimensions)} are not 2, 3 or both"
    if manifest.max_classes is not None and manifest.max_classes < 1:
        yield f"max_classes {manifest.max_classes} leaves no class"
    yield from _prompt_problems(manifest)
    yield from _region_problems(manifest)


def _option_problems(options: Mapping[str, Option]) -> Iterator[str]:
    for name, option in options.items():
        bounds = {"minimum": option.minimum, "maximum": option.maximum}
        odd = [which for which, bound in bounds.items() if not _is_bound(bound)]
        yield from (f"option {name}: its {which} is no finite number" for which in odd)
        if not odd:
            for problem in option.problems(option.default):
                yield f"option {name}: the default {problem}"


def _prompt_problems(manifest: AppManifest) -> Iterator[str]:
    known = [each.value for each in PromptKind]
    is_able = Ability.PROMPT in manifest.abilities
    if is_able and not manifest.prompts:
        yield f"it has the ability 'prompt' and names no kind in prompts: take some of {known}"
    if manifest.prompts and not is_able:
        yield "it names kinds in prompts and lacks the ability 'prompt': give it, or name none"
    for kind in sorted(manifest.prompts, key=str):
        if kind not in set(PromptKind):
            yield f"prompt {kind!r} is none of {known}"


def _region_problems(manifest: AppManifest) -> Iterator[str]:
    if Ability.REGIONS not in manifest.abilities:
        return
    if manifest.task != Task.SEGMENTATION:
        yield f"it has the ability 'regions', which is for segmentation, not {manifest.task}"
    for needed in (Ability.DESCRIBE, Ability.TRAIN):
        if needed not in manifest.abilities:
            yield f"it has the ability 'regions' and lacks {needed.value!r}, which that needs"


def _is_bound(bound: object) -> bool:
    if bound is None:
        return True
    try:
        return isinstance(bound, int | float) and math.isfinite(bound)
    except OverflowError:  # a whole number beyond any float
        return False
