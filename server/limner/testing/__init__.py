"""The conformance kit that every app and strategy runs, the bundled ones and strangers'.

Subclass a suite, name the manifest, and pytest runs the contract's checks:

    class TestMyApp(AppConformance):
        manifest = my_app.manifest

A check that needs an ability which the manifest does not declare is skipped with the reason.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"limner.testing.{name}"
        for name in (
            "answers",
            "apps",
            "classification",
            "descriptions",
            "evaluations",
            "explanations",
            "inputs",
            "instances",
            "predictions",
            "prompts",
            "segmentation",
            "stopping",
            "strategies",
            "task_kit",
            "trainings",
            "watches",
            "weights",
        )
    )
)

from limner.testing.apps import AppConformance  # noqa: E402 - rewriting must be registered first
from limner.testing.classification.phantoms import draw_texture  # noqa: E402
from limner.testing.drawing import Phantom  # noqa: E402
from limner.testing.instances.phantoms import draw_objects  # noqa: E402
from limner.testing.pools import pools  # noqa: E402
from limner.testing.segmentation.kit import phantom_cases  # noqa: E402
from limner.testing.segmentation.phantoms import SCHEMA, draw_phantom  # noqa: E402
from limner.testing.strategies import StrategyConformance  # noqa: E402
from limner.testing.watches import Recorder  # noqa: E402

__all__ = [
    "SCHEMA",
    "AppConformance",
    "Phantom",
    "Recorder",
    "StrategyConformance",
    "draw_objects",
    "draw_phantom",
    "draw_texture",
    "phantom_cases",
    "pools",
]
