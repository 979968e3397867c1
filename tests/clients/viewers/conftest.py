"""Asking interactive models, as every viewer does."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from tests.clients.conftest import Project
from tests.clients.viewers import nrrd, python_client
from tests.clients.viewers.wire import Answer, exchange

from limner.plugin import Mask

Values = npt.NDArray[Any]
Draw = Callable[..., Values]


def asked(
    project: Project, model: str, name: str, params: dict[str, Any], label: Path | None = None
) -> Answer:
    """Send a prompt as 3D Slicer does."""
    said = {"device": "cpu", **params, "client_id": "user-xyz"}
    files = {} if label is None else {"label": label}
    path = f"/infer/{model}?image={name}"
    return exchange(project.url, python_client.with_form(project.url, "POST", path, said, files))


@pytest.fixture
def drawn() -> Draw:
    """Returns what is drawn for a prompt: values by voxel, or by row and column of a picture."""

    def draw(*args: Any, **more: Any) -> Values:
        answer = asked(*args, **more)
        assert answer.status == 200, answer.body
        told, content, name = answer.form()
        assert told["label_names"]
        if name.endswith(".nrrd"):
            return nrrd.parse(content).array
        with PIL.Image.open(io.BytesIO(content)) as file:
            return np.asarray(file)

    return draw


def unprompted(project: Project, name: str) -> Values:
    """What the model says where nothing is said to it."""
    answer = project.service.predictions.answer(project.name, project.sample(name).id).answer
    assert isinstance(answer, Mask)
    return answer.array
