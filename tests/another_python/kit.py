"""The conformance kit over the Keras app. Run in the app's own environment, by `test_kit.py`."""

from __future__ import annotations

from types import MappingProxyType

import keras_unet

from limner.testing import AppConformance


class TestKerasUnet(AppConformance):
    manifest = keras_unet.manifest
    options = MappingProxyType({"width": 8, "steps": 120})
    brief_effort = 0.1
