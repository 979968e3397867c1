"""Which Python a plugin's workers run in."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables that lead a Python to packages of one environment."""

_SECRETS = ("LIMNER_TOKEN", "LIMNER_ADMIN_TOKEN")
"""Variables that no plugin needs to see."""

_WORDS_SHOWN = 500


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
    path = Path(os.path.abspath(folder / os.path.expanduser(python)))
    # Not `Path.is_file`, which raises for some names that no file can have.
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return str(path), [
            f"its Python interpreter {path} is no program: make that environment, or correct "
            "python in the manifest"
        ]
    return str(path), []


def environment_for(python: str) -> dict[str, str]:
    """Copy this process's environment for a child.

    Args:
        python: Interpreter of the child; empty for the server's own. To another one nothing is
            passed on that would lead it to the server's packages.
    """
    dropped = (*_SECRETS, *_OURS) if python else _SECRETS
    return {name: value for name, value in os.environ.items() if name not in dropped}


def limner_version() -> str:
    """Return the version of limner that is installed in this process's environment."""
    return version("limner")


def version_problem(python: str, theirs: str) -> str:
    """Say that another environment has another version of limner; empty where it has the same.

    Args:
        python: Its interpreter.
        theirs: The version there; empty where it could not be told.
    """
    ours = limner_version()
    if theirs == ours:
        return ""
    return (
        f"The environment of {python} has limner {theirs or 'of an unknown version'}, the server "
        f"{ours}: install the same there."
    )


def lacks_limner(words: str) -> bool:
    """Tell whether an interpreter printed that it has no limner."""
    return "No module named 'limner'" in words


def start_problem(python: str, ended: str, words: str) -> str:
    """Say why an interpreter does not run what the server asks it to.

    Args:
        python: The interpreter.
        ended: How it ended, such as `exit code 1`.
        words: What it printed.
    """
    if lacks_limner(words):
        return (
            f"The environment of {python} has no limner: install limner {limner_version()} there."
        )
    said = " ".join(words.split())[-_WORDS_SHOWN:] or "nothing"
    return (
        f"The Python interpreter {python} runs no worker of Limner ({ended}). It said: {said}. "
        f"It must be Python 3.11 or newer with limner {limner_version()} installed."
    )
