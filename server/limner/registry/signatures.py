"""Whether an object has the methods that the contract asks of it, without calling them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, get_type_hints

from limner.plugin import Ability, AppManifest, Manifest

Methods: TypeAlias = Mapping[str, tuple[str, ...]]
"""Parameters of each method, by its name."""

APP_METHODS: Final[Methods] = {"load": ("request",)}
TRAIN_METHODS: Final[Methods] = {"train": ("request", "watch")}
STRATEGY_METHODS: Final[Methods] = {"pick": ("pool", "count", "seed")}


def plugin_problems(plugin: object, manifest: Manifest) -> list[str]:
    """List the methods that a made plugin lacks or declares with other parameters.

    A model's methods (`predict`, `describe`, `evaluate`, `explain`, `prompt`) can be seen before
    there are weights only where `load` is annotated with the model's own class; they are checked
    then.
    """
    if not isinstance(manifest, AppManifest):
        return list(_missing(plugin, STRATEGY_METHODS))
    problems = list(_missing(plugin, APP_METHODS))
    if Ability.TRAIN in manifest.abilities:
        problems += _missing(plugin, TRAIN_METHODS)
    model = _model_class(plugin)
    if model is not None:
        problems += _missing(model, model_methods(manifest), skip_self=True)
    return problems


def model_methods(manifest: AppManifest) -> Methods:
    """Return the methods that a loaded model of an app must have."""
    methods: dict[str, tuple[str, ...]] = {"predict": ("image", "request")}
    if Ability.DESCRIBE in manifest.abilities:
        methods["describe"] = ("image", "request")
    if Ability.EVALUATE in manifest.abilities:
        methods["evaluate"] = ("cases", "watch")
    if Ability.EXPLAIN in manifest.abilities:
        methods["explain"] = ("image", "value")
    if Ability.PROMPT in manifest.abilities:
        methods["prompt"] = ("image", "prompts", "request")
    return methods


def _missing(owner: object, methods: Methods, skip_self: bool = False) -> Iterator[str]:
    name = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    for method_name, parameters in methods.items():
        wanted = f"{method_name}({', '.join(parameters)})"
        method = getattr(owner, method_name, None)
        if not callable(method):
            yield f"{name} has no method {wanted}"
        elif inspect.iscoroutinefunction(method):
            yield f"{name}.{method_name} is a coroutine; make it a plain method"
        elif not _takes(method, parameters, skip_self):
            yield f"{name}.{method_name} does not take the parameters of {wanted}"


def _takes(method: Any, parameters: tuple[str, ...], skip_self: bool) -> bool:
    """Whether a method can be called with these parameters, by position and by name."""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return True  # A callable without a readable signature cannot be judged.
    first: tuple[object, ...] = (None,) if skip_self else ()
    try:
        signature.bind(*first, *parameters)
        signature.bind(*first, **dict.fromkeys(parameters))
    except TypeError:
        return False
    return True


def _model_class(plugin: object) -> type | None:
    """Return the class that `load` says it makes; None where it says a protocol or nothing."""
    try:
        made = get_type_hints(type(plugin).load).get("return")  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - foreign annotations may name anything
        return None
    if not isinstance(made, type) or getattr(made, "_is_protocol", False):
        return None
    return made
