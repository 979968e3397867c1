"""Where a sample stands, given its labels. The one place that decides between ready and labelled.

A sample's `label_id` names its newest submitted or approved label, its `readings` say how many
annotators gave one. It is labelled once there are as many as the project asks for. A label of a
part of an image is no reading: the sample waits with what is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from limner.records import assignments as assignment_rows
from limner.records import counts
from limner.records import labels as label_rows
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.rows import Label, LabelState, Project, Sample, SampleState
from limner.settings import ProjectSettings

OPEN = frozenset({SampleState.READY, SampleState.LABELLED})
COUNTING = frozenset({LabelState.SUBMITTED, LabelState.APPROVED})


def settle(
    tx: Connection,
    project: Project,
    settings: ProjectSettings,
    sample: Sample,
    *,
    labels: Sequence[Label] | None = None,
    opens: bool = False,
    new_labels: int = 0,
    **values: object,
) -> Sample:
    """Bring a sample's label, readings and state up to date, with counts and queue.

    Args:
        tx: The transaction.
        project: The sample's project.
        settings: Its settings.
        sample: As it was before whatever changed.
        labels: All its labels as they are now; read where they are not given.
        opens: Whether the sample is to be ready or labelled from now on, whatever it was; without
            that, only a ready or labelled one moves between these two.
        new_labels: How many of them are news for the next training.
        values: Further columns to set.

    Returns:
        The sample as it is now.
    """
    if labels is None:
        labels = label_rows.of_sample(tx, sample.id)
    given = [each for each in labels if each.state in COUNTING]
    readings = len({each.author for each in given})
    newest = max(given, key=lambda each: each.version, default=None)
    if newest is not None and newest.regions is not None:
        readings = 0  # nobody has read all of it
    values["label_id"] = None if newest is None else newest.id
    values["readings"] = readings
    if opens or sample.state in OPEN:
        is_labelled = readings >= settings.readings
        state = SampleState.LABELLED if is_labelled else SampleState.READY
        values["state"] = state.value
        values["reason"] = ""
    after = sample_rows.change(tx, sample.id, **values)
    changes = counts.change(sample, after)
    changes["labels_since_training"] += new_labels
    if not _has_room(tx, settings, after):
        changes["queued"] -= queue_rows.remove(tx, sample.id)
    project_rows.add_counts(tx, project.id, changes)
    return after


def close(
    tx: Connection, project: Project, sample: Sample, state: SampleState, **values: object
) -> Sample:
    """Put a sample where it is not handed out: it leaves the queue, its labels stay."""
    after = sample_rows.change(tx, sample.id, state=state.value, **values)
    changes = counts.change(sample, after)
    changes["queued"] -= queue_rows.remove(tx, sample.id)
    project_rows.add_counts(tx, project.id, changes)
    return after


def _has_room(tx: Connection, settings: ProjectSettings, sample: Sample) -> bool:
    """Tell whether one more annotator could get the sample."""
    if sample.state != SampleState.READY or settings.readings == 1:
        return sample.state == SampleState.READY
    held = len(assignment_rows.held_on(tx, sample.id))
    return sample.readings + held < settings.readings
