"""Auto: picks by whichever strategy has measurably bought the most here, against a control arm.

A share of every queue (`control`) is drawn at random from the pool: the control arm. What is left
belongs to the contenders, each an arm of its own. The server measures by trials what the labels of
an arm brought more than as many of the control arm, with an 80 % interval (`Pool.bought`), and

1. the contender with the highest gain of those whose interval is wholly above 0 leads: all that is
   left is its own. It goes on being measured against the control arm, and stops leading when its
   interval reaches 0 again;
2. while none leads, all that is open share what is left evenly. A contender is open until its
   interval is wholly below 0, or four trials have not put it above;
3. when no contender is open any more, none has beaten chance here, and `foreground` picks
   (foreground-aware random, which is hard to beat); once that has measurably bought less than
   chance, everything is drawn at random.

The control arm's places are spread evenly: every beginning of the queue has its share of them, to
within one pick, and so has every later part. Within an arm the order is that of its strategy, with
that strategy's default options; what another arm has picked is passed over. Samples that the model
has not looked at come last, at random, for the control arm.

Trials need a validation set and cost a training for each arm; until there are two, nothing leads.
An interval is no proof: a contender that is no better than chance is taken for better at about one
of ten looks at most, and is found out by its next trials.

Needs `bought`, and what the contenders need: `classes`, `scores`, `embedding`. Takes what the
contenders take together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    CONTROL_ARM,
    Bought,
    Need,
    Option,
    Pick,
    Pool,
    Strategy,
    StrategyManifest,
)
from limner_strategies.answer import UNSEEN, described
from limner_strategies.badge import Badge
from limner_strategies.clasp import Clasp
from limner_strategies.core_set import CoreSet
from limner_strategies.foreground import Foreground
from limner_strategies.noise import sub_seed
from limner_strategies.option import number, option
from limner_strategies.random_order import random_rows
from limner_strategies.typiclust import TypiClust
from limner_strategies.uncertain_then_diverse import UncertainThenDiverse
from limner_strategies.uncertainty import Entropy

FALLBACK = "foreground"
"""What picks when no contender has beaten chance."""

STRATEGIES: Mapping[str, Strategy] = {
    "badge": Badge(),
    "clasp": Clasp(),
    "core-set": CoreSet(),
    "entropy": Entropy(),
    FALLBACK: Foreground(),
    "typiclust": TypiClust(),
    "uncertain-then-diverse": UncertainThenDiverse(),
}

manifest = StrategyManifest(
    name="auto",
    version="1.0.0",
    factory=":Auto",
    needs=frozenset({Need.BOUGHT, Need.CLASSES, Need.SCORES, Need.EMBEDDING}),
    title="By what has bought the most here, measured against chance",
    licence="Apache-2.0",
    options={
        "strategies": Option(
            default=["clasp", "uncertain-then-diverse"],
            choices=tuple(STRATEGIES),
            help="The contenders; each one more makes trials longer and leaves less to the others.",
        ),
        "control": Option(
            default=0.2,
            minimum=0.05,
            maximum=0.5,
            help="Share of picks that are drawn at random, to measure the others against.",
        ),
    },
)

MOST_TRIALS = 4
"""A contender that so many trials have not put above chance is open no longer."""


def sharers(contenders: Sequence[str], bought: Mapping[str, Bought]) -> list[str]:
    """Return the arms that share what the control arm leaves; none when it is to have all.

    Args:
        contenders: Their names, at least one.
        bought: What trials have found, by arm.

    Example:
        >>> sharers(["clasp", "badge"], {})
        ['clasp', 'badge']
    """
    ahead = [each for each in contenders if each in bought and bought[each].is_more]
    if ahead:
        return [max(ahead, key=lambda each: bought[each].gain)]
    open_ones = [each for each in contenders if _is_open(bought.get(each))]
    if open_ones:
        return open_ones
    is_worse = FALLBACK in bought and bought[FALLBACK].is_less
    return [] if is_worse else [FALLBACK]


def turns(arms: Sequence[str], control: float, seed: int) -> Iterator[str]:
    """Yield whose turn it is, without end.

    Args:
        arms: Those that share what the control arm leaves; none when it has all.
        control: Share of the control arm.
        seed: Decides where the control arm and the others begin.

    Example:
        >>> from itertools import islice
        >>> list(islice(turns(["clasp"], 0.25, 0), 8)).count("random")
        2
    """
    random = np.random.default_rng(np.random.SeedSequence([abs(seed), 1]))
    passed, place = float(random.random()), int(random.integers(max(1, len(arms))))
    while True:
        passed += control if arms else 1.0
        if passed >= 1.0:
            passed -= 1.0
            yield CONTROL_ARM
        else:
            yield arms[place % len(arms)]
            place += 1


class Auto:
    """The strategy `auto`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows by what has bought the most, some at random. See `Strategy.pick`."""
        wanted = max(0, min(count, len(pool.ids)))
        names = option(pool, manifest, "strategies")
        contenders = [str(each) for each in names] if isinstance(names, list) else []
        control = number(pool, manifest, "control")
        arms = sharers(contenders, pool.bought)
        known = described(pool)
        rows = np.flatnonzero(known)
        orders = {arm: self._order(arm, pool, wanted, seed, known) for arm in arms}
        drawn = rows[random_rows(pool.ids[rows], wanted, sub_seed(seed, 2))].tolist()
        reason = f"it was drawn at random, as {control:.0%} are, to see what choosing buys"
        orders[CONTROL_ARM] = iter([Pick(index=row, score=0.0, reason=reason) for row in drawn])
        picks: dict[int, Pick] = {}
        whose = turns(arms, control, seed)
        while len(picks) < min(wanted, len(rows)):
            arm = next(whose)
            # Every order holds as many rows as there are picks, so that none runs out too early.
            pick = next(each for each in orders[arm] if each.index not in picks)
            said = _words(arm, arm in contenders, pool.bought.get(arm))
            picks[pick.index] = replace(pick, reason=f"{said}{pick.reason}", arm=arm)
        unseen = np.flatnonzero(~known)
        unseen = unseen[random_rows(pool.ids[unseen], wanted - len(picks), sub_seed(seed, 3))]
        return [
            *picks.values(),
            *(
                Pick(index=row, score=0.0, reason=UNSEEN, arm=CONTROL_ARM)
                for row in unseen.tolist()
            ),
        ]

    def _order(
        self, arm: str, pool: Pool, count: int, seed: int, known: npt.NDArray[np.bool_]
    ) -> Iterator[Pick]:
        picks = STRATEGIES[arm].pick(replace(pool, options={}), count, seed)
        return iter([each for each in picks if known[each.index]])


def _is_open(found: Bought | None) -> bool:
    return found is None or not (found.is_less or found.trials >= MOST_TRIALS)


def _words(arm: str, is_contender: bool, found: Bought | None) -> str:
    """Say how an arm came to its turn, to begin a reason with."""
    if arm == CONTROL_ARM:
        return ""
    if not is_contender:
        return "no strategy has beaten chance here, so "
    if found is None or not found.is_more:
        return f"{arm} is being tried here: "
    return (
        f"chosen by {arm}, which has bought {found.gain:.3f} {found.measure} more than chance here "
        f"({found.low:.3f} to {found.high:.3f}): "
    )
