"""The bundled instances app passes the kit that a stranger's app runs."""

from __future__ import annotations

from types import MappingProxyType

import pytest

import limner_apps.instances
from limner.testing import AppConformance


@pytest.mark.slow
class TestInstances(AppConformance):
    manifest = limner_apps.instances.manifest
    options = MappingProxyType({"model": "light", "steps": 200, "width": 16, "batch": 2})
    brief_effort = 0.1
    minimum_score = 0.75
