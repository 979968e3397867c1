"""Which Python a plugin's workers run in."""

from __future__ import annotations

import os
from pathlib import Path


def interpreter_of(python: str, folder: Path) -> tuple[str, list[str]]:
    """Resolve what a manifest says of its interpreter.

    The path is not followed where it is a symbolic link: the link is what makes it a virtual
    environment's.

    Args:
        python: As in the manifest; empty for the server's own.
        folder: Of the file that holds the manifest.

    Returns:
        The absolute path, empty for the server's own, and what is wrong with it.
    """
    if not python:
        return "", []
    path = Path(os.path.abspath(folder / Path(python).expanduser()))
    if not path.is_file() or not os.access(path, os.X_OK):
        return str(path), [
            f"its Python interpreter {path} is no program: make that environment, or correct "
            "python in the manifest"
        ]
    return str(path), []
