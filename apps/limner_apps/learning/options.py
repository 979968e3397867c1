"""An app's options as a project sets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.plugin import AppManifest, Json, UnsuitableInput


def checked_options(given: Mapping[str, Json], manifest: AppManifest) -> dict[str, Any]:
    """Return every option of a manifest: what was given, else its default.

    Raises:
        UnsuitableInput: An option is unknown or its value does not fit.
    """
    unknown = sorted(set(given) - set(manifest.options))
    if unknown:
        raise UnsuitableInput(
            f"Option {unknown[0]!r} is unknown; the app takes {sorted(manifest.options)}."
        )
    values: dict[str, Any] = {}
    for name, option in manifest.options.items():
        value = given.get(name, option.default)
        problem = next(iter(option.problems(value)), None)
        if problem:
            raise UnsuitableInput(f"Option {name}: {problem}.")
        values[name] = value
    return values
