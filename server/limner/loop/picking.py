"""Which sample an annotator gets next, decided inside one transaction.

Order of choice:

1. Validation, at one in `round(1 / validation_share)` hand-outs until the validation set has
   `validation_target` samples: one drawn earlier that still lacks its label, else a new one drawn
   at random from the pool. With a share of 0.2 these are hand-outs 3, 8, 13, …: never the first.
2. The queue: the best pick that this annotator may get.
3. The pool in its seeded random order, when the queue has nothing for this annotator.
4. What is left of the validation set, when nothing else is.

Whoever asks may want the pool in its random order, or in that of the names, and not the queue.

A sample drawn for validation stays in the validation set for good and is never handed out for
training, so no strategy ever has a hand in the set that models are measured on.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from limner.loop.regions import restored
from limner.plugin import Region
from limner.records import assignments as assignment_rows
from limner.records import counts
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.rows import Project, Purpose, Sample
from limner.settings import ProjectSettings

RANDOM = "random"
"""What stands for a strategy where a sample is drawn from the seeded random order."""

FIRST = "first"
"""What stands for a strategy where the order of the samples' names was asked for."""

FOR_VALIDATION = "Drawn at random for the validation set, which measures every model."
FROM_POOL = "Next in the project's random order: the strategy has left no pick for you."
ASKED_FOR = {
    RANDOM: "Next in the project's random order, as was asked for.",
    FIRST: "First by name, as was asked for.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A sample to lend, and why this one."""

    sample: Sample
    purpose: Purpose
    strategy: str
    score: float | None
    reason: str
    position: int | None
    """Its place in the queue; None where it did not come from there."""
    arm: str = ""
    """Whose pick it is, of a strategy that tells several ways of picking apart."""
    region: Region | None = None
    """The part that is worth most to the model; None where it says none."""


def orders(settings: ProjectSettings) -> tuple[str, ...]:
    """Return the strategies that may be asked for by name, the project's own first."""
    return tuple(dict.fromkeys((settings.strategy, RANDOM, FIRST)))


def choose(
    tx: Connection,
    project: Project,
    settings: ProjectSettings,
    annotator: str,
    strategy: str | None = None,
) -> Choice | None:
    """Choose what an annotator gets; None when there is nothing for them.

    Args:
        tx: The transaction.
        project: Where from.
        settings: The project's.
        annotator: Who gets it.
        strategy: One of `orders`; the project's own where nothing is said.
    """
    who = (project.id, annotator, settings.readings)
    if is_validation_turn(project.next_calls + 1, settings.validation_share):
        sample = _for_validation(tx, project, settings, annotator)
        if sample is not None:
            return _drawn(sample, Purpose.VALIDATION, FOR_VALIDATION)
    in_order = None if strategy == settings.strategy else strategy
    if in_order is not None:
        draw = sample_rows.first_named if in_order == FIRST else sample_rows.first_drawn
        sample = draw(tx, *who)
        if sample is not None:
            return _drawn(sample, Purpose.TRAINING, ASKED_FOR[in_order], in_order)
    picked = queue_rows.first(tx, *who)
    if picked is not None:
        return Choice(
            sample=picked.sample,
            purpose=Purpose.TRAINING,
            strategy=picked.strategy,
            score=picked.score,
            reason=picked.reason,
            position=picked.position,
            arm=picked.arm,
            region=restored(picked.region),
        )
    sample = sample_rows.first_drawn(tx, *who)
    if sample is not None:
        return _drawn(sample, Purpose.TRAINING, FROM_POOL)
    sample = sample_rows.validation_waiting(tx, *who)
    return None if sample is None else _drawn(sample, Purpose.VALIDATION, FOR_VALIDATION)


def is_validation_turn(number: int, share: float) -> bool:
    """Tell whether a project's hand-out of this number, from 1 on, is for validation.

    Example:
        >>> [n for n in range(1, 15) if is_validation_turn(n, 0.2)]
        [3, 8, 13]
    """
    if share <= 0:
        return False
    period = round(1 / share)
    # In the middle of each period: late enough for a first training label to come before.
    return number % period == (period // 2 + 1) % period


def why_nothing(tx: Connection, project: Project, annotator: str) -> str:
    """Say why there is nothing for an annotator, in words that are shown to them."""
    left = counts.ready(project)
    if project.samples == 0:
        return "There are no samples yet: the store holds no image, or is still being looked at."
    if left == 0:
        aside = [
            f"{number} {what}"
            for number, what in (
                (project.set_aside, "set aside until somebody looks at them"),
                (project.unreadable, "unreadable"),
            )
            if number
        ]
        others = f" ({', '.join(aside)})" if aside else ""
        return f"Nothing is left to label: {project.labelled} labelled{others}."
    if assignment_rows.is_held_by_others(tx, project.id, annotator):
        return "Everything that is left is held by others; come back later."
    if assignment_rows.held_count(tx, project.id, annotator):
        return "You hold all that is left for you; submit, release or skip it."
    if assignment_rows.has_skipped(tx, project.id, annotator):
        return "You skipped all that is left; somebody else has to label it."
    return "You have labelled all that is left; it waits for another annotator."


def unqueued(tx: Connection, project: Project) -> int:
    """Return roughly how many samples wait in the pool beside those queued or held."""
    return (
        counts.ready(project)
        - project.queued
        - assignment_rows.held_in(tx, project.id)
        - sample_rows.validation_ready(tx, project.id)
    )


def _for_validation(
    tx: Connection, project: Project, settings: ProjectSettings, annotator: str
) -> Sample | None:
    missing = settings.validation_target - project.validation
    if missing <= 0:
        return None
    who = (project.id, annotator, settings.readings)
    waiting = sample_rows.validation_waiting(tx, *who)
    if waiting is not None:
        return waiting
    # Those drawn earlier and held by somebody now will complete the set.
    if sample_rows.validation_ready(tx, project.id) >= missing:
        return None
    return sample_rows.last_drawn(tx, *who)


def _drawn(sample: Sample, purpose: Purpose, reason: str, strategy: str = RANDOM) -> Choice:
    return Choice(
        sample=sample,
        purpose=purpose,
        strategy=strategy,
        score=None,
        reason=reason,
        position=None,
    )
