from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limner.plugin import UnsuitableInput
from limner_apps.learning.tensors import save_tensors
from limner_apps.learning.weights_file import (
    check_classes,
    read_weights_file,
    write_weights_file,
)

STATE = {"w": torch.arange(6.0).reshape(2, 3).T}


def test_it_reads_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    write_weights_file(path, "tiny", {"labels": 3}, STATE)
    header, state = read_weights_file(path, "tiny")
    assert header == {"labels": 3}
    assert torch.equal(state["w"], STATE["w"])


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    write_weights_file(one, "tiny", {"a": 1, "b": 2}, STATE)
    write_weights_file(two, "tiny", {"b": 2, "a": 1}, STATE)
    assert one.read_bytes() == two.read_bytes()


def test_files_of_another_app_or_format_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    write_weights_file(path, "tiny", {}, STATE)
    with pytest.raises(UnsuitableInput, match=r"weights\.pt holds no weights of the other app"):
        read_weights_file(path, "other")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UnsuitableInput, match="holds no weights of the tiny app"):
        read_weights_file(path, "tiny")
    save_tensors(path, {"app": "limner.tiny", "format": 99, "header": "{}", "state": {}})
    with pytest.raises(UnsuitableInput, match="format 99"):
        read_weights_file(path, "tiny")


def test_other_classes_are_refused_in_words() -> None:
    path = Path("weights.pt")
    check_classes(path, ["a", "b"], ("a", "b"))
    for project in (("b", "a"), ("a",), ("a, b",)):
        with pytest.raises(UnsuitableInput, match="was trained for the classes a, b"):
            check_classes(path, ["a", "b"], project)
