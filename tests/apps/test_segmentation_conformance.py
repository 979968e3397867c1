"""The bundled segmentation app passes the kit that a stranger's app runs."""

from __future__ import annotations

from types import MappingProxyType

import pytest

import limner_apps.segmentation
from limner.testing import AppConformance


@pytest.mark.slow
class TestSegmentation(AppConformance):
    manifest = limner_apps.segmentation.manifest
    options = MappingProxyType({"steps": 120, "width": 8, "batch": 4})
    minimum_score = 0.8
