"""Options that several strategies have, and how a strategy reads its own."""

from __future__ import annotations

from limner.plugin import Json, Option, Pool, StrategyManifest
from limner_strategies.noise import WAYS

BATCH = Option(
    default="top",
    choices=WAYS,
    help="The highest scores; or drawn with noise, so that a batch holds less of the same.",
)
BETA = Option(
    default=1.0,
    minimum=0.01,
    maximum=1000.0,
    help="How closely drawing follows the scores; larger is closer.",
)
PER_ROUND = Option(
    default=10,
    minimum=1,
    maximum=10_000,
    help="How many labels come between two trainings: picks are balanced in batches of so many.",
)
ROUNDS = Option(
    default=10,
    minimum=1,
    maximum=1000,
    help="Planned number of rounds, from the first model on: noise fades until the last.",
)
SCORE = Option(
    default="entropy",
    help="Which of the scores that the app gives.",
)


def option(pool: Pool, manifest: StrategyManifest, name: str) -> Json:
    """Return an option as the pool brings it, else its default."""
    return pool.options.get(name, manifest.options[name].default)


def number(pool: Pool, manifest: StrategyManifest, name: str) -> float:
    """Return an option that is a number."""
    return float(option(pool, manifest, name))  # type: ignore[arg-type]


def whole(pool: Pool, manifest: StrategyManifest, name: str) -> int:
    """Return an option that is a whole number."""
    return int(option(pool, manifest, name))  # type: ignore[arg-type]


def text(pool: Pool, manifest: StrategyManifest, name: str) -> str:
    """Return an option that is text."""
    return str(option(pool, manifest, name))
