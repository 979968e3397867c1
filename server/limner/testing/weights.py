"""Checks of weights files: they load anywhere, and loading one never runs code."""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.plugin import App, PredictRequest, Predicts, UnsuitableInput
from limner.testing.answers import arrays_of, assert_same_arrays
from limner.testing.fixtures import AppFixtures
from limner.testing.fresh import predict_in_fresh_process
from limner.testing.inputs import assert_clear
from limner.testing.predictions import image_of

HARMLESS = ("torch", "collections", "numpy")
"""Packages that a tensor archive may name; restricted loaders know which names are safe."""


class Bomb:
    """Unpickling it makes a file: proof that a loader ran code."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        """Name what to call when it is unpickled."""
        return Path.touch, (self._mark,)


def wrong_files(mark: Path, good: bytes) -> dict[str, bytes]:
    """Return contents of files that are no weights, by what they are."""
    bomb = pickle.dumps(Bomb(mark), protocol=2)
    archive, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("archive/data.pkl", bomb)
        made.writestr("archive/version", "3\n")
    np.savez(arrays, weights=np.array([Bomb(mark)], dtype=object))
    return {
        "empty": b"",
        "text": b"these are not weights\n" * 50,
        "truncated": good[: len(good) // 2],
        "pickle": bomb,
        "archive-of-a-pickle": archive.getvalue(),
        "array-of-objects": arrays.getvalue(),
    }


class WeightsChecks(AppFixtures):
    """What every app must do with files of weights."""

    @pytest.mark.parametrize(
        "what",
        ["empty", "text", "truncated", "pickle", "archive-of-a-pickle", "array-of-objects"],
    )
    def test_a_file_that_is_no_weights_is_refused_and_runs_nothing(
        self, app: App, weights: Path, what: str, tmp_path: Path
    ) -> None:
        """A project can be imported from elsewhere: its weights may be anybody's file."""
        mark, wrong = tmp_path / "code-was-run", tmp_path / weights.name
        wrong.write_bytes(wrong_files(mark, weights.read_bytes())[what])
        with pytest.raises(UnsuitableInput) as refusal:
            app.load(self.load_request(wrong))
        assert_clear(refusal.value)
        assert not mark.exists(), "loading the weights ran code that was pickled into them"

    def test_a_file_that_is_not_there_is_refused(
        self, app: App, weights: Path, tmp_path: Path
    ) -> None:
        """The message reaches a person; a bare OSError would not say what was looked for."""
        with pytest.raises(UnsuitableInput) as refusal:
            app.load(self.load_request(tmp_path / f"absent{weights.suffix}"))
        assert_clear(refusal.value)

    def test_weights_hold_no_pickled_code(self, weights: Path) -> None:
        """No plain pickle, no array of objects, and no names but those of tensors."""
        named = [name for name in names_in(weights) if not name.startswith(HARMLESS)]
        assert not named, f"the weights name code to be run when they are loaded: {named}"

    def test_weights_load_in_a_fresh_process(
        self, app: App, model: Predicts, weights: Path, axes: int, tmp_path: Path
    ) -> None:
        """Nothing that the training left in memory is needed, and the answer is the same."""
        image = image_of(self.kit(), "odd", axes)
        expected = model.predict(image, PredictRequest()).answer
        answer = predict_in_fresh_process(
            app, self.manifest, self.load_request(weights), image, tmp_path
        )
        assert_same_arrays(answer, arrays_of(expected))


def names_in(path: Path) -> list[str]:
    """List what a file of weights would import when it is unpickled; empty for plain data.

    A plain pickle is listed as such, whatever it names.
    """
    content = path.read_bytes()
    if not zipfile.is_zipfile(path):
        return ["a plain pickle"] if _is_pickle(content) else []
    names: list[str] = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".pkl"):
                names += _names(archive.read(member))
            elif member.endswith(".npy"):
                names += _objects(member, archive.read(member))
    return names


def _is_pickle(content: bytes) -> bool:
    if not content.startswith(b"\x80"):
        return False
    try:
        return any(code.name == "STOP" for code, _, _ in pickletools.genops(content))
    except Exception:  # noqa: BLE001 - pickletools raises many kinds for what is no pickle
        return False


def _names(content: bytes) -> list[str]:
    """List the globals of a pickle as `module.name`."""
    names, texts = [], []
    for code, argument, _ in pickletools.genops(content):
        if isinstance(argument, str):
            texts.append(argument)
        if code.name == "GLOBAL":
            names.append(str(argument).replace(" ", "."))
        elif code.name == "STACK_GLOBAL":
            names.append(".".join(texts[-2:]))
    return names


def _objects(member: str, content: bytes) -> list[str]:
    try:
        array: np.ndarray[Any, Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError:
        return [f"{member} (an array of objects)"]
    return [f"{member} (an array of objects)"] if array.dtype.hasobject else []
