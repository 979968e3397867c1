"""What a check in child processes finds is noted in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import PluginFailed
from limner.registry import APPS, Registry, check_given_plugins

PLUGINS = Path(__file__).parents[1] / "plugins"


def test_a_given_plugin_that_cannot_be_made_is_not_usable_after_the_check() -> None:
    registry = Registry([PLUGINS / "tiny_app.py", PLUGINS / "lacks_training.py"])
    assert registry.app("lacks-training").name == "lacks-training"
    check_given_plugins(registry)
    with pytest.raises(PluginFailed, match="train"):
        registry.app("lacks-training")
    assert registry.app("tiny").name == "tiny"
    assert not [each for each in registry.found if each.source.path is None and each.problems]
    assert registry.source(APPS, "tiny").path == PLUGINS / "tiny_app.py"
