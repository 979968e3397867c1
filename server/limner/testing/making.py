"""Makes a plugin from its manifest, as a worker of the server does."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from limner.plugin import Manifest


def module_of(manifest: Manifest) -> ModuleType:
    """Return the module that a manifest's factory is looked up in.

    A factory of the form `:attribute` lies beside the manifest, which must have been imported.
    """
    name = manifest.factory.partition(":")[0]
    if name:
        return importlib.import_module(name)
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        several = names.get("manifests")
        if names.get("manifest") is manifest or (
            isinstance(several, list | tuple) and any(each is manifest for each in several)
        ):
            return module
    raise pytest.UsageError(
        f"The module that holds the manifest of {manifest.name!r} is not known; write its factory "
        f"as 'module{manifest.factory}', or override the fixture that makes the plugin."
    )


def make(manifest: Manifest) -> object:
    """Call a manifest's factory."""
    made: object = getattr(module_of(manifest), manifest.factory.partition(":")[2])()
    return made
