"""`limner version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed_version

from limner.cli.terminal import out
from limner.plugin import CONTRACT_VERSION


def version() -> None:
    """Print the versions of Limner, of its plugin contract and of Python."""
    out.print(
        f"limner {installed_version('limner')}, contract {CONTRACT_VERSION}, "
        f"Python {platform.python_version()}"
    )
