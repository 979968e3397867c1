"""A plugin in order passes every check of the kit, imported the way a worker imports a file."""

from __future__ import annotations

from pathlib import Path

from limner.registry.files import import_path
from limner.testing import AppConformance, StrategyConformance

PLUGINS = Path(__file__).parent.parent / "plugins"


class TestTinyApp(AppConformance):
    manifest = import_path(PLUGINS / "tiny_app.py").manifest
    minimum_score = 0.95


class TestTinyInstances(AppConformance):
    manifest = import_path(PLUGINS / "tiny_instances.py").manifest
    minimum_score = 0.9


class TestTinyClassifier(AppConformance):
    manifest = import_path(PLUGINS / "tiny_classifier.py").manifest
    minimum_score = 0.95


class TestClicking(AppConformance):
    manifest = import_path(PLUGINS / "clicking.py").manifest
    minimum_score = 0.9


class TestTinyStrategy(StrategyConformance):
    manifest = import_path(PLUGINS / "tiny_strategy.py").manifest
