from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from limner.engine import ahead
from limner.engine.ahead import ReadAhead
from limner.errors import ImageError
from limner.images import ImageSource


def source(folder: Path, name: str) -> ImageSource:
    path = folder / f"{name}.png"
    Picture.fromarray(np.full((4, 5), len(name), np.uint8)).save(path)
    return ImageSource(paths=(path,), name=name)


def finished() -> None:
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(5)


def test_an_image_read_ahead_is_not_read_again(tmp_path: Path) -> None:
    first = source(tmp_path, "first")
    reader = ReadAhead()
    reader.begin(first)
    finished()
    first.paths[0].unlink()
    assert reader.take(first).name == "first"


def test_another_image_than_announced_is_read_now(tmp_path: Path) -> None:
    first, second = source(tmp_path, "first"), source(tmp_path, "second")
    reader = ReadAhead()
    reader.begin(first)
    assert reader.take(second).name == "second"
    assert reader.take(first).name == "first"


def test_an_image_that_cannot_be_read_fails_when_it_is_taken(tmp_path: Path) -> None:
    absent = ImageSource(paths=(tmp_path / "absent.png",), name="absent")
    reader = ReadAhead()
    reader.begin(absent)
    finished()
    with pytest.raises(ImageError, match=r"absent\.png"):
        reader.take(absent)


def test_large_images_are_not_held_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_VOXELS", 19)
    large = source(tmp_path, "large")
    reader = ReadAhead()
    reader.begin(large)
    finished()
    large.paths[0].unlink()
    with pytest.raises(ImageError):
        reader.take(large)
