"""What every test may use: the real data, and the rule for what is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def absent(what: str) -> None:
    """Skip, or fail where nothing may be skipped, saying what to install."""
    if os.environ.get("LIMNER_STRICT") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real images with labels."""
    folder = Path(os.environ.get("LIMNER_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not folder.is_dir():
        absent(
            f"No test data at {folder}; set LIMNER_DATA to the folder that holds hippocampus/, "
            "nuclei/ and chest-xray/."
        )
    return folder


@pytest.fixture(scope="session")
def hippocampus(data_dir: Path) -> Path:
    """Folder with `images` and `labels` of real MR volumes."""
    return data_dir / "hippocampus"


@pytest.fixture(scope="session")
def nuclei(data_dir: Path) -> Path:
    """Folder with `images` and `labels` of real microscopy: instance maps of 16 bits."""
    return data_dir / "nuclei"


@pytest.fixture(scope="session")
def chest_xray(data_dir: Path) -> Path:
    """Folder with `images` and `labels.csv` (image, label, split) of real chest X-rays."""
    return data_dir / "chest-xray"
