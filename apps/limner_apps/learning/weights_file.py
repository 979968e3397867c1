"""A model version as one file: tensors and JSON, no code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from limner.plugin import UnsuitableInput
from limner_apps.learning.tensors import load_tensors, save_tensors

_FORMAT = 1


def write_weights_file(
    path: Path, app: str, header: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Write by rename; the same weights give the same bytes.

    Args:
        path: The file.
        app: Name of the app, such as `segmentation`.
        header: What JSON can say of the model.
        state: The network's parameters and running statistics.
    """
    content = {
        "app": f"limner.{app}",
        "format": _FORMAT,
        "header": json.dumps(header, sort_keys=True),
        "state": {name: tensor.cpu().contiguous() for name, tensor in state.items()},
    }
    save_tensors(path, content)


def read_weights_file(path: Path, app: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_weights_file` wrote: the header and the state.

    Raises:
        UnsuitableInput: The file is not that app's, or of another format.
    """
    content = load_tensors(path)
    if content is None or content.get("app") != f"limner.{app}":
        raise UnsuitableInput(
            f"{path.name} holds no weights of the {app} app; give a file that it trained."
        )
    if content.get("format") != _FORMAT:
        raise UnsuitableInput(
            f"{path.name} is of format {content.get('format')}, this version of the app reads "
            f"{_FORMAT}; train again."
        )
    return json.loads(content["header"]), content["state"]


def check_classes(path: Path, trained: Sequence[str], project: Sequence[str]) -> None:
    """Refuse weights that were trained for other classes.

    Raises:
        UnsuitableInput: The two differ, in content or order.
    """
    if list(trained) != list(project):
        raise UnsuitableInput(
            f"{path.name} was trained for the classes {', '.join(trained)}, but the project has "
            f"{', '.join(project)}; train again or load it where its classes are."
        )
