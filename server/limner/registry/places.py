"""Where plugins may be registered from while the server runs: one folder, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from limner.errors import InvalidRequest

MOST_CHARACTERS = 1024
"""Longest path that is looked at."""


def path_inside(given: str, folder: Path | None) -> Path:
    """Resolve a path that somebody asks for, symbolic links followed.

    Args:
        given: Relative to the plugin folder, or absolute and inside it.
        folder: The plugin folder; None where none is set.

    Returns:
        A plugin file or a package folder.

    Raises:
        InvalidRequest: No folder is set, the path leads out of it, or there is no plugin there.
    """
    root = _root(folder)
    shown = repr(given if len(given) <= 100 else given[:100] + "…")
    if not given.strip() or len(given) > MOST_CHARACTERS or "\0" in given:
        raise InvalidRequest(
            f"The path {shown} cannot be used; give 1 to {MOST_CHARACTERS} characters without NUL."
        )
    outside = _outside(shown, root)
    try:
        path = (root / given).resolve()
        if path == root or not path.is_relative_to(root):
            raise outside
        is_package = (path / "__init__.py").is_file()
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError, ValueError):
        # Names that are too long, loops of links, text that no file name can be.
        raise outside from None
    if is_package or (is_file and path.suffix == ".py"):
        return path
    if is_file:
        raise InvalidRequest(f"{shown} is no Python file; give a .py file or a package folder.")
    if is_folder:
        raise InvalidRequest(
            f"{shown} holds no plugin: it has no __init__.py. Give a .py file or a package folder."
        )
    raise InvalidRequest(f"There is no file or folder {shown} in the plugin folder {root}.")


def check_inside(location: str, folder: Path | None) -> None:
    """Refuse what was registered from another folder than the plugin folder of now.

    Args:
        location: As `path_inside` gave it; the file itself may be gone.
        folder: The plugin folder; None where none is set.

    Raises:
        InvalidRequest: No folder is set, or it lies elsewhere.
    """
    root = _root(folder)
    if not Path(location).is_relative_to(root):
        raise _outside(repr(location), root)


def _root(folder: Path | None) -> Path:
    if folder is None:
        raise InvalidRequest(
            "No plugin folder is set, so no path can be registered; start the server with "
            "--plugin-folder FOLDER."
        )
    return folder.resolve()


def _outside(shown: str, root: Path) -> InvalidRequest:
    return InvalidRequest(
        f"The path {shown} does not lead into the plugin folder {root}; put the plugin there."
    )
