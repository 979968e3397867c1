"""A tiny app of each task with its weights: what the kit's own tests spoil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from limner.plugin import App, AppManifest, LoadRequest
from limner.registry import APPS, Registry, make_app
from limner.testing import AppConformance
from limner.testing.fixtures import Training, run

PLUGINS = Path(__file__).parent.parent / "plugins"
TASKS = {"segmentation": "tiny", "instances": "tiny-instances", "classification": "tiny-classifier"}
APPS_BY_USE = {**TASKS, "prompts": "clicking"}


@dataclass(frozen=True)
class Example:
    """An app in order, trained on phantoms of so many axes, with its suite."""

    suite: Any
    app: App
    training: Training
    axes: int

    @property
    def weights(self) -> Path:
        return self.training.trained.weights

    @property
    def model(self) -> Any:
        request = self.training.request
        return self.app.load(LoadRequest(weights=self.weights, schema=request.schema))

    def check(self, name: str) -> Callable[..., None]:
        check: Callable[..., None] = getattr(self.suite, name)
        return check


MakeExample: TypeAlias = Callable[[str, int], Example]


@pytest.fixture(scope="session")
def plugins() -> Registry:
    files = (
        "tiny_app.py",
        "tiny_instances.py",
        "tiny_classifier.py",
        "clicking.py",
        "tiny_strategy.py",
    )
    return Registry([PLUGINS / file for file in files])


@pytest.fixture(scope="session")
def make_example(plugins: Registry, tmp_path_factory: pytest.TempPathFactory) -> MakeExample:
    made: dict[tuple[str, int], Example] = {}

    def make(use: str, axes: int) -> Example:
        if (use, axes) not in made:
            app = make_app(plugins.source(APPS, APPS_BY_USE[use]))
            suite = suite_of(plugins.app(APPS_BY_USE[use]))
            folder = tmp_path_factory.mktemp(use)
            request = suite.train_request(folder, suite.training_cases(axes), 1.0)
            made[use, axes] = Example(suite, app, run(app, request), axes)
        return made[use, axes]

    return make


def suite_of(of: AppManifest) -> Any:
    class Suite(AppConformance):
        manifest = of

    return Suite()


@pytest.fixture(params=TASKS)
def example(make_example: MakeExample, request: pytest.FixtureRequest) -> Example:
    """One of each task, for pictures."""
    return make_example(request.param, 2)


@pytest.fixture
def segmentation(make_example: MakeExample) -> Example:
    return make_example("segmentation", 3)


@pytest.fixture
def instances(make_example: MakeExample) -> Example:
    return make_example("instances", 2)


@pytest.fixture
def classification(make_example: MakeExample) -> Example:
    return make_example("classification", 2)


@pytest.fixture
def prompting(make_example: MakeExample) -> Example:
    return make_example("prompts", 2)


@pytest.fixture(scope="session")
def tiny_manifest(plugins: Registry) -> AppManifest:
    return plugins.app("tiny")


@pytest.fixture
def tiny_app(segmentation: Example) -> App:
    return segmentation.app


@pytest.fixture
def tiny_training(segmentation: Example) -> Training:
    return segmentation.training
