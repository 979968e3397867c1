"""Scores of a version that serves: measured once for each state of the validation set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from limner.engine import CaseSource, Engine, ModelRef
from limner.loop.gate import weighted_mean
from limner.loop.plain import plain
from limner.plugin import Evaluation, Watch
from limner.records import models as model_rows
from limner.records.database import Records
from limner.records.rows import ModelVersion


class ServingScores:
    """Measures versions on cases, and remembers it in their metrics."""

    def __init__(self, records: Records, engine: Engine) -> None:
        self._records = records
        self._engine = engine

    def measure(
        self, version: ModelVersion, ref: ModelRef, cases: Sequence[CaseSource], watch: Watch
    ) -> Evaluation:
        """Return a version's scores, measured now unless these very cases were before."""
        digest = cases_digest(cases)
        known = version.metrics.get("evaluation") or {}
        if known.get("digest") == digest:
            return _from_json(known)
        evaluation = self._engine.evaluate(ref, cases, watch)
        with self._records.write() as tx:
            fresh = model_rows.find(tx, version.id) or version
            metrics = {**fresh.metrics, "evaluation": evaluation_json(evaluation, digest)}
            model_rows.change(tx, version.id, metrics=metrics)
        return evaluation


def headline(evaluation: Evaluation | None, method: str) -> dict[str, Any]:
    """Return what a version's metrics show first."""
    if evaluation is None:
        return {"measure": "", "score": None, "cases": 0, "method": "none", "class_scores": {}}
    scores = evaluation.case_scores
    mean = weighted_mean(scores, evaluation.case_weights) if scores else math.nan
    shown: dict[str, Any] = plain(
        {
            "measure": evaluation.measure,
            "score": mean,
            "cases": len(scores),
            "method": method,
            "class_scores": evaluation.class_scores,
        }
    )
    return shown


def evaluation_json(evaluation: Evaluation, digest: str) -> dict[str, Any]:
    """Return an evaluation as metrics keep it."""
    stored: dict[str, Any] = plain(
        {
            "digest": digest,
            "measure": evaluation.measure,
            "case_scores": evaluation.case_scores,
            "case_weights": evaluation.case_weights,
            "class_scores": evaluation.class_scores,
            "metrics": evaluation.metrics,
            "class_tolerances": evaluation.class_tolerances,
            "chance": evaluation.chance,
        }
    )
    return stored


def cases_digest(cases: Sequence[CaseSource]) -> str:
    """Name a set of cases by what they hold; their order does not matter."""
    text = "\n".join(sorted(f"{case.id} {case.fingerprint}" for case in cases))
    return hashlib.sha256(text.encode()).hexdigest()


def _from_json(stored: dict[str, Any]) -> Evaluation:
    def numbers(name: str) -> dict[str, float]:
        return {key: math.nan if each is None else each for key, each in stored[name].items()}

    return Evaluation(
        measure=stored["measure"],
        case_scores=numbers("case_scores"),
        class_scores=numbers("class_scores"),
        metrics=numbers("metrics"),
        # Versions that were measured before these were told have none.
        case_weights=stored.get("case_weights", {}),
        class_tolerances=stored.get("class_tolerances", {}),
        chance=stored.get("chance", 0.0),
    )
