"""How alike two answers are, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from limner.loop.agreement import agreement
from limner.loop.agreement.dice import dice, dice_by_class
from limner.plugin import ClassScores, LabelClass, LabelSchema, Mask, no_instances

SCHEMA = LabelSchema(
    classes=(LabelClass(name="a", value=1), LabelClass(name="b", value=2)), exclusive=True
)
MORE = LabelSchema(classes=(*SCHEMA.classes, LabelClass(name="c", value=3)), exclusive=True)


def mask(values: list[list[int]]) -> Mask:
    return Mask(array=np.array(values, np.uint8), spacing=(1.0, 1.0), affine=None)


def test_dice_is_the_mean_over_the_classes_in_either() -> None:
    first, second = mask([[1, 1, 0], [2, 0, 0]]), mask([[1, 0, 0], [0, 0, 2]])
    found = agreement(first, second, SCHEMA, SCHEMA)
    assert found.by_class == {1: 2 / 3, 2: 0.0}
    assert found.value == pytest.approx(1 / 3)
    assert agreement(second, first, SCHEMA, SCHEMA) == found


def test_two_empty_answers_agree() -> None:
    empty = mask([[0, 0]])
    assert agreement(empty, empty, SCHEMA, SCHEMA).value == 1.0
    nothing = no_instances(2)
    assert agreement(nothing, nothing, SCHEMA, SCHEMA).value == 1.0


def test_counting_in_parts_is_the_dice_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.loop.agreement.dice._AT_ONCE", 50)
    random = np.random.default_rng(0)
    first = np.asfortranarray(random.integers(0, 4, (7, 5, 6), np.uint16))
    second = random.integers(0, 4, (7, 5, 6), np.uint8)
    expected = {value: dice(first, second, value) for value in (1, 2, 3)}
    assert dice_by_class(first, second) == pytest.approx(expected)


def test_classes_are_the_same_by_name_though_one_schema_has_more() -> None:
    def scores(*values: float) -> ClassScores:
        return ClassScores(probabilities=np.array(values, np.float32))

    assert agreement(scores(0.2, 0.8), scores(0, 1, 0), SCHEMA, MORE).value == 1.0
    assert agreement(scores(0.2, 0.8), scores(0, 0, 1), SCHEMA, MORE).value == 0.0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="Mask cannot be compared with Instances"):
        agreement(mask([[1]]), no_instances(2), SCHEMA, SCHEMA)
    with pytest.raises(ValueError, match="differ in shape"):
        agreement(mask([[1]]), mask([[1, 1]]), SCHEMA, SCHEMA)
