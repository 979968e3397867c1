"""A strategy whose seed decides what it breaks."""

from __future__ import annotations

from collections.abc import Sequence

from limner.plugin import Pick, Pool, StrategyManifest

manifest = StrategyManifest(
    name="odd",
    version="1.0.0",
    factory=":OddStrategy",
    needs=frozenset(),
    title="Breaks things",
    licence="Apache-2.0",
)


class OddStrategy:
    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        rows = list(range(min(count, len(pool.ids))))
        if seed == 1:
            rows[-1] = rows[0]
        elif seed == 2:
            rows[0] = len(pool.ids)
        elif seed == 3:
            rows.pop()
        elif seed == 4:
            pool.ids[0] = 7
        elif seed == 5:
            raise RuntimeError("no idea")
        score = float("nan") if seed == 6 else 1.0
        return [Pick(index=row, score=score, reason="row") for row in rows]
