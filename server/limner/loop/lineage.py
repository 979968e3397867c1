"""Whether a training starts from the serving weights or from scratch. Pure.

Warm starts save time and cost accuracy as they follow each other (Ash & Adams 2020, On
Warm-Starting Neural Network Training), so every now and then a version is trained from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.plugin import LabelSchema
from limner.records.rows import ModelState, ModelVersion

GROWTH = 1.5
"""Labels that have grown by this factor since the last training from scratch ask for another."""


def wanted_version(
    app: str, app_version: str, options: Mapping[str, Any], schema: LabelSchema
) -> dict[str, Any]:
    """Return what a version that is trained now would be made of, as versions record it."""
    return {
        "app": app,
        "app_version": app_version,
        "options": options,
        "classes": {each.name: each.value for each in schema.classes},
        "multi_label": not schema.exclusive,
    }


def _made_of(version: ModelVersion) -> dict[str, Any]:
    return {
        "app": version.app,
        "app_version": version.app_version,
        "options": version.options,
        "classes": version.metrics.get("classes"),
        "multi_label": version.metrics.get("multi_label", False),
    }


def told_differences(version: ModelVersion, wanted: Mapping[str, Any]) -> str:
    """Say in words what a version was made of otherwise, and what it would be made of now."""
    had, told = _made_of(version), []
    for name in differences(version, wanted):
        old, new = had[name], wanted[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            told += [
                f"{each} {old.get(each, 'unset')!r}, now {new.get(each, 'unset')!r}"
                for each in sorted({*old, *new})
                if old.get(each) != new.get(each)
            ]
        else:
            told.append(f"{name} {old!r}, now {new!r}")
    return "; ".join(told)


def differences(version: ModelVersion, wanted: Mapping[str, Any]) -> list[str]:
    """Name what a version was made of otherwise than one that is trained now would be."""
    had = _made_of(version)
    return sorted(name for name, value in wanted.items() if had[name] != value)


def start_from(
    serving: ModelVersion | None,
    *,
    newest: ModelVersion | None,
    newest_from_scratch: ModelVersion | None,
    label_count: int,
    wanted: Mapping[str, Any],
    saw_validation: bool,
) -> tuple[ModelVersion | None, str]:
    """Return the version to start from, None for scratch, and the reason in words.

    Args:
        serving: The version that serves.
        newest: The version that was trained last.
        newest_from_scratch: The version that was last trained from scratch.
        label_count: Labels that this training learns from.
        wanted: What the new version will be made of; see `wanted_version`.
        saw_validation: Whether the serving version was trained on what is validation data now.
    """
    if serving is None:
        return None, "from scratch: nothing serves yet"
    if serving.weights_sha256 is None:
        return None, "from scratch: the serving version's weights are gone"
    changed = differences(serving, wanted)
    if changed:
        return None, f"from scratch: {', '.join(changed)} changed since version {serving.number}"
    if saw_validation:
        return None, "from scratch: the serving version has seen the validation set"
    if newest is not None and newest.state == ModelState.REFUSED:
        return None, f"from scratch: version {newest.number} was refused"
    before = 0 if newest_from_scratch is None else newest_from_scratch.label_count
    if label_count >= GROWTH * before:
        return None, f"from scratch: {label_count} labels, {before} at the last time"
    return serving, f"from the weights of version {serving.number}"
