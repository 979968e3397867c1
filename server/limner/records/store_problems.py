"""What the last look at a store found wrong and that is no sample of its own.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, func, insert, select, update

from limner.records.rows import StoreProblem
from limner.records.tables import store_problems

_BATCH = 500


def report(tx: Connection, project_id: int, found: Mapping[str, str], *, at: float) -> None:
    """Record problems by path, in place of what was said of those paths before."""
    for path, problem in found.items():
        known = tx.execute(
            update(store_problems)
            .where(store_problems.c.project_id == project_id, store_problems.c.path == path[:1024])
            .values(problem=problem[:500], seen_at=at)
        ).rowcount
        if not known:
            tx.execute(
                insert(store_problems).values(
                    project_id=project_id, path=path[:1024], problem=problem[:500], seen_at=at
                )
            )


def settle(tx: Connection, project_id: int, paths: Collection[str]) -> int:
    """Forget problems of paths that are in order now; return how many there were."""
    ordered = sorted(path[:1024] for path in paths)
    settled = 0
    for start in range(0, len(ordered), _BATCH):
        settled += tx.execute(
            delete(store_problems).where(
                store_problems.c.project_id == project_id,
                store_problems.c.path.in_(ordered[start : start + _BATCH]),
            )
        ).rowcount
    return settled


def settle_all(tx: Connection, project_id: int) -> None:
    """Forget every problem: a whole look at the store is about to say which there are."""
    tx.execute(delete(store_problems).where(store_problems.c.project_id == project_id))


def page(tx: Connection, project_id: int, *, after: int, limit: int) -> list[StoreProblem]:
    """List a project's problems with an id above `after`, oldest first."""
    rows = tx.execute(
        select(store_problems)
        .where(store_problems.c.project_id == project_id, store_problems.c.id > after)
        .order_by(store_problems.c.id)
        .limit(limit)
    )
    return [StoreProblem(**row._mapping) for row in rows]


def count(tx: Connection, project_id: int) -> int:
    """Count a project's problems."""
    return tx.execute(
        select(func.count())
        .select_from(store_problems)
        .where(store_problems.c.project_id == project_id)
    ).scalar_one()
