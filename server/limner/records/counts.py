"""How a sample's state shows in its project's kept counts. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from limner.records.rows import Project, Sample, SampleState

_ABSENT = {SampleState.VANISHED, SampleState.REMOVED}
_OWN_COUNT = {
    SampleState.UNREADABLE: "unreadable",
    SampleState.SET_ASIDE: "set_aside",
    SampleState.VANISHED: "vanished",
    SampleState.LABELLED: "labelled",
}


def counted(state: str, *, is_validation: bool) -> Counter[str]:
    """Return what one sample adds to each count."""
    counts: Counter[str] = Counter()
    if state not in _ABSENT:
        counts["samples"] += 1
    own = _OWN_COUNT.get(SampleState(state))
    if own is not None:
        counts[own] += 1
    if state == SampleState.LABELLED and is_validation:
        counts["validation"] += 1
    return counts


def change(before: Sample | None, after: Sample | None) -> Counter[str]:
    """Return what to add to each count when a sample changes, appears or goes."""
    changes: Counter[str] = Counter()
    if after is not None:
        changes.update(counted(after.state, is_validation=after.is_validation))
    if before is not None:
        changes.subtract(counted(before.state, is_validation=before.is_validation))
    return changes


def total(changes: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add changes up."""
    summed: Counter[str] = Counter()
    for each in changes:
        summed.update(each)
    return summed


def ready(project: Project) -> int:
    """Return how many samples of a project wait for a label."""
    return project.samples - project.labelled - project.unreadable - project.set_aside
