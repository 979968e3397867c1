"""What an author sets, and what the checks of an app share: trained once for a class."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from limner.plugin import (
    Ability,
    App,
    AppManifest,
    Case,
    Json,
    LabelSchema,
    LoadRequest,
    Predicts,
    Trained,
    TrainRequest,
    Trains,
)
from limner.testing.making import make
from limner.testing.task_kit import TaskKit
from limner.testing.tasks import KITS
from limner.testing.watches import Recorder


@dataclass(frozen=True, slots=True)
class Training:
    """A finished training with what was asked and told."""

    request: TrainRequest
    trained: Trained
    watch: Recorder


class AppFixtures(ABC):
    """Settings and fixtures of `AppConformance`. Class attributes are for authors to change."""

    manifest: ClassVar[AppManifest]
    """The manifest of the app under test."""
    dimensions: ClassVar[frozenset[int]] = frozenset({2, 3})
    """Numbers of axes to check, among those that the manifest declares."""
    options: ClassVar[Mapping[str, Json]] = {}
    """Options that differ from the manifest's defaults; make the model small here."""
    effort: ClassVar[float] = 1.0
    """Effort of the training that must learn the phantoms."""
    brief_effort: ClassVar[float] = 0.25
    """Effort of the trainings whose result need not be good; still a handful of steps."""
    minimum_score: ClassVar[float] = 0.8
    """What the training must reach on phantoms that it has not seen: mean Dice, mean panoptic
    quality or balanced accuracy, by task."""
    agreement: ClassVar[float] = 0.99
    """Share of pixels where the mask is the likeliest class; less for an app that tidies up. Of a
    segmentation only."""
    stop_seconds: ClassVar[float] = 2.0
    """Seconds within which work must end when told."""

    @pytest.fixture(scope="class")
    @classmethod
    def app(cls) -> App:
        """Make the app; override it when the manifest's factory cannot be imported by name."""
        app = make(cls.manifest)
        assert isinstance(app, App), f"{cls.manifest.factory} made a {type(app).__name__}, no App"
        return app

    @pytest.fixture(scope="class", params=[2, 3], ids=["2d", "3d"])
    @classmethod
    def axes(cls, request: pytest.FixtureRequest) -> int:
        """Number of spatial axes of the images in a check."""
        axes: int = request.param
        if axes not in cls.manifest.dimensions:
            pytest.skip(f"the app does not take images of {axes} axes")
        if axes not in cls.dimensions:
            pytest.skip(f"images of {axes} axes are left out by this suite")
        return axes

    @pytest.fixture(scope="class")
    @classmethod
    def training(cls, app: App, axes: int, tmp_path_factory: pytest.TempPathFactory) -> Training:
        """Train once on phantoms, for all checks of a class."""
        folder = tmp_path_factory.mktemp("training")
        return run(app, cls.train_request(folder, cls.training_cases(axes), cls.effort))

    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, training: Training) -> Path:
        """Weights for the schema of the kit; override it for an app that does not train."""
        return training.trained.weights

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, app: App, weights: Path) -> Predicts:
        """The loaded model."""
        return app.load(cls.load_request(weights))

    @pytest.fixture
    def held_out(self, axes: int) -> list[Case]:
        """Phantoms that no training has seen."""
        kit = self.kit()
        return kit.cases(axes, kit.held_out_cases, seed=9)

    @classmethod
    def kit(cls) -> TaskKit:
        """Return what the suites must know of the app's task."""
        return KITS[cls.manifest.task]

    @classmethod
    def training_cases(cls, axes: int) -> list[Case]:
        """Draw phantoms enough to learn the task from."""
        return cls.kit().cases(axes, cls.kit().training_cases, seed=1)

    @classmethod
    def brief_cases(cls, axes: int) -> list[Case]:
        """Draw phantoms for a training whose result need not be good."""
        return cls.kit().cases(axes, cls.kit().brief_cases, seed=2)

    @classmethod
    def all_options(cls) -> dict[str, Json]:
        """Return every option of the app: the suite's, else the default."""
        defaults = {name: option.default for name, option in cls.manifest.options.items()}
        return {**defaults, **cls.options}

    @classmethod
    def train_request(
        cls,
        folder: Path,
        cases: Sequence[Case],
        effort: float,
        schema: LabelSchema | None = None,
        parent: Path | None = None,
    ) -> TrainRequest:
        """Ask for a training in a folder; the same folder again means the same training."""
        for name in ("work", "cache"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        return TrainRequest(
            schema=schema or cls.kit().schema,
            train=cases,
            validation=(),
            parent=parent,
            seed=7,
            workspace=folder / "work",
            cache=folder / "cache",
            effort=effort,
            options=cls.all_options(),
        )

    @classmethod
    def load_request(cls, weights: Path, schema: LabelSchema | None = None) -> LoadRequest:
        """Ask for a model on the processor."""
        schema = schema or cls.kit().schema
        return LoadRequest(weights=weights, schema=schema, options=cls.all_options())

    @classmethod
    def require(cls, ability: Ability) -> None:
        """Skip the check at hand when the manifest does not declare an ability."""
        if ability not in cls.manifest.abilities:
            pytest.skip(f"the app does not declare the ability {ability.value!r}")


def trains(app: App) -> Trains:
    """Return an app that must train; skips where it has no `train` at all."""
    if not isinstance(app, Trains):
        pytest.skip("the app does not train; override the fixture `weights` to check its models")
    return app


def run(app: App, request: TrainRequest, watch: Recorder | None = None) -> Training:
    """Train and keep what was reported."""
    watch = watch or Recorder()
    return Training(request, trains(app).train(request, watch), watch)
