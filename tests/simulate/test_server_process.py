"""Starting servers from here."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.simulate import ServerProcess
from limner.simulate.server_process import ServerFailed


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailed, match="no folder of images"),
        ServerProcess([str(tmp_path / "none"), "--labels", "a"], home=tmp_path / "home"),
    ):
        pytest.fail("it must not become ready")
