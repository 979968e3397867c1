"""A plugin in order passes every check of the kit, found the way a stranger's is."""

from __future__ import annotations

from pathlib import Path

from limner.registry import Registry
from limner.testing import AppConformance, StrategyConformance

PLUGINS = Path(__file__).parent.parent / "plugins"
REGISTRY = Registry([PLUGINS / "tiny_app.py", PLUGINS / "tiny_strategy.py"])


class TestTinyApp(AppConformance):
    manifest = REGISTRY.app("tiny")
    minimum_score = 0.95


class TestTinyStrategy(StrategyConformance):
    manifest = REGISTRY.strategy("tiny")
