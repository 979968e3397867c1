from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT

KIT = Path(__file__).parent / "kit.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_kit_passes_in_the_apps_own_environment(keras_python: Path, tmp_path: Path) -> None:
    # Its configuration is not ours: that names plugins of pytest which this environment lacks.
    empty = tmp_path / "pytest.ini"
    empty.write_text("[pytest]\n")
    ran = subprocess.run(
        [
            str(keras_python),
            *("-m", "pytest", "-q", "--noconftest", "-c", str(empty), "--rootdir", str(tmp_path)),
            *("-p", "no:cacheprovider", "--basetemp", str(tmp_path / "work"), str(KIT)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "plugins")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout
