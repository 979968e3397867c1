"""The folder of results: one comparison at a time, and not among the images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from limner.errors import SettingsError
from limner.home import HomeInUse, HomeLock


@contextmanager
def held(out: Path, images: Path) -> Iterator[None]:
    """Make a folder of results where there is none, and hold it while the block runs.

    Args:
        out: Folder of results.
        images: What is compared on.

    Raises:
        SettingsError: It cannot be made or written, or lies among the images.
        HomeInUse: Another comparison writes to it.
    """
    if out.resolve().is_relative_to(images.resolve()):
        raise SettingsError(
            f"The folder of results {out} lies in the folder of images {images}, where its "
            "pictures would be taken for images; choose another one with --out."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder of results {out} cannot be made: {error.strerror}. Choose another one "
            "with --out."
        ) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(HomeLock(out))
        except HomeInUse as error:
            raise HomeInUse(
                f"Another comparison runs in {out}. Wait for its end, or choose another folder "
                "with --out."
            ) from error
        except SettingsError as error:
            raise SettingsError(
                f"The folder of results {out} cannot be written. Choose another one with --out."
            ) from error
        yield
