"""The environment of the Keras app, and a server that has it beside the default plugins."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import ROOT, absent
from tests.http.conftest import running

from limner.client import Limner
from limner.engine import Engine
from limner.settings import EngineSettings, Settings

KERAS_PYTHON = ROOT / ".venv-keras" / "bin" / "python"
PLUGIN = ROOT / "tests" / "plugins" / "keras_unet"


@pytest.fixture(scope="session")
def keras_python() -> Path:
    """Interpreter of the environment that has limner and TensorFlow."""
    # Not `installed`: that is the stamp of make, and other ways to install are as good.
    looks = "import limner, importlib.util as u; assert u.find_spec('tensorflow')"
    if (
        not KERAS_PYTHON.exists()
        or subprocess.run([KERAS_PYTHON, "-c", looks], capture_output=True, check=False).returncode
    ):
        absent(f"No environment with TensorFlow at {KERAS_PYTHON}; run: make .venv-keras/installed")
    return KERAS_PYTHON


@dataclass(frozen=True)
class KerasServer:
    """A running server with the Keras app."""

    client: Limner
    engine: Engine


@contextmanager
def _served(folder: Path) -> Iterator[KerasServer]:
    settings = Settings(
        home=folder / "home",
        port=0,
        plugins=(PLUGIN,),
        engine=EngineSettings(device="cpu"),
    )
    with running(settings) as (service, server), Limner(server.url) as client:
        yield KerasServer(client, service.engine)


@pytest.fixture(scope="session")
def keras_server(
    keras_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KerasServer]:
    """One server for the tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_KERAS_PYTHON", str(keras_python))
        with _served(tmp_path_factory.mktemp("keras")) as server:
            yield server
