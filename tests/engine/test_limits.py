from __future__ import annotations

import os
import subprocess
import sys

import pytest

from limner.engine.devices import devices_for
from limner.engine.limits import processors, worker_environment


def test_every_thread_pool_gets_the_size_given() -> None:
    environment = worker_environment(3)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert environment[name] == "3"
    assert "OMP_WAIT_POLICY" not in environment


def test_threads_spin_for_as_long_as_whoever_runs_the_server_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert worker_environment(1)["GOMP_SPINCOUNT"] == "20000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert worker_environment(1)["GOMP_SPINCOUNT"] == "7"


def test_making_an_environment_leaves_the_servers_own_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    worker_environment(2)
    assert "OMP_NUM_THREADS" not in os.environ


def test_there_is_a_processor_and_no_more_than_the_machine_has() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("setting", ["cpu", "cuda:1", "mps"])
def test_a_device_that_is_named_is_taken_at_its_word(setting: str) -> None:
    assert devices_for(setting) == (setting,)


def test_there_is_always_a_device() -> None:
    devices = devices_for("auto")
    assert devices
    assert all(each == "cpu" or each.startswith(("cuda:", "mps")) for each in devices)


def test_a_worker_loads_no_web_no_database_and_no_learning_library() -> None:
    code = (
        "import sys, limner.engine.worker; "
        "print([m for m in ('torch', 'flask', 'sqlalchemy', 'limner.http', 'limner.loop', "
        "'limner.records', 'nibabel') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_no_plugin_sees_the_servers_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_TOKEN", "secret")
    monkeypatch.setenv("LIMNER_ADMIN_TOKEN", "secret")
    for python in ("", "/other/python"):
        assert "secret" not in worker_environment(1, python=python).values()
