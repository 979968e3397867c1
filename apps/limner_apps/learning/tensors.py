"""Files of tensors and plain values, with no code in them."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import torch


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values, complete or not at all."""
    # In memory first: torch writes the file's own name into a file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_tensors(path: Path) -> dict[str, Any] | None:
    """Read what `save_tensors` wrote; None when the file is none or is damaged."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - the reader of a damaged archive may raise anything
        return None
    return content if isinstance(content, dict) else None
