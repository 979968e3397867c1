"""One home, one server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from limner.errors import SettingsError
from limner.home import HomeInUse, HomeLock, holder


def test_a_home_is_held_by_one_and_says_by_whom(tmp_path: Path) -> None:
    with HomeLock(tmp_path / "home") as lock:
        lock.note(url="http://127.0.0.1:8123")
        with pytest.raises(HomeInUse, match=rf"process {os.getpid()} at http://127.0.0.1:8123"):
            HomeLock(tmp_path / "home").__enter__()
        assert holder(tmp_path / "home") == (os.getpid(), "http://127.0.0.1:8123")
    assert holder(tmp_path / "home") == (None, None)
    with HomeLock(tmp_path / "home"):
        pass


def test_a_process_that_died_leaves_the_home_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from limner.home import HomeLock\n"
        "HomeLock(Path(sys.argv[1])).__enter__(); os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60)
    assert ended.returncode == 9
    with HomeLock(tmp_path):
        pass


def test_a_home_that_cannot_be_made_is_a_matter_of_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="--home"):
        HomeLock(tmp_path / "file" / "home").__enter__()
