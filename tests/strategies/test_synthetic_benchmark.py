"""A loop in miniature: every strategy picks for a logistic regression on made-up embeddings.

The pool is imbalanced and redundant: four classes of 60, 30, 7 and 3 %, of which most samples are
near copies of a few. Twelve paired seeds, six batches of eight; the score is the balanced accuracy
on a test set with as many of each class, and the area under its curve is compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import wilcoxon
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from tests.strategies.rows import pool_of

from limner.plugin import Strategy
from limner_strategies.badge import Badge
from limner_strategies.clasp import Clasp
from limner_strategies.clue import Clue
from limner_strategies.cluster_margin import ClusterMargin
from limner_strategies.core_set import CoreSet
from limner_strategies.foreground import Foreground
from limner_strategies.prob_cover import ProbCover
from limner_strategies.random_order import RandomOrder
from limner_strategies.stratified import Stratified
from limner_strategies.typiclust import TypiClust
from limner_strategies.uncertain_then_diverse import UncertainThenDiverse
from limner_strategies.uncertainty import Entropy, Margin

CLASSES, SEEDS, BATCH, ROUNDS = 4, 12, 8, 6
SHARES = (0.6, 0.3, 0.07, 0.03)

Array = npt.NDArray[np.float64]
STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "random": RandomOrder,
    "stratified": Stratified,
    "foreground": Foreground,
    "entropy": Entropy,
    "margin": Margin,
    "clasp": Clasp,
    "core-set": CoreSet,
    "badge": Badge,
    "typiclust": TypiClust,
    "probcover": ProbCover,
    "clue": Clue,
    "cluster-margin": ClusterMargin,
    "uncertain-then-diverse": UncertainThenDiverse,
}


@dataclass(frozen=True)
class World:
    """Points with their classes."""

    points: Array
    classes: npt.NDArray[np.int64]
    test_points: Array
    test_classes: npt.NDArray[np.int64]


@cache
def world(seed: int) -> World:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(CLASSES, 2, 8)) * 2.2

    def drawn(counts: list[int], copies: int) -> tuple[Array, npt.NDArray[np.int64]]:
        points, classes = [], []
        for index, count in enumerate(counts):
            modes = centres[index, random.integers(2, size=-(-count // copies))]
            own = np.repeat(modes + random.normal(size=modes.shape), copies, axis=0)[:count]
            points.append(own + 0.05 * random.normal(size=own.shape))
            classes.append(np.full(count, index))
        return np.concatenate(points), np.concatenate(classes)

    pool = drawn([round(500 * share) for share in SHARES], 5)
    return World(*pool, *drawn([100] * CLASSES, 1))


def fitted(here: World, labelled: list[int]) -> tuple[Array, float]:
    """Return probabilities of the pool, (n, CLASSES), and the balanced accuracy on the test set."""
    known = np.unique(here.classes[labelled])
    if len(known) == 1:
        p = np.zeros((len(here.points), CLASSES))
        p[:, known[0]] = 1.0
        return p, 1 / CLASSES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=1.0, max_iter=60)
        model.fit(here.points[labelled], here.classes[labelled])
    p = np.zeros((len(here.points), CLASSES))
    p[:, known] = model.predict_proba(here.points)
    right = model.predict(here.test_points) == here.test_classes
    return p, float(right.mean())


def curve(strategy: Strategy, seed: int, opening: Strategy | None = None) -> list[float]:
    """Return the score after each batch; the first is random unless something opens."""
    here = world(seed)
    left = np.arange(len(here.points))
    labelled: list[int] = []
    p, scores = None, list[float]()
    for number in range(ROUNDS):
        opens = p is None
        chooser = (opening or RandomOrder()) if opens else strategy
        fields: dict[str, Any] = {"embedding": here.points[left]}
        if p is not None:
            entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(CLASSES)
            ordered = np.sort(p, axis=1)
            fields |= {
                "scores": {
                    "entropy": entropy[left],
                    "margin": 1 - (ordered[:, -1] - ordered[:, -2])[left],
                    "least_confidence": (1 - ordered[:, -1])[left],
                },
                "class_scores": (p * entropy[:, None])[left],
                "class_fractions": np.concatenate([np.zeros((len(p), 1)), p], axis=1)[left],
            }
        pool = pool_of(
            len(left),
            labelled_embedding=here.points[labelled],
            round=number,
            options={"per_round": BATCH, "rounds": ROUNDS, "clusters": 8},
            **fields,
        )
        rows = [pick.index for pick in chooser.pick(pool, BATCH, 1000 * seed + number)]
        labelled += left[rows].tolist()
        left = np.delete(left, rows)
        p, score = fitted(here, labelled)
        scores.append(score)
    return scores


@cache
def curves(name: str) -> Array:
    """(SEEDS, ROUNDS)."""
    return np.array([curve(STRATEGIES[name](), seed) for seed in range(SEEDS)])


def area(name: str) -> Array:
    """Mean over the rounds after the start set, which all have in common: (SEEDS,)."""
    return np.asarray(curves(name)[:, 1:].mean(axis=1))


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["uncertain-then-diverse", "core-set", "clue"])
def test_diversity_beats_random_on_a_redundant_pool(name: str) -> None:
    gains = area(name) - area("random")
    assert gains.mean() > 0.05
    assert wilcoxon(gains, alternative="greater").pvalue < 0.01


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"random"}))
def test_nothing_is_clearly_worse_than_random(name: str) -> None:
    spread = area("random").std(ddof=1)
    assert area(name).mean() > area("random").mean() - 2 * spread


def test_the_first_model_after_typiclust_varies_less_than_after_random() -> None:
    random = curves("random")[:, 0]
    typical = np.array([curve(Entropy(), seed, TypiClust())[0] for seed in range(SEEDS)])
    assert typical.std(ddof=1) < random.std(ddof=1)
    assert typical.mean() >= random.mean()


def test_the_same_seeds_give_the_same_curve() -> None:
    assert curve(UncertainThenDiverse(), 3) == curve(UncertainThenDiverse(), 3)
