from __future__ import annotations

import subprocess
from pathlib import Path


def test_a_worker_needs_no_torch_and_finds_a_device_without_it(
    keras_python: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, limner.engine.worker; "
        "from importlib.util import find_spec; "
        "from limner.engine.devices import devices_for; "
        "print(find_spec('torch'), 'tensorflow' in sys.modules, *devices_for('auto'))"
    )
    ran = subprocess.run(
        [keras_python, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    torch, is_loaded, *devices = ran.stdout.split()
    assert (torch, is_loaded) == ("None", "False")
    assert devices == ["cpu"] or all(each.startswith(("cuda:", "mps")) for each in devices)
