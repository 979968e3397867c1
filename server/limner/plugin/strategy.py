"""What a strategy gets and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from limner.plugin.images import FloatArray, IntArray
from limner.plugin.values import Json

CONTROL_ARM = "random"
"""Name of the arm that the others are measured against: picks drawn at random from the pool."""


class Need(StrEnum):
    """What a strategy can ask to see of the pool."""

    SCORES = "scores"
    """`Pool.scores`."""
    CLASSES = "classes"
    """`Pool.class_scores` and `Pool.class_fractions`."""
    EMBEDDING = "embedding"
    """`Pool.embedding` and `Pool.labelled_embedding`."""
    COST = "cost"
    """`Pool.cost`."""
    BOUGHT = "bought"
    """`Pool.bought`. Once enough picks of several arms are labelled, trials measure what each arm
    buys; one costs a training for each arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What the labels of an arm brought more than as many of the control arm, by trials.

    A trial trains a model without some labels of the control arm and one without as many of this
    arm, and measures both on the validation set.
    """

    gain: float
    """Mean over the trials of the first model's score less the second's; above 0 the labels of this
    arm are worth more than those drawn at random."""
    low: float
    """Lower end of the 80 % interval of `gain`; minus infinity before there are two trials."""
    high: float
    """Upper end; infinity before there are two trials."""
    measure: str
    """What the score is, as the app calls it, such as `dice`."""
    labels: int
    """Labels of this arm that were compared, over all trials."""
    trials: int
    """How many trials; at least 1."""

    @property
    def is_more(self) -> bool:
        """Whether the whole interval is above 0: more than chance."""
        return self.low > 0

    @property
    def is_less(self) -> bool:
        """Whether the whole interval is below 0: less than chance."""
        return self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The unlabelled samples of a project, with what the serving model says of them.

    Arrays share their first axis: row `i` is one sample. A row that has not been described yet
    holds NaN. What the strategy did not declare in its needs is absent.
    """

    ids: IntArray
    """(n,), names the samples; rises in the order they were taken in."""
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    """(n,) each, by the names of `Description.scores`."""
    class_scores: FloatArray | None = None
    """(n, classes)."""
    class_fractions: FloatArray | None = None
    """(n, 1 + classes)."""
    embedding: FloatArray | None = None
    """(n, d). Of the serving model; of the pixels alone, and of another d, while none describes the
    pool. Never of both."""
    labelled_embedding: FloatArray | None = None
    """(m, d), of the samples that have a submitted label; of the same source as `embedding`."""
    cost: FloatArray | None = None
    """(n,), minutes that labelling is predicted to take; NaN where unknown. None where nothing
    predicts them."""
    bought: Mapping[str, Bought] = field(default_factory=dict)
    """By arm, as in `Pick.arm`; only those that a trial has measured, and never the control arm."""
    round: int = 0
    """How many model versions the project has promoted."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """The strategy's options as the project sets them, defaults filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One sample to label."""

    index: int
    """Row in the pool."""
    score: float
    """How much the strategy wants it; larger is more. Finite."""
    reason: str
    """Why, in words that an annotator understands."""
    arm: str = ""
    """Whose pick it is, where a strategy mixes several ways of picking that are to be told apart
    and measured: `CONTROL_ARM` where it was drawn at random, else a name of at most 64 characters.
    Empty where nothing is told apart."""


@runtime_checkable
class Strategy(Protocol):
    """Picks which samples to label next."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Return `min(count, len(pool.ids))` distinct rows, best first.

        The same pool and seed give the same picks. Rows not described yet must still be ordered:
        they come after the described ones. The pool is never changed.
        """
        ...
