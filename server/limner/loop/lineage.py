"""Whether a training starts from the serving weights or from scratch. Pure.

Warm starts save time and cost accuracy as they follow each other (Ash & Adams 2020, On
Warm-Starting Neural Network Training), so every now and then a version is trained from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.records.rows import ModelState, ModelVersion

GROWTH = 1.5
"""Labels that have grown by this factor since the last training from scratch ask for another."""


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
        wanted: What the new version will be: `app`, `app_version`, `options`, `classes`.
        saw_validation: Whether the serving version was trained on what is validation data now.
    """
    if serving is None:
        return None, "from scratch: nothing serves yet"
    if serving.weights_sha256 is None:
        return None, "from scratch: the serving version's weights are gone"
    had = {
        "app": serving.app,
        "app_version": serving.app_version,
        "options": serving.options,
        "classes": serving.metrics.get("classes"),
    }
    changed = sorted(name for name, value in wanted.items() if had[name] != value)
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
