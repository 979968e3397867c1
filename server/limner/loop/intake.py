"""Taking image files in: what is new, changed, back or gone, written in short transactions.

Headers are read outside of any transaction, so no label ever waits for a slow disk.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from limner.errors import ImageError
from limner.images import Header
from limner.loop.projects import Projects
from limner.loop.standing import close, settle
from limner.records import counts
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Project, Sample, SampleState
from limner.records.samples import Known
from limner.stores.entries import Entry

BATCH = 500
"""Files looked at together, and most rows that one transaction adds."""

FEW = 50
"""Most samples that one transaction changes one by one: label submits wait for it."""

_SECOND_NS = 1_000_000_000

_GONE = {SampleState.VANISHED, SampleState.REMOVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a look at files found."""

    new: int = 0
    changed: int = 0
    returned: int = 0
    vanished: int = 0
    unreadable: int = 0
    """Among the new and the changed ones."""
    unchanged: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            **{name: getattr(self, name) + getattr(other, name) for name in Tally.__slots__}
        )

    @property
    def is_news(self) -> bool:
        """Whether anything is different from before."""
        return bool(self.new or self.changed or self.returned or self.vanished)


class Intake:
    """Takes files in. Safe to use from any thread."""

    def __init__(self, records: Records, projects: Projects, clock: Callable[[], float]) -> None:
        self._records = records
        self._projects = projects
        self._clock = clock

    def take_in(
        self,
        project: Project,
        entries: Sequence[Entry],
        seen: Callable[[int], None] | None = None,
        *,
        told: Set[str] = frozenset(),
    ) -> Tally:
        """Take in files of a store, at most `BATCH` of them; known and unchanged ones cost little.

        Args:
            project: Whose files.
            entries: What the store holds, each name once.
            seen: Told the id of every known sample among them.
            told: Files that were told to have changed. Where times are kept in whole seconds, one
                may have changed twice within the same: size and time alone would not show it.
        """
        with self._records.read() as tx:
            known = sample_rows.known(tx, project.id, [each.name for each in entries])
        if seen is not None:
            for each in known.values():
                seen(each.id)
        new = [each for each in entries if each.name not in known]
        differing = [
            each
            for each in entries
            if each.name in known
            and _differs(each, known[each.name], is_told=_is_among(each, told))
        ]
        tally = Tally(unchanged=len(entries) - len(new) - len(differing))
        tally += self._add(project, new)
        for start in range(0, len(differing), FEW):
            tally += self._change(project, differing[start : start + FEW])
        return tally

    def vanish(self, project: Project, sample_ids: Sequence[int]) -> Tally:
        """Note that files are gone: nobody is handed them; their labels stay."""
        vanished = 0
        for start in range(0, len(sample_ids), BATCH):
            with self._records.write() as tx:
                some = sample_rows.of_ids(tx, sample_ids[start : start + BATCH])
                gone = [each for each in some if each.state not in _GONE]
                self._vanish_batch(tx, project, gone)
            vanished += len(gone)
        return Tally(vanished=vanished)

    def _vanish_batch(self, tx: Connection, project: Project, gone: Sequence[Sample]) -> None:
        ids = [each.id for each in gone]
        state = SampleState.VANISHED.value
        sample_rows.set_state(tx, ids, state, reason="its file is gone")
        changes = counts.total(counts.change(each, replace(each, state=state)) for each in gone)
        changes["queued"] -= queue_rows.remove_many(tx, ids)
        project_rows.add_counts(tx, project.id, changes)

    def _add(self, project: Project, entries: Sequence[Entry]) -> Tally:
        if not entries:
            return Tally()
        headers = [self._header(project, each) for each in entries]
        seed = self._projects.settings(project).seed
        now = self._clock()
        rows = [
            _new_row(project, entry, header, seed, now)
            for entry, header in zip(entries, headers, strict=True)
        ]
        with self._records.write() as tx:
            # An upload and the watcher may both have seen the file.
            there = sample_rows.known(tx, project.id, [each["name"] for each in rows])
            rows = [each for each in rows if each["name"] not in there]
            sample_rows.add_many(tx, rows)
            states = Counter(each["state"] for each in rows)
            changes = counts.total(
                {
                    name: number * times
                    for name, number in counts.counted(state, is_validation=False).items()
                }
                for state, times in states.items()
            )
            project_rows.add_counts(tx, project.id, changes)
        return Tally(new=len(rows), unreadable=states[SampleState.UNREADABLE])

    def _change(self, project: Project, entries: Sequence[Entry]) -> Tally:
        headers = [self._header(project, each) for each in entries]
        tally = Tally()
        with self._records.write() as tx:
            before = sample_rows.by_names(tx, project.id, [each.name for each in entries])
            for entry, header in zip(entries, headers, strict=True):
                if entry.name in before:
                    tally += self._change_one(tx, project, before[entry.name], entry, header)
        return tally

    def _change_one(
        self,
        tx: Connection,
        project: Project,
        sample: Sample,
        entry: Entry,
        header: Header | ImageError,
    ) -> Tally:
        came_back = sample.state == SampleState.VANISHED
        is_same = (sample.size_bytes, sample.modified_ns) == (entry.size_bytes, entry.modified_ns)
        values = _file_columns(entry, header)
        if not (is_same and came_back):
            sample_rows.forget_descriptions(tx, sample.id)
        if is_same and not came_back:
            sample_rows.outdate_predictions(tx, sample.id)
        if isinstance(header, ImageError):
            close(tx, project, sample, SampleState.UNREADABLE, **values)
        elif _moved(sample, header):
            values["reason"] = (
                f"The image changed from shape {sample.shape}, spacing {sample.spacing_mm} to "
                f"{list(header.shape)}, {list(header.spacing)} after it was labelled. Look at it: "
                "submit a new label, or reject the old one."
            )
            close(tx, project, sample, SampleState.SET_ASIDE, **values)
        else:
            opens = sample.state in (SampleState.VANISHED, SampleState.UNREADABLE)
            if sample.state == SampleState.SET_ASIDE:
                values["reason"] = sample.reason
            settings = self._projects.settings(project)
            settle(tx, project, settings, sample, opens=opens, **values)
        return Tally(
            returned=int(came_back),
            changed=int(not came_back),
            unreadable=int(isinstance(header, ImageError)),
        )

    def _header(self, project: Project, entry: Entry) -> Header | ImageError:
        source = self._projects.store(project).source(
            entry.files, self._projects.limits, "unknown", entry.name
        )
        try:
            return source.header()
        except ImageError as error:
            return error


