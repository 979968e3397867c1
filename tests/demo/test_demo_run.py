"""`limner demo` from beginning to end, with a tiny app so that it takes seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from limner.client import Limner
from limner.home import holder

pytestmark = pytest.mark.live

PLUGINS = Path(__file__).parent.parent / "plugins"


def demo_of(app: str, file: str) -> tuple[str, ...]:
    started = (sys.executable, "-m", "limner.cli", "demo")
    return (*started, "--app", app, "--plugin", str(PLUGINS / file))


# With this seed the first ten pictures of cells are grey: the tiny app takes no mixture.
SMALL = ("--seed", "86", "--rounds", "2", "--labels", "3", "--pool", "8", "--unseen", "2")
DEADLINE_S = 100.0


@pytest.mark.parametrize(
    ("task", "app", "file", "heading"),
    [
        ("segmentation", "tiny", "tiny_app.py", "Unseen Dice"),
        ("instances", "tiny-instances", "tiny_instances.py", "Unseen PQ"),
        ("classification", "tiny-classifier", "tiny_classifier.py", "Unseen balanced accuracy"),
    ],
)
def test_the_demo_shows_its_rounds_and_ends_when_asked(
    tmp_path: Path, task: str, app: str, file: str, heading: str
) -> None:
    ended = subprocess.run(
        [*demo_of(app, file), "--task", task, *SMALL, "--exit"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    rounds = [line.split()[:2] for line in lines if line.strip()[:1].isdigit()]
    assert rounds[:2] == [["1", "3"], ["2", "6"]]
    assert heading in ended.stdout
    assert list(tmp_path.glob("limner-demo-*")) == [], "the temporary folder must be gone"


def test_the_demo_stays_up_until_it_is_told_to_stop(tmp_path: Path) -> None:
    home = tmp_path / "kept"
    with (tmp_path / "said.txt").open("w+") as said:
        demo = subprocess.Popen(
            [*demo_of("tiny", "tiny_app.py"), *SMALL, "--home", str(home)],
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + DEADLINE_S
            while "The server stays up" not in (tmp_path / "said.txt").read_text():
                assert demo.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            pid, url = holder(home)
            assert pid is not None
            assert url is not None
            with Limner(url) as limner:
                assert limner.project("phantoms").get().counts["labelled"] == 6
            family = psutil.Process(demo.pid).children(recursive=True)
            demo.send_signal(signal.SIGINT)
            assert demo.wait(20) == 0
        finally:
            demo.kill()
            demo.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert (home / "limner.toml").is_file()
