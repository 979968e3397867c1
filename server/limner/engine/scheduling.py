"""Who goes first: a queue that is fair between clients and serves urgent work before the rest."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Levels of priority; within a level clients take turns; a client's own work keeps its order.

    A client with a hundred entries waiting delays another's first entry by one, not by a hundred.
    Not safe for threads: its owner holds a lock.

    Example:
        >>> queue = FairQueue[str]()
        >>> for entry, client in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        ...     queue.push(entry, level=0, client=client)
        >>> [queue.pop() for _ in range(3)]
        ['a1', 'b1', 'a2']
    """

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, deque[T]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, entry: T, *, level: int, client: str, first: bool = False) -> None:
        """Add an entry behind those of its client, or before everything of its level.

        Args:
            entry: What waits.
            level: Priority; lower goes first.
            client: Whose turn it takes.
            first: Put it back at the head, for work that had its turn and lost its worker.
        """
        clients = self._levels.setdefault(level, OrderedDict())
        waiting = clients.setdefault(client, deque())
        if first:
            waiting.appendleft(entry)
            clients.move_to_end(client, last=False)
        else:
            waiting.append(entry)
        self._count += 1

    def peek(self) -> T | None:
        """Return what `pop` would take, leaving it; None when nothing waits."""
        for level in sorted(self._levels):
            for waiting in self._levels[level].values():
                return waiting[0]
        return None

    def pop(self) -> T | None:
        """Take the next entry and end its client's turn; None when nothing waits."""
        for level in sorted(self._levels):
            clients = self._levels[level]
            client, waiting = next(iter(clients.items()))
            entry = waiting.popleft()
            clients.move_to_end(client)
            self._forget_empty(level, client)
            return entry
        return None

    def remove(self, entry: T) -> bool:
        """Take out one entry, found by identity; False when it does not wait here."""
        for level, clients in self._levels.items():
            for client, waiting in clients.items():
                for place, each in enumerate(waiting):
                    if each is entry:
                        del waiting[place]
                        self._forget_empty(level, client)
                        return True
        return False

    def _forget_empty(self, level: int, client: str) -> None:
        """Keep no trace of who has nothing waiting: names of clients come from outside."""
        self._count -= 1
        clients = self._levels[level]
        if not clients[client]:
            del clients[client]
        if not clients:
            del self._levels[level]
