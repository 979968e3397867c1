"""Changes of the plugins that there are: each is recorded and takes effect in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from limner.errors import Conflict, NotFound
from limner.loop.plugin_entries import Key, is_of, key_of, key_of_row, row_of, words_of_entry
from limner.loop.plugin_use import Use, refuse_misfits, refuse_while_used, uses
from limner.records import audit
from limner.records import plugins as plugin_rows
from limner.records.database import Records
from limner.records.rows import PluginState, RegisteredPlugin
from limner.registry import Found, Group, Registry, kind
from limner.stores.plugin_copies import PluginCopies

log = logging.getLogger(__name__)

Change = Literal["registered", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class Registration:
    """What came of asking for a plugin."""

    plugins: tuple[Found, ...]
    """All that its file or entry point holds."""
    change: Change
    users: tuple[tuple[Found, list[Use]], ...] = ()
    """The projects that use each plugin that came."""


class PluginChanges:
    """Takes plugins in and out, all of one place or none. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        registry: Registry,
        copies: PluginCopies,
        clock: Callable[[], float],
    ) -> None:
        """Do nothing yet.

        Args:
            records: Keep what was registered or retired.
            registry: Gets the changes.
            copies: Keep the code of what comes from files.
            clock: Seconds since 1970.
        """
        self._records = records
        self._registry = registry
        self._copies = copies
        self._clock = clock

    def unchanged(self, read: Sequence[Found]) -> Registration | None:
        """Say so where all that was read is in use already; None where something is not."""
        there = self._at(read[0])
        is_same = {(key_of(each), each.digest) for each in there} == {
            (key_of(each), each.digest) for each in read
        }
        # What was given at the start runs from where it lies until it is registered.
        runs = all(each.is_usable and _has_copy(each) == _has_copy(read[0]) for each in there)
        return Registration(tuple(there), "unchanged") if is_same and runs else None

    def put(self, read: Sequence[Found], actor: str) -> Registration:
        """Record plugins of one place, which were checked, and let them take effect.

        Raises:
            Conflict: A name is taken, or projects would break; `problems` lists all.
            StorageFull: The disk is full.
        """
        with self._registry.changing() as swap, self._records.write() as tx:
            rows = {key_of_row(row): row for row in plugin_rows.every(tx)}
            there = self._at(read[0])
            gone = [*there, *self._giving_way(read)]
            before = {key_of(each): each for each in there}
            keys = {key_of(each) for each in read}
            self._drop(tx, rows, [each for each in there if key_of(each) not in keys])
            used = [uses(tx, *key_of(each)) for each in read]
            for each, users in zip(read, used, strict=True):
                refuse_misfits(tx, before.get(key_of(each)), each, users)
            is_new = keys - set(before) or there[0].digest == read[0].digest
            change: Change = "registered" if is_new else "changed"
            known = [each.source.revision for each in there] + [
                row.revision
                for key, row in rows.items()
                if key in keys or row.location == read[0].source.location
            ]
            revision = 1 + max(known, default=0)
            come = self._settled(read, revision)
            for each, users in zip(come, used, strict=True):
                plugin_rows.put(tx, row_of(each, PluginState.ACTIVE, self._clock()))
                self._audit(tx, each, f"plugin.{change}", actor, users)
            swap(gone, come)
        for each in come:
            log.info("%s was %s, revision %d", words_of_entry(each), change, revision)
        return Registration(tuple(come), change, tuple(zip(come, used, strict=True)))

    def retire(self, group: Group, name: str, actor: str) -> None:
        """Take out a plugin that no project uses.

        Raises:
            NotFound: There is none of that name.
            Conflict: Projects use it; `problems` lists them.
        """
        with self._registry.changing() as swap, self._records.write() as tx:
            found = self._registry.find(group, name)
            if found is None:
                raise NotFound(f"There is no {kind(group)} {name!r}.")
            refuse_while_used(group, name, uses(tx, group, name))
            plugin_rows.put(tx, row_of(found, PluginState.RETIRED, self._clock()))
            self._audit(tx, found, "plugin.retired", actor, ())
            swap([found], [])
        log.info("%s of %s was retired", words_of_entry(found), found.source.location)

    def _at(self, found: Found) -> list[Found]:
        """Return what the registry has from the same place."""
        return [
            each
            for each in self._registry.found
            if each.source.location == found.source.location
            and (found.source.path is not None or each.source.group == found.source.group)
        ]

    def _giving_way(self, read: Sequence[Found]) -> list[Found]:
        """Return the entries from elsewhere that cannot be read any more and share a name.

        Raises:
            Conflict: One that can be read has the name; `problems` lists all.
        """
        keys = {key_of(each) for each in read}
        here = {id(each) for each in self._at(read[0])}
        others = [
            each for each in self._registry.found if key_of(each) in keys and id(each) not in here
        ]
        taken = [
            f"another {kind(each.source.group)} is called {each.source.name!r} already: "
            f"{each.source.location}"
            for each in others
            if each.manifest is not None
        ]
        if taken:
            raise Conflict(
                f"The name cannot be used: {'; '.join(taken)}. Take another one in the manifest.",
                problems=taken,
            )
        return others

    def _drop(
        self, tx: Connection, rows: dict[Key, RegisteredPlugin], dropped: Sequence[Found]
    ) -> None:
        """Record that a place does not hold these plugins any more.

        Raises:
            Conflict: Projects use one of them.
        """
        for each in dropped:
            row = rows.get(key_of(each))
            is_recorded = row is not None and is_of(row, each)
            # One that never could be read has a guessed name, which nobody uses.
            if each.manifest is not None or is_recorded:
                refuse_while_used(*key_of(each), uses(tx, *key_of(each)))
            if is_recorded:
                plugin_rows.put(tx, row_of(each, PluginState.RETIRED, self._clock()))

    def _settled(self, read: Sequence[Found], revision: int) -> list[Found]:
        """Give plugins of one place their revision, and the copy that they share its place."""
        copy = read[0].source.copy
        if copy:
            copy = str(self._copies.keep(Path(copy), read[0].digest))
        return [
            replace(each, source=replace(each.source, revision=revision, copy=copy))
            for each in read
        ]

    def _audit(
        self, tx: Connection, found: Found, action: str, actor: str, used: Sequence[Use]
    ) -> None:
        """Record a change once for the server, and once for each project that it reaches."""
        source = found.source
        details = {
            "plugin": source.name,
            "location": source.location,
            "revision": source.revision,
            "sha256": found.digest,
        }
        for project_id in (None, *(use.project.id for use in used)):
            audit.write(
                tx,
                at=self._clock(),
                project_id=project_id,
                actor=actor,
                action=action,
                subject=f"{kind(source.group)}:{source.name}"[:64],
                details=details,
            )


def _has_copy(found: Found) -> bool:
    return bool(found.source.copy)
