"""The samples of an arm's project: which are put aside, and which are for validation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from limner.errors import Conflict
from limner.loop.service import Service
from limner.loop.standing import OPEN, close
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.rows import Label, Sample, SampleState
from limner.simulate.arm_home import PROJECT

_CHUNK = 500
_TEST = "Not of the pool of this comparison: only ever measured on, or without a known label."


def every_sample(service: Service) -> Iterator[Sample]:
    """Yield every sample of the project."""
    cursor = None
    while True:
        page = service.samples.list(PROJECT, cursor, 1000)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def put_aside(service: Service, pool: Collection[str], validation: Sequence[str]) -> None:
    """Leave only the pool to be handed out, and draw the whole validation set ahead.

    A server draws validation samples one by one, and those that a strategy has had labelled in the
    meantime cannot be drawn any more. Drawn ahead they are the same for every strategy. Doing it
    again changes nothing.

    Raises:
        Conflict: An image of the pool is not among the samples, or cannot be read.
    """
    samples = {each.name: each for each in every_sample(service)}
    kept, drawn = set(pool), set(validation)
    missing = [
        name for name in sorted(kept) if name not in samples or samples[name].state not in OPEN
    ]
    if missing:
        raise Conflict(
            f"{len(missing)} images of the pool cannot be used, such as {missing[0]!r}: the folder "
            "of images has changed since its labels were read."
        )
    aside = [
        each
        for name, each in samples.items()
        if name not in kept and each.state == SampleState.READY
    ]
    project = service.projects.get(PROJECT)
    for start in range(0, len(aside), _CHUNK):
        with service.records.write() as tx:
            for sample in aside[start : start + _CHUNK]:
                close(tx, project, sample, SampleState.SET_ASIDE, reason=_TEST)
    with service.records.write() as tx:
        for name in drawn:
            if not samples[name].is_validation:
                sample_rows.change(tx, samples[name].id, is_validation=True)


def labelled(service: Service) -> list[tuple[Label, Sample]]:
    """List the labels that were submitted, oldest first, with their samples."""
    project = service.projects.get(PROJECT)
    found: list[tuple[Label, Sample]] = []
    after = 0
    while True:
        with service.records.read() as tx:
            some = label_rows.current(tx, project.id, after=after)
        if not some:
            return found
        found += some
        after = some[-1][0].id
