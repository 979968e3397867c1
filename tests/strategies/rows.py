"""Pools made by hand, and what was picked from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from limner.plugin import Json, Pool, Strategy


def pool_of(count: int, first_id: int = 10, **fields: Any) -> Pool:
    """Make a pool of so many samples; arrays are float32."""
    scores = {
        name: np.asarray(values, np.float32) for name, values in fields.pop("scores", {}).items()
    }
    arrays: dict[str, Any] = {
        name: np.asarray(value, np.float32)
        if name in {"class_scores", "class_fractions", "embedding", "labelled_embedding", "cost"}
        else value
        for name, value in fields.items()
    }
    return Pool(ids=np.arange(first_id, first_id + count), scores=scores, **arrays)


def picked(strategy: Strategy, pool: Pool, count: int, seed: int = 0) -> list[int]:
    """Return the rows that a strategy picks."""
    return [pick.index for pick in strategy.pick(pool, count, seed)]


def random_pool(seed: int, count: int, classes: int = 3, length: int = 4, **options: Json) -> Pool:
    """Make a pool that has everything, drawn at random without ties."""
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(classes, 0.7), count)
    names = ("entropy", "margin", "bald", "variance", "dice_disagreement", "maskal")
    return pool_of(
        count,
        scores={name: random.random(count) for name in names},
        class_scores=random.random((count, classes)),
        class_fractions=np.concatenate([np.zeros((count, 1)), p], axis=1),
        embedding=random.normal(size=(count, length)),
        labelled_embedding=random.normal(size=(5, length)),
        cost=random.lognormal(1, 0.7, count),
        round=2,
        options=options,
    )
