"""What every app must do, in one suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from limner.plugin import Ability, AppManifest, Task
from limner.testing.classification.checks import ClassificationChecks
from limner.testing.descriptions import DescriptionChecks
from limner.testing.evaluations import EvaluationChecks
from limner.testing.explanations import ExplanationChecks
from limner.testing.fixtures import AppFixtures
from limner.testing.inputs import InputChecks
from limner.testing.instances.checks import InstancesChecks
from limner.testing.predictions import PredictionChecks
from limner.testing.prompts import PromptChecks
from limner.testing.segmentation.checks import SegmentationChecks
from limner.testing.segmentation.regions import RegionChecks
from limner.testing.stopping import StoppingChecks
from limner.testing.trainings import TrainingChecks
from limner.testing.weights import WeightsChecks

_OF_TASK: Final[Mapping[Task, type[AppFixtures]]] = {
    Task.SEGMENTATION: SegmentationChecks,
    Task.INSTANCES: InstancesChecks,
    Task.CLASSIFICATION: ClassificationChecks,
}


class AppConformance(
    PredictionChecks,
    InputChecks,
    DescriptionChecks,
    TrainingChecks,
    EvaluationChecks,
    StoppingChecks,
    WeightsChecks,
):
    """Subclass it, set `manifest`, and pytest checks the app against the contract.

    The suite fits the task that the manifest names: segmentation, instances or classification.

    Example:
        class TestMyApp(AppConformance):
            manifest = my_app.manifest
            options = MappingProxyType({"width": 8})
            effort = 0.2

    The other settings are the class attributes of `limner.testing.fixtures.AppFixtures`. Override
    the fixture `app` for an app whose factory cannot be imported by name, and the fixture
    `weights` for an app that does not train.
    """

    def __init_subclass__(cls, **given: Any) -> None:
        """Take in the checks of the manifest's own task.

        Those of other tasks are not skipped but absent: a report of what was skipped then shows
        only what the app could have.
        """
        super().__init_subclass__(**given)
        manifest = getattr(cls, "manifest", None)
        if manifest is not None:
            missing = [each for each in _further_checks(manifest) if not issubclass(cls, each)]
            cls.__bases__ = (*cls.__bases__, *missing)


def _further_checks(manifest: AppManifest) -> Iterator[type[AppFixtures]]:
    yield _OF_TASK[manifest.task]
    if Ability.EXPLAIN in manifest.abilities:
        yield ExplanationChecks
    if Ability.PROMPT in manifest.abilities:
        yield PromptChecks
    if Ability.REGIONS in manifest.abilities:
        yield RegionChecks
