"""The state of a training that was interrupted, and the request that it belongs to."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limner.plugin import AppManifest, TrainRequest
from limner_apps.learning.tensors import load_tensors, save_tensors

_EVERY_S = 15.0


def request_fingerprint(request: TrainRequest, manifest: AppManifest) -> str:
    """Name a request by all that decides its result, so that only its own checkpoint fits."""
    parent = None
    if request.parent is not None:
        parent = hashlib.sha256(request.parent.read_bytes()).hexdigest()
    parts: list[Any] = [
        manifest.version,
        [[each.name, each.value] for each in request.schema.classes],
        request.schema.exclusive,
        [[case.id, case.fingerprint, case.is_new] for case in request.train],
        [[case.id, case.fingerprint] for case in request.validation],
        parent,
        request.seed,
        request.effort,
        request.device,
        sorted((name, repr(value)) for name, value in request.options.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Checkpoints:
    """Keeps the last state of a training in its workspace.

    Args:
        workspace: The training's folder.
        fingerprint: Of the request.
    """

    def __init__(self, workspace: Path, fingerprint: str) -> None:
        self._path = workspace / "checkpoint.pt"
        self._fingerprint = fingerprint
        self._saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return what this request's training saved; None when there is nothing that is sound.

        Its `header` is what was given to `save`; beside it are the tensors by their names.
        """
        content = load_tensors(self._path)
        if content is None or content.get("fingerprint") != self._fingerprint:
            return None
        return {**content, "header": json.loads(content["header"])}

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved_at >= _EVERY_S

    def save(self, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Write a state by rename.

        Args:
            header: What JSON can say.
            tensors: States of networks and optimisers by name, as torch gives them.
        """
        content = {"fingerprint": self._fingerprint, "header": json.dumps(header), **tensors}
        save_tensors(self._path, content)
        self._saved_at = time.monotonic()

    def clear(self) -> None:
        """Forget the state: the training has ended."""
        self._path.unlink(missing_ok=True)
