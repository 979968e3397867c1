"""Keeps learning libraries out of the process that reads manifests.

A manifest is read by the web process, which must start in a moment and stay small. While manifests
are imported, an import of a learning library is refused and remembered, so that one careless
plugin costs itself and nobody else.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

HEAVY: Final = frozenset({"jax", "tensorflow", "torch"})
"""Libraries that take seconds and hundreds of megabytes to import."""


class _Refusal(Loader):
    """Stands in for the loader, so that asking whether a library exists is still allowed."""

    def __init__(self, asked: set[str]) -> None:
        self._asked = asked

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._asked.add(module.__name__)
        raise ImportError(f"{module.__name__} may not be imported while manifests are read")


class _Guard(MetaPathFinder):
    """Refuses heavy libraries to the thread that made it; other threads go on as usual."""

    def __init__(self, asked: set[str]) -> None:
        self._refusal = _Refusal(asked)
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in HEAVY or threading.get_ident() != self._thread:
            return None
        real = PathFinder.find_spec(fullname, path, target)
        return None if real is None else ModuleSpec(fullname, self._refusal, origin=real.origin)


@contextmanager
def heavy_imports_refused() -> Iterator[set[str]]:
    """Refuse heavy libraries inside the block; yields the names that were asked for.

    A library that is imported already cannot be refused and is not noticed; the check in a child
    process (`limner.registry.inspect`) starts from a clean one.
    """
    asked: set[str] = set()
    guard = _Guard(asked)
    sys.meta_path.insert(0, guard)
    try:
        yield asked
    finally:
        sys.meta_path.remove(guard)
