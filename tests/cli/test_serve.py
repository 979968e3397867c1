"""The real `limner serve`: that it answers, how little it needs, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from limner.cli.exits import Exit
from limner.client import AccessRefused, Limner
from limner.simulate import ServerProcess

pytestmark = pytest.mark.live

PLUGIN = Path(__file__).parent.parent / "plugins" / "tiny_app.py"
LIMNER = (sys.executable, "-m", "limner.cli")
IDLE_MIB = 150


@pytest.fixture
def images(tmp_path: Path) -> Path:
    import nibabel

    folder = tmp_path / "scans"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(3):
        array = random.normal(size=(8, 9, 7)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / f"case{index}.nii.gz")
    return folder


def arguments(images: Path, *more: str) -> list[str]:
    return [str(images), "--labels", "a,b", "--app", "tiny", "--plugin", str(PLUGIN), *more]


def memory_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def test_a_server_becomes_healthy_and_stays_small(images: Path, tmp_path: Path) -> None:
    with ServerProcess(arguments(images), home=tmp_path / "home") as server:
        web = psutil.Process(server.pid)
        loaded = {part for each in web.memory_maps() for part in Path(each.path).parts}
        assert not loaded & {"torch", "monai", "sklearn"}
        assert memory_mib(web) < IDLE_MIB
        with Limner(server.url) as limner:
            assert limner.ready()
            assert [each.name for each in limner.projects()] == ["scans"]
            assert limner.openapi()["openapi"].startswith("3.1")
        workers = web.children(recursive=True)
    assert not [each for each in workers if each.is_running() and each.status() != "zombie"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_cleanly_and_soon(
    images: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with ServerProcess(arguments(images), home=tmp_path / "home") as server:
        told = time.monotonic()
        os.kill(server.pid, number)
        assert psutil.Process(server.pid).wait(10) in (0, None)
        assert time.monotonic() - told < 5
    assert server.stop() == Exit.OK
    assert "Traceback" not in server.last_words()


def test_a_second_server_is_kept_out_of_a_home(images: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(arguments(images), home=home) as server:
        second = subprocess.run(
            [*LIMNER, "serve", *arguments(images), "--home", str(home), "--port", "0"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == Exit.IN_USE
        assert f"process {server.pid} at {server.url}" in " ".join(second.stderr.split())
        with Limner(server.url) as limner:
            assert limner.ready()


def test_a_server_says_where_it_is_and_logs_in_json(images: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(arguments(images, "--token", "hush-hush"), home=home) as server:
        with pytest.raises(AccessRefused), Limner(server.url, "wrong") as limner:
            limner.info()
        with Limner(server.url, "hush-hush") as limner:
            assert limner.info().token_required
    printed = server.output.read_text()
    assert server.url in printed
    assert f"{server.url}/docs" in printed
    assert "/projects/scans/next" in printed
    log = (home / "logs" / "limner.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line.get("route", "").endswith("/info") and line["status"] == 401 for line in lines)
    assert "hush-hush" not in log + printed


def test_a_server_ends_when_its_parent_does(images: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from limner.simulate import ServerProcess\n"
        "server = ServerProcess(sys.argv[2:], home=Path(sys.argv[1])).__enter__()\n"
        "print(server.pid, flush=True); os._exit(0)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "home"), *arguments(images)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(parent.stdout)).wait(15)
    assert not psutil.pid_exists(int(parent.stdout))


def test_a_given_plugin_that_breaks_the_contract_is_listed_and_the_others_work(
    images: Path, tmp_path: Path
) -> None:
    broken = PLUGIN.with_name("lacks_training.py")
    more = ("--plugin", str(broken))
    with (
        ServerProcess(arguments(images, *more), home=tmp_path / "home") as server,
        Limner(server.url) as limner,
    ):
        deadline = time.monotonic() + 60
        problems: tuple[str, ...] = ()
        while not problems:
            assert time.monotonic() < deadline, "the check did not end"
            (found,) = (each for each in limner.plugins() if each.name == "lacks-training")
            problems = tuple(found.problems)
        assert any("train" in each for each in problems)
        assert not found.usable
        assert limner.project("scans").next("ada").assignment is not None