def draw_of(seed: int, name: str) -> float:
    """Return a sample's place in its project's random order: uniform in [0, 1), by seed and name.

    Example:
        >>> draw_of(0, "a/1") == draw_of(0, "a/1") != draw_of(1, "a/1")
        True
    """
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    # 53 bits are what a double holds exactly.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def batches(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    """Cut a stream of files into lists of `BATCH`."""
    batch: list[Entry] = []
    for each in entries:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_among(entry: Entry, told: Set[str]) -> bool:
    return bool(told) and not told.isdisjoint(entry.files)


def _differs(entry: Entry, known: Known, *, is_told: bool) -> bool:
    if known.state == SampleState.REMOVED:
        return False
    return (
        (is_told and entry.modified_ns % _SECOND_NS == 0)
        or known.state == SampleState.VANISHED
        or known.size_bytes != entry.size_bytes
        or known.modified_ns != entry.modified_ns
        or tuple(known.files) != entry.files
    )


def _moved(sample: Sample, header: Header) -> bool:
    """Tell whether a labelled image has another grid now, so that its label cannot lie on it."""
    if sample.label_id is None or sample.shape is None:
        return False
    before = sample.spacing_mm or header.spacing
    return tuple(sample.shape) != header.shape or any(
        abs(old - new) > 1e-3 * new for old, new in zip(before, header.spacing, strict=True)
    )


def _new_row(
    project: Project, entry: Entry, header: Header | ImageError, seed: int, now: float
) -> dict[str, Any]:
    is_readable = not isinstance(header, ImageError)
    state = SampleState.READY if is_readable else SampleState.UNREADABLE
    return {
        "project_id": project.id,
        "name": entry.name,
        "state": state.value,
        "draw": draw_of(seed, entry.name),
        "created_at": now,
        **_file_columns(entry, header),
    }


def _file_columns(entry: Entry, header: Header | ImageError) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "files": list(entry.files),
        "size_bytes": entry.size_bytes,
        "modified_ns": entry.modified_ns,
    }
    if isinstance(header, ImageError):
        # What was known of an earlier state of the file no longer holds.
        unknown = {"shape": None, "spacing_mm": None, "channels": None, "format": ""}
        return {**columns, **unknown, "reason": str(header)[:500]}
    return {
        **columns,
        "shape": list(header.shape),
        "spacing_mm": [float(each) for each in header.spacing],
        "channels": header.channels,
        "format": header.format,
        "reason": "",
    }
