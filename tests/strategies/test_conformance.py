"""The bundled strategies pass the kit that a stranger's strategy runs."""

from __future__ import annotations

import limner_strategies.auto
import limner_strategies.badge
import limner_strategies.clasp
import limner_strategies.clue
import limner_strategies.cluster_margin
import limner_strategies.core_set
import limner_strategies.first
import limner_strategies.foreground
import limner_strategies.per_minute
import limner_strategies.prob_cover
import limner_strategies.random_order
import limner_strategies.stratified
import limner_strategies.typiclust
import limner_strategies.uncertain_then_diverse
from limner.registry import STRATEGIES, Registry
from limner.testing import StrategyConformance
from limner_strategies import uncertainty


class _OfAMillion(StrategyConformance):
    many = 1_000_000
    many_seconds = 2.0


class TestAuto(StrategyConformance):
    manifest = limner_strategies.auto.manifest
    arm_names = ("clasp", "uncertain-then-diverse", "foreground", "random")


class TestEntropy(_OfAMillion):
    manifest = uncertainty.entropy


class TestMargin(_OfAMillion):
    manifest = uncertainty.margin
    score_names = ("margin",)


class TestLeastConfidence(_OfAMillion):
    manifest = uncertainty.least_confidence
    score_names = ("least_confidence", "entropy")


class TestBald(_OfAMillion):
    manifest = uncertainty.bald
    score_names = ("bald", "entropy")


class TestVariationRatio(_OfAMillion):
    manifest = uncertainty.variation_ratio
    score_names = ("entropy",)  # which the app gives alone unless it is asked for samples


class TestVariance(_OfAMillion):
    manifest = uncertainty.variance
    score_names = ("variance",)


class TestDisagreement(_OfAMillion):
    manifest = uncertainty.disagreement
    score_names = ("partition_disagreement", "entropy")


class TestMaskAL(_OfAMillion):
    manifest = uncertainty.maskal
    score_names = ("of_another_kind",)


class TestFirst(_OfAMillion):
    manifest = limner_strategies.first.manifest


class TestRandomOrder(_OfAMillion):
    manifest = limner_strategies.random_order.manifest


class TestForeground(_OfAMillion):
    manifest = limner_strategies.foreground.manifest


class TestClasp(_OfAMillion):
    manifest = limner_strategies.clasp.manifest


class TestPerMinute(_OfAMillion):
    manifest = limner_strategies.per_minute.manifest


class TestStratified(StrategyConformance):
    manifest = limner_strategies.stratified.manifest


class TestCoreSet(StrategyConformance):
    manifest = limner_strategies.core_set.manifest


class TestBadge(StrategyConformance):
    manifest = limner_strategies.badge.manifest


class TestTypiClust(StrategyConformance):
    manifest = limner_strategies.typiclust.manifest


class TestProbCover(StrategyConformance):
    manifest = limner_strategies.prob_cover.manifest
    many_seconds = 30.0


class TestClue(StrategyConformance):
    manifest = limner_strategies.clue.manifest


class TestClusterMargin(StrategyConformance):
    manifest = limner_strategies.cluster_margin.manifest
    score_names = ("margin", "entropy")
    many_seconds = 30.0


class TestUncertainThenDiverse(StrategyConformance):
    manifest = limner_strategies.uncertain_then_diverse.manifest


def test_every_bundled_strategy_is_here() -> None:
    bundled = {
        each.source.name
        for each in Registry().found
        if each.source.group == STRATEGIES and each.source.location.startswith("limner_strategies.")
    }
    tested = {
        each.manifest.name
        for name, each in globals().items()
        if name.startswith("Test") and issubclass(each, StrategyConformance)
    }
    assert tested == bundled
