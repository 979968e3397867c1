"""The bundled strategies pass the kit that a stranger's strategy runs."""

from __future__ import annotations

import limner_strategies.entropy
import limner_strategies.first
import limner_strategies.random_order
from limner.testing import StrategyConformance


class TestEntropy(StrategyConformance):
    manifest = limner_strategies.entropy.manifest
    many = 1_000_000
    many_seconds = 2.0


class TestFirst(StrategyConformance):
    manifest = limner_strategies.first.manifest
    many = 1_000_000
    many_seconds = 2.0


class TestRandomOrder(StrategyConformance):
    manifest = limner_strategies.random_order.manifest
    many = 1_000_000
    many_seconds = 2.0
