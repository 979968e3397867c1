"""Answers that go to files: streamed, and never half there under the name that was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx

from limner.client.errors import UnexpectedAnswer

OnBytes = Callable[[int, int | None], None]
"""Told how many bytes have come, and of how many where the server said so."""


def save(response: httpx.Response, target: Path, on_bytes: OnBytes | None = None) -> Path:
    """Write the body of an answer to a file, replacing it once all has come.

    Args:
        response: An answer whose body has not been read.
        target: The file to write; its folder must be there.
        on_bytes: Told of the progress.

    Raises:
        UnexpectedAnswer: Fewer or more bytes came than the server had said.
    """
    said = response.headers.get("content-length")
    # A length speaks of what crosses the wire; where that is packed, it says nothing of the file.
    total = int(said) if said and "content-encoding" not in response.headers else None
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    done = 0
    try:
        with partial.open("wb") as file:
            for chunk in response.iter_bytes(1 << 18):
                file.write(chunk)
                done += len(chunk)
                if on_bytes is not None:
                    on_bytes(done, total)
        if total is not None and done != total:
            raise UnexpectedAnswer(f"{done} of {total} bytes came for {target.name}; ask again.")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
