"""The bundled classification app passes the kit that a stranger's app runs."""

from __future__ import annotations

from types import MappingProxyType

import pytest

import limner_apps.classification
from limner.testing import AppConformance


@pytest.mark.slow
class TestClassification(AppConformance):
    manifest = limner_apps.classification.manifest
    options = MappingProxyType({"steps": 60, "width": 8, "batch": 8})
    minimum_score = 0.9
