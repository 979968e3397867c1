"""What every app must do, in one suite."""

from __future__ import annotations

from limner.testing.descriptions import DescriptionChecks
from limner.testing.evaluations import EvaluationChecks
from limner.testing.inputs import InputChecks
from limner.testing.predictions import PredictionChecks
from limner.testing.stopping import StoppingChecks
from limner.testing.trainings import TrainingChecks
from limner.testing.weights import WeightsChecks


class AppConformance(
    PredictionChecks,
    InputChecks,
    DescriptionChecks,
    EvaluationChecks,
    TrainingChecks,
    StoppingChecks,
    WeightsChecks,
):
    """Subclass it, set `manifest`, and pytest checks the app against the contract.

    Example:
        class TestMyApp(AppConformance):
            manifest = my_app.manifest
            options = MappingProxyType({"width": 8})
            effort = 0.2

    The other settings are the class attributes of `limner.testing.fixtures.AppFixtures`. Override
    the fixture `app` for an app whose factory cannot be imported by name, and the fixture
    `weights` for an app that does not train.
    """
