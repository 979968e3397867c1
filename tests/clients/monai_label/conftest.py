"""The real client of MONAI Label, in a process of its own environment."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, absent

CLIENT_PYTHON = ROOT / ".venv-monailabel" / "bin" / "python"
DRIVER = Path(__file__).parent / "driver.py"


class Raised(Exception):
    """What the client raised."""

    def __init__(self, kind: str, message: str, status: int | None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status


class RealClient:
    """One `MONAILabelClient`; its methods are called by their names."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self._process = process
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            asked = {"name": self._name, "method": method, "args": args, "kwargs": kwargs}
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(asked, default=str) + "\n")
            self._process.stdin.flush()
            told = json.loads(self._process.stdout.readline())
            if "raised" in told:
                raise Raised(**told["raised"])
            return _unpacked(told["result"])

        return call


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"base64"}:
        return base64.b64decode(value["base64"])
    return [_unpacked(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def client_process() -> Iterator[subprocess.Popen[str]]:
    """A process that makes calls of the real client."""
    # Not `installed`: that is the stamp of make, and other ways to install are as good.
    looks = "import monailabel.client"
    if (
        not CLIENT_PYTHON.exists()
        or subprocess.run([CLIENT_PYTHON, "-c", looks], capture_output=True, check=False).returncode
    ):
        absent(
            f"No environment with MONAI Label's client at {CLIENT_PYTHON}; "
            "run: make .venv-monailabel/installed PYTHON=python3.11 (or another below 3.13, as the "
            "client needs the module cgi)"
        )
    with subprocess.Popen(
        [CLIENT_PYTHON, "-P", "-W", "ignore", DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={"PYTHONUTF8": "1", "PATH": "/usr/bin:/bin"},
    ) as process:
        yield process


NewClient = Callable[..., RealClient]


@pytest.fixture
def connect(client_process: subprocess.Popen[str], tmp_path: Path) -> NewClient:
    """Makes a client: `connect(url, client_id)`; what it downloads goes to a passing folder."""
    numbers = count(1)

    def make(url: str, client_id: str | None = None) -> RealClient:
        folder = tmp_path / "downloads"
        folder.mkdir(exist_ok=True)
        client = RealClient(client_process, f"{tmp_path.name}-{next(numbers)}")
        client.new(url, str(folder), client_id)
        return client

    return make
