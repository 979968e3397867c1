"""What a strategy does that lacks what it needs: says so in every reason, and goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import Pick, Pool
from limner_strategies.answer import answered
from limner_strategies.ranking import highest
from limner_strategies.scores import Ranked

NO_EMBEDDING = "the model gives no embedding, so "


def drawn_at_random(pool: Pool, count: int, seed: int, why: str = NO_EMBEDDING) -> Sequence[Pick]:
    """Pick any rows, described ones first."""
    nothing = np.empty(0, np.int64)
    left = f"{why}it is drawn at random"
    return answered(pool, nothing, np.empty(0), (), count, seed, left=left)


def by_score(
    pool: Pool, column: Ranked, count: int, seed: int, why: str = NO_EMBEDDING
) -> Sequence[Pick]:
    """Pick the rows with the highest score, then any."""
    rows = highest(column.values, pool.ids, count, seed)
    scores = column.values[rows]
    known = np.isfinite(scores)
    reasons = (f"{why}the score decides: {column.say(each)}" for each in scores[known].tolist())
    left = f"{why}{column.missing}it is drawn at random"
    return answered(pool, rows[known], scores[known], reasons, count, seed, left=left)
