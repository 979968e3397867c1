"""Which labels a trial leaves out: drawn once and kept in its job for when it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from limner.loop.job_run import JobRun
from limner.loop.seeds import derived_seed
from limner.loop.training_set import Snapshot
from limner.plugin import CONTROL_ARM
from limner.records import jobs as job_rows
from limner.records import trials as trial_rows
from limner.records.database import Records
from limner.records.rows import Project

FEWEST = 4
"""Labels that the control arm and another must have since the last trial."""
MOST = 20
"""More labels of an arm are not left out at once: the models would miss too much."""
FEWEST_CASES = 5
"""Below so many validation labels there is too little to measure on."""

_PLAN = "_trial"
"""Name under which a job's parameters keep the plan; not shown to clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """The labels of one trial, by their ids."""

    train: tuple[int, ...]
    """All that may be learnt from; each model lacks those of one arm."""
    validation: tuple[int, ...]
    left_out: Mapping[str, tuple[int, ...]]
    """By arm, the control arm first; as many of each."""
    newest: int
    """The newest label of an arm; the next trial takes later ones."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TrialPlan:
        """Read what `as_json` wrote."""
        return cls(
            train=tuple(stored["train"]),
            validation=tuple(stored["validation"]),
            left_out={arm: tuple(labels) for arm, labels in stored["left_out"]},
            newest=int(stored["newest"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the job's row."""
        return {
            "train": list(self.train),
            "validation": list(self.validation),
            "left_out": [[arm, list(labels)] for arm, labels in self.left_out.items()],
            "newest": self.newest,
        }

    def learnt_without(self, arm: str) -> list[int]:
        """Return what the model learns from that lacks the labels of an arm."""
        left_out = set(self.left_out[arm])
        return [label for label in self.train if label not in left_out]


def drawn(labels: Mapping[str, Sequence[int]], seed: int) -> dict[str, tuple[int, ...]]:
    """Draw as many labels of each arm that has enough.

    Args:
        labels: By arm, the ids of its labels.
        seed: Decides which.

    Returns:
        By arm, the control arm first; empty where it or every other arm has fewer than `FEWEST`.
    """
    enough = sorted(arm for arm, ids in labels.items() if len(ids) >= FEWEST and arm != CONTROL_ARM)
    if not enough or len(labels.get(CONTROL_ARM, ())) < FEWEST:
        return {}
    arms = [CONTROL_ARM, *enough]
    count = min(MOST, *(len(labels[arm]) for arm in arms))
    random = np.random.default_rng(seed)
    return {
        arm: tuple(sorted(random.choice(sorted(labels[arm]), count, replace=False).tolist()))
        for arm in arms
    }


def planned(tx: Connection, project: Project, seed: int) -> TrialPlan | None:
    """Return what a trial would do now; None where labels are too few.

    Args:
        tx: The transaction.
        project: Whose labels.
        seed: The project's.
    """
    snapshot = Snapshot.take(tx, project)
    if len(snapshot.validation) < FEWEST_CASES:
        return None
    since = trial_rows.newest_label(tx, project.id)
    labels = trial_rows.labels_by_arm(tx, project.id, after=since)
    newest = max((label for ids in labels.values() for label in ids), default=0)
    left_out = drawn(labels, derived_seed(seed, "trial", newest))
    if not left_out or len(snapshot.train) <= len(left_out[CONTROL_ARM]):
        return None
    return TrialPlan(
        train=snapshot.train, validation=snapshot.validation, left_out=left_out, newest=newest
    )


def kept_plan(run: JobRun, records: Records, project: Project, seed: int) -> TrialPlan | None:
    """Return the plan of a trial job: the one it has, or a new one that it keeps from now on."""
    with records.write() as tx:
        job = job_rows.find(tx, run.job.id) or run.job
        if _PLAN in job.params:
            return TrialPlan.from_json(job.params[_PLAN])
        plan = planned(tx, project, seed)
        if plan is not None:
            job_rows.change(tx, job.id, params={**job.params, _PLAN: plan.as_json()})
    return plan
