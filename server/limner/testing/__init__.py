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
            "descriptions",
            "evaluations",
            "inputs",
            "predictions",
            "stopping",
            "strategies",
            "trainings",
            "watches",
            "weights",
        )
    )
)

from limner.testing.apps import AppConformance  # noqa: E402 - rewriting must be registered first
from limner.testing.phantoms import SCHEMA, Phantom, draw_phantom, phantom_cases  # noqa: E402
from limner.testing.pools import pools  # noqa: E402
from limner.testing.strategies import StrategyConformance  # noqa: E402
from limner.testing.watches import Recorder  # noqa: E402

__all__ = [
    "SCHEMA",
    "AppConformance",
    "Phantom",
    "Recorder",
    "StrategyConformance",
    "draw_phantom",
    "phantom_cases",
    "pools",
]
