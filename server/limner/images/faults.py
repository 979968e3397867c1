"""Turning what decoders raise on foreign files into Limner's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limner.errors import ImageTooLarge, LimnerError, UnreadableImage


@contextmanager
def image_errors(path: Path) -> Iterator[None]:
    """Let only branches of `ImageError` out.

    Raises:
        ImageTooLarge: A decoder ran out of memory.
        UnreadableImage: Anything else went wrong.
    """
    try:
        yield
    except LimnerError:
        raise
    except MemoryError as error:
        raise ImageTooLarge(
            f"{path.name} needs more memory than this machine has left; lower max_voxels in the "
            "limits, or use a smaller image."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise UnreadableImage(f"{path.name} cannot be read: {reason}.") from error
    except Exception as error:  # decoders raise anything on damaged files
        raise UnreadableImage(
            f"{path.name} is damaged, or not what its name says ({type(error).__name__}: "
            f"{str(error)[:200]}). Save it again from its source."
        ) from error


def truncated(path: Path, needed: int, found: int) -> UnreadableImage:
    """Make the error for a file that ends too early; both counts are in bytes."""
    return UnreadableImage(
        f"{path.name} is truncated: its header needs {needed:,} bytes, it has {found:,}. "
        "Copy it again from its source."
    )
