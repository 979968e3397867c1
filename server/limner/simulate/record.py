"""What one piece of work has brought, kept after every round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.loop.gate import weighted_mean
from limner.plugin import Evaluation
from limner.simulate.whole_files import read_json, write_json

_DIGITS = 5


@dataclass(slots=True)
class Record:
    """A file with the rounds of an arm, a beginning or a bound, as plain values."""

    path: Path
    item: Mapping[str, Any]
    """What was to be done."""
    design: str
    """Digest of the design that it belongs to."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    started_s: float = 0.0
    """Seconds until the first round could begin: workers, images, the samples set aside."""
    ahead: dict[str, float] = field(default_factory=dict)
    """Seconds that were spent already on the picks of the round to come."""

    @classmethod
    def load(cls, path: Path, item: Mapping[str, Any], design: str) -> Record:
        """Read what there is, or begin."""
        stored = read_json(path)
        if stored is None or stored["design"] != design:
            return cls(path, item, design)
        return cls(
            path, item, design, stored["rounds"], stored["started_s"], stored.get("ahead", {})
        )

    def save(self) -> None:
        """Keep it."""
        content = {
            "item": dict(self.item),
            "design": self.design,
            "started_s": self.started_s,
            "ahead": self.ahead,
            "rounds": self.rounds,
        }
        write_json(self.path, content)


def evaluation_record(evaluation: Evaluation, names: Sequence[str]) -> dict[str, Any]:
    """Return an evaluation on the test set as plain values.

    Args:
        evaluation: What the engine said.
        names: The cases in the order of the split: scores by case are kept in this order.
    """
    scores = evaluation.case_scores
    return {
        "measure": evaluation.measure,
        "score": _plain(weighted_mean(scores, evaluation.case_weights)),
        "is_weighted": bool(evaluation.case_weights),
        "chance": _plain(evaluation.chance),
        "case_scores": [_plain(scores[name]) for name in names],
        "class_scores": {key: _plain(each) for key, each in evaluation.class_scores.items()},
        "metrics": {key: _plain(each) for key, each in evaluation.metrics.items()},
    }


def _plain(number: float) -> float | None:
    return round(float(number), _DIGITS) if math.isfinite(number) else None
