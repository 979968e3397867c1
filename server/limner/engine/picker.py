"""What a worker does with a pool: let a strategy order it, and check the order."""

from __future__ import annotations

from collections.abc import Sequence

from limner.engine.failures import contract, foreign_code
from limner.engine.messages import PickRows
from limner.engine.numbers import Broken, finite, whole
from limner.plugin import Pick, Pool
from limner.registry import make_strategy

MOST_ARM = 64
"""Most characters of an arm's name."""


def pick_rows(command: PickRows) -> tuple[Pick, ...]:
    """Order a pool.

    Raises:
        LimnerError: The strategy failed or broke the contract.
    """
    who = f"Strategy {command.name!r}"
    strategy = make_strategy(command.source)
    _protect(command.pool)
    with foreign_code(who, "pick"):
        picks = strategy.pick(command.pool, command.count, command.seed)
    with contract(who, "pick"):
        return checked_picks(picks, len(command.pool.ids), command.count)


def _protect(pool: Pool) -> None:
    """Make a strategy that would change its pool fail where it does."""
    arrays = (
        pool.ids,
        *pool.scores.values(),
        pool.class_scores,
        pool.class_fractions,
        pool.embedding,
        pool.labelled_embedding,
        pool.cost,
    )
    for array in arrays:
        if array is not None:
            array.flags.writeable = False


def checked_picks(picks: object, rows: int, count: int) -> tuple[Pick, ...]:
    """Return picks in plain form.

    Raises:
        Broken: They are not distinct rows in the right number; the message says where.
    """
    if not isinstance(picks, Sequence):
        raise Broken(f"the answer is a {type(picks).__name__}, not a sequence of Pick")
    wanted = min(count, rows)
    if len(picks) != wanted:
        raise Broken(f"it gave {len(picks)} picks; asked were {wanted} of {rows} rows")
    checked = tuple(_checked(pick, rows) for pick in picks)
    if len({pick.index for pick in checked}) != wanted:
        raise Broken("it picked a row twice")
    return checked


def _checked(pick: object, rows: int) -> Pick:
    if not isinstance(pick, Pick):
        raise Broken(f"it gave a {type(pick).__name__}, not a Pick")
    index = whole("an index", pick.index)
    if not 0 <= index < rows:
        raise Broken(f"it picked row {index} of {rows}")
    return Pick(
        index=index,
        score=finite("a score", pick.score),
        reason=str(pick.reason),
        arm=_checked_arm(pick.arm),
    )


def _checked_arm(arm: object) -> str:
    if not isinstance(arm, str) or len(arm) > MOST_ARM or not (arm.isprintable()):
        raise Broken(
            f"it gave {arm!r:.100} as an arm; take a name of at most {MOST_ARM} characters"
        )
    return arm
