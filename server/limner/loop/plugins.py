"""Plugins while the server runs: registered, registered anew when their code changed, retired.

A change happens as a whole or not at all, and only after a child process has made the plugin. What
runs meanwhile ends on the code it began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from limner.errors import Conflict, InvalidRequest, NotFound, PluginFailed
from limner.loop.plugin_changes import PluginChanges, Registration
from limner.loop.plugin_entries import key_of, key_of_row, retired_entry, words_of_entry
from limner.loop.plugin_followers import PluginFollowers
from limner.loop.restored_plugins import restored
from limner.records import plugins as plugin_rows
from limner.records.database import Records
from limner.records.rows import PluginState
from limner.registry import (
    Found,
    Group,
    Registry,
    inspect_plugins,
    installed_points,
    installed_source,
    kind,
    marked_duplicates,
    path_inside,
    read_copies,
    read_installed,
)
from limner.stores.plugin_copies import PluginCopies

CHECK_TIMEOUT_S = 90.0
"""Seconds that a plugin may take to be made before it is accepted; somebody is waiting."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A plugin with whether it is wanted."""

    found: Found
    state: PluginState


class Plugins:
    """The apps and strategies of the server. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        registry: Registry,
        copies: PluginCopies,
        followers: PluginFollowers,
        clock: Callable[[], float],
        folder: Path | None,
    ) -> None:
        """Do nothing yet.

        Args:
            records: Keep what was registered or retired.
            registry: Gets the changes.
            copies: Keep the code of what is registered from files.
            followers: Told of every change.
            clock: Seconds since 1970.
            folder: The one folder that paths may lead into; None for no path at all.
        """
        self._records = records
        self._registry = registry
        self._copies = copies
        self._changes = PluginChanges(records, registry, copies, clock)
        self._followers = followers
        self._folder = folder
        self._in_hand: set[str] = set()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Put back what was registered before, and leave out what was retired.

        Once, at a start, before workers run plugins: copies that nothing needs are removed.
        """
        with self._records.read() as tx:
            rows = plugin_rows.every(tx)
        self._copies.sweep(
            (row.digest, Path(row.location).name)
            for row in rows
            if row.location is not None and row.state == PluginState.ACTIVE
        )
        if rows:
            with self._registry.changing() as swap:
                found = self._registry.found
                swap(found, restored(rows, found, self._folder, self._copies))

    def every(self) -> list[Listed]:
        """List every plugin in the order it was found, then those that were retired."""
        found = self._registry.found
        there = {key_of(each) for each in found}
        with self._records.read() as tx:
            rows = plugin_rows.every(tx)
        retired = [
            Listed(retired_entry(row), PluginState.RETIRED)
            for row in rows
            if row.state == PluginState.RETIRED and key_of_row(row) not in there
        ]
        return [*(Listed(each, PluginState.ACTIVE) for each in found), *retired]

    def register_path(self, path: str, actor: str) -> Registration:
        """Take in every plugin of a file or package folder of the plugin folder.

        What is checked, and run from then on, is a copy of it in the home.

        Args:
            path: Relative to the plugin folder, or absolute and inside it.
            actor: Who asks.

        Raises:
            InvalidRequest: The path cannot be used, or a plugin there; `problems` lists all.
            Conflict: A name is taken, projects would break, or the path is in hand already.
            StorageFull: The disk is full.
        """
        place = path_inside(path, self._folder)
        with self._alone(str(place)):
            try:
                with self._copies.aside(place) as copy:
                    return self._register(read_copies({place: copy}), actor)
            except PluginFailed as error:
                problem = str(error)
                raise InvalidRequest(
                    f"The plugin cannot be used: {problem} Nothing was changed.", problems=[problem]
                ) from error

    def register_installed(self, group: Group, name: str, actor: str) -> Registration:
        """Take in an installed plugin, in the version that is installed now.

        Raises:
            NotFound: None of that name is installed.
            InvalidRequest: It cannot be used; `problems` lists all.
            Conflict: Its name is taken, projects would break, or it is in hand already.
        """
        point = self._point(group, name)
        with self._alone(f"{group} {point.value}"):
            return self._register([read_installed(point, group)], actor)

    def retire(self, group: Group, name: str, actor: str) -> None:
        """Take out a plugin that no project uses. Its file stays, and so do models made with it.

        Raises:
            NotFound: There is none of that name.
            Conflict: Projects use it; `problems` lists them.
        """
        self._changes.retire(group, name, actor)
        self._followers.follow(())

    def _register(self, found: Sequence[Found], actor: str) -> Registration:
        read = marked_duplicates(found)
        registration = self._changes.unchanged(read)
        if registration is None:
            _refuse_broken(read)
            registration = self._changes.put(read, actor)
            self._followers.follow(registration.users)
        return registration

    def _point(self, group: Group, name: str) -> EntryPoint:
        points = installed_points(group)
        found = self._registry.find(group, name)
        for point in points:
            # A manifest may call itself otherwise than its entry point does.
            if point.name == name or (
                found and found.source.location == installed_source(point, group).location
            ):
                return point
        known = ", ".join(point.name for point in points) or "none at all"
        raise NotFound(f"No {kind(group)} {name!r} is installed; installed are: {known}.")

    @contextmanager
    def _alone(self, place: str) -> Iterator[None]:
        """Refuse a second registration from a place while the first is being checked."""
        with self._lock:
            if place in self._in_hand:
                raise Conflict("This plugin is being registered right now; ask again when it is.")
            self._in_hand.add(place)
        try:
            yield
        finally:
            with self._lock:
                self._in_hand.discard(place)


def _refuse_broken(read: Sequence[Found]) -> None:
    """Refuse plugins unless every one of them can be read and made.

    Raises:
        InvalidRequest: Something is wrong; `problems` lists everything.
    """
    made = inspect_plugins(read, CHECK_TIMEOUT_S)
    problems = [
        f"{words_of_entry(each)}: {problem}"
        for each in read
        for problem in (*each.problems, *made.get(key_of(each), ()))
    ]
    if problems:
        raise InvalidRequest(
            f"The plugin cannot be used: {'; '.join(problems)}. Nothing was changed.",
            problems=problems,
        )
