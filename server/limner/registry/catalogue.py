"""The plugins of a running server, by kind and name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from limner.errors import NotFound, PluginFailed
from limner.plugin import AppManifest, StrategyManifest
from limner.registry.discovery import discover
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource, kind

Swap = Callable[[Sequence[Found], Sequence[Found]], None]
"""Puts some plugins in the place of others; either may be none."""


class Registry:
    """What discovery found, what was registered since, and what checks found out later.

    Safe to use from several threads: readers see the plugins before a change or after it, never
    something between.
    """

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        """Discover at once: installed plugins, then those in the files and folders given.

        Never raises; a plugin that cannot be used is listed in `found` with its problems.
        """
        self._lock = threading.Lock()
        self._found = discover(paths)

    @property
    def found(self) -> tuple[Found, ...]:
        """Every plugin in the order of discovery, broken ones with all their problems."""
        return self._found

    def app(self, name: str) -> AppManifest:
        """Return an app's manifest.

        Raises:
            NotFound: There is no app of that name; the message lists those there are.
            PluginFailed: There is, but it cannot be used; the message lists its problems.
        """
        manifest = self._usable(APPS, name).manifest
        assert isinstance(manifest, AppManifest)  # noqa: S101 - discovery sorts by kind
        return manifest

    def strategy(self, name: str) -> StrategyManifest:
        """Return a strategy's manifest.

        Raises:
            NotFound: There is no strategy of that name; the message lists those there are.
            PluginFailed: There is, but it cannot be used; the message lists its problems.
        """
        manifest = self._usable(STRATEGIES, name).manifest
        assert isinstance(manifest, StrategyManifest)  # noqa: S101 - discovery sorts by kind
        return manifest

    def source(self, group: Group, name: str) -> PluginSource:
        """Return where a usable plugin comes from, for a worker to resolve.

        Raises:
            NotFound: There is no such plugin.
            PluginFailed: It cannot be used.
        """
        return self._usable(group, name).source

    def find(self, group: Group, name: str) -> Found | None:
        """Return a plugin, whether it can be used or not; None where there is none."""
        return self._first(group, name)

    def note_problems(self, source: PluginSource, problems: Sequence[str]) -> None:
        """Note what a check found, unless the plugin was replaced or retired in the meantime."""
        with self._lock:
            self._found = tuple(
                replace(
                    each,
                    problems=(*each.problems, *(p for p in problems if p not in each.problems)),
                )
                if each.source == source
                else each
                for each in self._found
            )

    @contextmanager
    def changing(self) -> Iterator[Swap]:
        """Change which plugins there are, alone; taken back where the block raises.

        Yields:
            What does the change. The newcomers stand where the first of those who go stood.
        """

        def swap(gone: Sequence[Found], come: Sequence[Found]) -> None:
            going = {id(each) for each in gone}
            place = next(
                (at for at, each in enumerate(self._found) if id(each) in going), len(self._found)
            )
            before = self._found[:place]
            after = (each for each in self._found[place:] if id(each) not in going)
            self._found = (*before, *come, *after)

        with self._lock:
            found = self._found
            try:
                yield swap
            except BaseException:
                self._found = found
                raise

    def _first(self, group: Group | None, name: str) -> Found | None:
        """Return the plugin of a name: a usable one, else the first with a manifest, else any."""
        same = [
            each
            for each in self._found
            if each.source.name == name and group in (None, each.source.group)
        ]
        return min(same, key=lambda each: (not each.is_usable, each.manifest is None), default=None)

    def _usable(self, group: Group, name: str) -> Found:
        found = self._first(group, name)
        if found is None:
            known = sorted(e.source.name for e in self._found if e.source.group == group)
            listed = ", ".join(known) or "none at all"
            raise NotFound(f"There is no {kind(group)} {name!r}; there are: {listed}.")
        if not found.is_usable:
            raise PluginFailed(
                f"The {kind(group)} {name!r} of {found.source.location} cannot be used: "
                + "; ".join(found.problems)
            )
        return found
