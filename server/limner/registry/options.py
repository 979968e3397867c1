"""Joins the options that a project gives with the defaults of an app or a strategy."""

from __future__ import annotations

from collections.abc import Mapping

from limner.errors import InvalidRequest
from limner.plugin import AppManifest, Json, Manifest


def merged_options(manifest: Manifest, given: Mapping[str, Json]) -> dict[str, Json]:
    """Return every option of a plugin with the value given or its default.

    Raises:
        InvalidRequest: An option is unknown or its value does not fit; `problems` lists them all.
    """
    known = ", ".join(sorted(manifest.options)) or "none"
    problems = [
        f"option {name!r} is unknown; there are: {known}"
        for name in given
        if name not in manifest.options
    ]
    merged: dict[str, Json] = {}
    for name, option in manifest.options.items():
        merged[name] = given.get(name, option.default)
        problems += [f"option {name!r}: {problem}" for problem in option.problems(merged[name])]
    if problems:
        whose = "app" if isinstance(manifest, AppManifest) else "strategy"
        raise InvalidRequest(
            f"The options of {whose} {manifest.name!r} cannot be used: {'; '.join(problems)}.",
            problems=problems,
        )
    return merged
