"""A tiny app with its weights, trained on volumes: what the kit's own tests spoil."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from limner.plugin import App, AppManifest, TrainRequest
from limner.registry import APPS, Registry, make_app
from limner.testing import SCHEMA, Recorder, phantom_cases
from limner.testing.fixtures import Training, run

PLUGINS = Path(__file__).parent.parent / "plugins"


@pytest.fixture(scope="session")
def plugins() -> Registry:
    return Registry([PLUGINS / "tiny_app.py", PLUGINS / "tiny_strategy.py"])


@pytest.fixture(scope="session")
def tiny_manifest(plugins: Registry) -> AppManifest:
    return plugins.app("tiny")


@pytest.fixture(scope="session")
def tiny_app(plugins: Registry) -> App:
    return make_app(plugins.source(APPS, "tiny"))


@pytest.fixture(scope="session")
def tiny_training(tiny_app: App, tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("tiny")
    options: Mapping[str, str | float] = {"step_seconds": 0.0, "fail": "", "fail_train": ""}
    request = TrainRequest(
        schema=SCHEMA,
        train=phantom_cases(3, 4, seed=1),
        validation=(),
        parent=None,
        seed=7,
        workspace=folder,
        cache=folder,
        options=options,
    )
    return run(tiny_app, request, Recorder())
