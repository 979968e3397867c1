"""Manifests as plain data, on their way from the process that imported them.

What comes back is data of a stranger: every field is looked at before it is believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from enum import Enum, StrEnum
from typing import Any

from limner.plugin import (
    Ability,
    AppManifest,
    Json,
    Manifest,
    Need,
    Option,
    PromptKind,
    StrategyManifest,
    Task,
)

_TEXTS = ("name", "version", "factory", "title", "licence", "contract", "python")
_KINDS: Mapping[str, type[Manifest]] = {"app": AppManifest, "strategy": StrategyManifest}


def plain_manifest(manifest: Manifest) -> dict[str, Any]:
    """Write a manifest in values that JSON knows.

    Raises:
        TypeError: A field holds something else; the message names it.
    """
    kind = "app" if isinstance(manifest, AppManifest) else "strategy"
    written = {}
    for field in fields(_KINDS[kind]):
        try:
            written[field.name] = _plain(getattr(manifest, field.name))
        except TypeError as error:
            raise TypeError(f"{field.name} holds {error}") from None
    return {"kind": kind, "fields": written}


def manifest_from(data: Mapping[str, Any]) -> Manifest:
    """Read what `plain_manifest` wrote. Whether the values make sense is for others to say.

    Raises:
        TypeError: A field is missing, unknown or not of its type; the message names it.
    """
    made = _KINDS[data["kind"]]
    given = dict(data["fields"])
    unknown = sorted(set(given) - {each.name for each in fields(made)})
    if unknown:
        raise TypeError(f"{unknown[0]} is no field of a manifest")
    for name in _TEXTS:
        _expect(name, given.get(name), str, "text")
    if made is StrategyManifest:
        given["needs"] = _words(given, "needs", Need)
        given.setdefault("options", {})  # as below
    else:
        _expect("task", given.get("task"), str, "text")
        given["task"] = _member(given["task"], Task)
        given["abilities"] = _words(given, "abilities", Ability)
        given.setdefault("prompts", [])  # what was written under contract 1.2 has no such field
        given["prompts"] = _words(given, "prompts", PromptKind)
        _expect("dimensions", given.get("dimensions"), list, "a set of numbers")
        for each in given["dimensions"]:
            _expect("dimensions", each, int, "a set of whole numbers")
        given["dimensions"] = frozenset(given["dimensions"])
        if given.get("max_classes") is not None:
            _expect("max_classes", given["max_classes"], int, "a whole number")
    _expect("options", given.get("options"), dict, "a table of options")
    given["options"] = {name: _option(name, each) for name, each in given["options"].items()}
    return made(**given)


def _option(name: str, data: object) -> Option:
    if not isinstance(data, dict) or set(data) != {each.name for each in fields(Option)}:
        raise TypeError(f"option {name} is {_short(data)}, not an Option")
    _expect(f"help of option {name}", data["help"], str, "text")
    _expect(f"choices of option {name}", data["choices"], list, "a tuple")
    for bound in ("minimum", "maximum"):
        if data[bound] is not None:
            _expect(f"{bound} of option {name}", data[bound], int | float, "a number")
    return Option(**{**data, "choices": tuple(data["choices"])})


def _words(given: Mapping[str, Any], name: str, known: type[StrEnum]) -> frozenset[str]:
    _expect(name, given.get(name), list, "a set of words")
    for each in given[name]:
        _expect(name, each, str, "a set of words")
    return frozenset(_member(each, known) for each in given[name])


def _member(word: str, known: type[StrEnum]) -> str:
    """Return the member of an enumeration that a word names; an unknown word stays as it is."""
    return known(word) if word in set(known) else word


def _expect(name: str, value: object, kind: Any, words: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {_short(value)}, not {words}")


def _plain(value: object) -> Json:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"{value}, which is not finite")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a character is no text
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Option):
        return {name: _plain(each) for name, each in _shallow(value).items()}
    if isinstance(value, Mapping):
        return {_key(name): _plain(each) for name, each in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((_plain(each) for each in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(each) for each in value]
    raise TypeError(f"a {type(value).__name__}, which is no plain value")


def _shallow(option: Option) -> dict[str, object]:
    return {each.name: getattr(option, each.name) for each in fields(option)}


def _key(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{_short(name)} as a name, which is no text")
    return str(name)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
