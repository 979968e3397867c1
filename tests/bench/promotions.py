"""What must hold of every version that served, whatever the task and the labels."""

from __future__ import annotations

from collections.abc import Iterable

from limner.client import ModelVersion


def promotion_problems(versions: Iterable[ModelVersion]) -> list[str]:
    """Versions that served although the gate refused them, or although they measured worse."""
    found = []
    for each in versions:
        if each.promoted_at is None:
            continue
        if each.decision.get("outcome") != "promote":
            reason = each.decision.get("reason")
            found.append(f"version {each.number} served although the gate refused it: {reason}")
        difference = each.decision.get("mean_difference")
        if difference is not None and difference < 0:
            found.append(
                f"version {each.number} served although it measured {-difference:.4f} worse"
            )
    return found
