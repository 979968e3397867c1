"""Pools to try strategies on: drawn by hypothesis, with ties and rows not described yet."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from limner.plugin import Bought, Json, Need, Option, Pool

CLASSES, LENGTH = 2, 3
"""Classes and length of an embedding in a drawn pool."""

_NONE: Mapping[str, Option] = MappingProxyType({})
_UNSET: Mapping[str, Json] = MappingProxyType({})
_NOTHING: Mapping[str, Bought] = MappingProxyType({})


@st.composite
def pools(
    draw: st.DrawFn,
    needs: Collection[Need] = frozenset(Need),
    names: Sequence[str] = ("entropy",),
    max_size: int = 30,
    options: Mapping[str, Option] = _NONE,
    arms: Sequence[str] = (),
) -> Pool:
    """Draw a pool with what the needs ask for; arrays are read-only.

    Args:
        draw: Given by hypothesis.
        needs: What is present.
        names: Names of the scores.
        max_size: Most rows; there may be none.
        options: The strategy's; each has its default or a value at the edge of what it may be.
        arms: Names of arms that trials may have measured.
    """
    ids = sorted(draw(st.sets(st.integers(1, 10**6), max_size=max_size)))
    described = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    levels = draw(st.sampled_from([2, 1000]))  # few levels make ties
    seed = draw(st.integers(0, 2**16))
    labelled = draw(st.integers(0, 4))
    pool_round = draw(st.integers(0, 20))
    given = {name: draw(st.sampled_from(edge_values(each))) for name, each in options.items()}
    tried = arms if Need.BOUGHT in needs else ()
    bought = {arm: draw(boughts()) for arm in tried if draw(st.booleans())}
    return made_pool(
        np.array(ids, np.int64),
        np.array(described, bool),
        needs,
        names,
        levels,
        seed,
        labelled,
        pool_round,
        given,
        bought,
    )


@st.composite
def boughts(draw: st.DrawFn) -> Bought:
    """Draw what trials found of an arm: more than chance, less, or nothing that can be told."""
    trials = draw(st.integers(1, 8))
    gain = draw(st.sampled_from([-0.05, 0.0, 0.02, 0.05]))
    reach = draw(st.sampled_from([0.01, 0.1])) if trials > 1 else math.inf
    return Bought(
        gain=gain,
        low=gain - reach,
        high=gain + reach,
        measure="dice",
        labels=10 * trials,
        trials=trials,
    )


def edge_values(option: Option) -> list[Json]:
    """Return the default of an option and what else it may be: choices, or the bounds."""
    if option.choices and isinstance(option.default, list):
        return [option.default, *([each] for each in option.choices), list(option.choices)]
    if option.choices:
        return list(option.choices)
    if isinstance(option.default, bool):
        return [option.default, not option.default]
    values: list[Json] = [option.default]
    if isinstance(option.default, int):
        values += [] if option.minimum is None else [math.ceil(option.minimum)]
        values += [] if option.maximum is None else [math.floor(option.maximum)]
    elif isinstance(option.default, float):
        values += [each for each in (option.minimum, option.maximum) if each is not None]
    return values


def made_pool(
    ids: npt.NDArray[np.int64],
    described: npt.NDArray[np.bool_],
    needs: Collection[Need],
    names: Sequence[str] = ("entropy",),
    levels: int = 1000,
    seed: int = 0,
    labelled: int = 2,
    pool_round: int = 1,
    options: Mapping[str, Json] = _UNSET,
    bought: Mapping[str, Bought] = _NOTHING,
) -> Pool:
    """Fill a pool with seeded numbers; rows that are not described hold NaN.

    Args:
        ids: (n,).
        described: (n,).
        needs: What is present.
        names: Names of the scores.
        levels: How many different scores there are.
        seed: Decides the numbers.
        labelled: Rows of `labelled_embedding`.
        pool_round: The pool's round.
        options: The strategy's, all of them.
        bought: What trials have found, by arm.
    """
    random = np.random.default_rng(seed)

    def rows(*width: int) -> npt.NDArray[np.float32]:
        array = (random.integers(0, levels, (len(ids), *width)) / levels).astype(np.float32)
        array[~described] = np.nan
        array.flags.writeable = False
        return array

    classes, embedding = Need.CLASSES in needs, Need.EMBEDDING in needs
    known = random.normal(size=(labelled, LENGTH)).astype(np.float32)
    known.flags.writeable = False
    ids.flags.writeable = False
    return Pool(
        ids=ids,
        scores={name: rows() for name in names} if Need.SCORES in needs else {},
        class_scores=rows(CLASSES) if classes else None,
        class_fractions=rows(1 + CLASSES) if classes else None,
        embedding=rows(LENGTH) if embedding else None,
        labelled_embedding=known if embedding else None,
        cost=_minutes(rows()) if Need.COST in needs else None,
        bought=dict(bought),
        round=pool_round,
        options=dict(options),
    )


def _minutes(shares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return minutes from half a minute to ten; unknown of every fifth row."""
    minutes = (0.5 + 9.5 * shares).astype(np.float32)
    minutes[::5] = np.nan
    minutes.flags.writeable = False
    return minutes
