"""Labels and predictions of a classification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from limner.errors import InvalidLabelValues
from limner.images import Header, decode_answer, encode_answer, label_oddities, read_label
from limner.plugin import ClassScores, LabelSchema, Task
from limner.settings import Limits

ONE_OF = LabelSchema.of("normal", "pneumonia", "oedema")
ANY_OF = LabelSchema(classes=ONE_OF.classes, exclusive=False)


@pytest.fixture
def header(picture_header: Callable[..., Header]) -> Header:
    return picture_header((28, 28))


def scores(*values: float) -> ClassScores:
    return ClassScores(probabilities=np.array(values, np.float32))


@pytest.fixture
def read(tmp_path: Path, header: Header, limits: Limits) -> Callable[..., list[float]]:
    def read(data: bytes, schema: LabelSchema = ONE_OF, *, decode: bool = False) -> list[float]:
        path = tmp_path / "label.json"
        path.write_bytes(data)
        reader = decode_answer if decode else read_label
        found = reader(path, ".json", header, schema, Task.CLASSIFICATION, limits)
        assert isinstance(found, ClassScores)
        assert found.probabilities.dtype == np.float32
        return [round(float(each), 6) for each in found.probabilities]

    return read


def test_a_label_names_its_class(read: Callable[..., list[float]]) -> None:
    assert read(b'{"classes": ["pneumonia"]}') == [0, 1, 0]


def test_several_classes_or_none_need_a_schema_that_allows_them(
    read: Callable[..., list[float]],
) -> None:
    both = b'{"classes": ["oedema", "normal"]}'
    assert read(both, ANY_OF) == [1, 0, 1]
    assert read(b'{"classes": []}', ANY_OF) == [0, 0, 0]
    with pytest.raises(InvalidLabelValues, match=r"2 classes .* exactly one"):
        read(both)
    with pytest.raises(InvalidLabelValues, match="0 classes"):
        read(b'{"classes": []}')


def test_a_prediction_says_what_it_comes_to(header: Header) -> None:
    told = encode_answer(scores(0.3, 0.6, 0.1), header, ONE_OF, ".json")
    assert json.loads(told) == {
        "classes": ["pneumonia"],
        "probabilities": {"normal": 0.3, "pneumonia": 0.6, "oedema": 0.1},
    }
    told = encode_answer(scores(0.5, 0.6, 0.1), header, ANY_OF, ".json")
    assert json.loads(told)["classes"] == ["normal", "pneumonia"]


def test_a_prediction_reads_back_and_sent_back_is_a_label(
    read: Callable[..., list[float]], header: Header
) -> None:
    told = encode_answer(scores(0.3, 0.6, 0.1), header, ONE_OF, ".json")
    assert read(told, decode=True) == [0.3, 0.6, 0.1]
    assert read(told) == [0, 1, 0]


def test_a_label_written_again_is_the_same(
    read: Callable[..., list[float]], header: Header, tmp_path: Path, limits: Limits
) -> None:
    data = b'{"classes": ["normal", "oedema"]}\n'
    path = tmp_path / "again.json"
    path.write_bytes(data)
    label = read_label(path, ".json", header, ANY_OF, Task.CLASSIFICATION, limits)
    assert encode_answer(label, header, ANY_OF, ".json") == data
    assert label_oddities(label) == ""
    assert read(data, ANY_OF, decode=True) == [1, 0, 1]


def test_a_volume_may_have_a_class_too(
    volume_header: Callable[..., Header], tmp_path: Path, limits: Limits
) -> None:
    path = tmp_path / "label.json"
    path.write_text('{"classes": ["normal"]}')
    header = volume_header((3, 4, 5))
    label = read_label(path, ".json", header, ONE_OF, Task.CLASSIFICATION, limits)
    assert isinstance(label, ClassScores)
    assert label.probabilities.tolist() == [1, 0, 0]
