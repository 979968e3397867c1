from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from limner.plugin import LabelSchema
from limner_apps.classification.batches import BatchDraw, TrainingCase
from limner_apps.classification.imbalance import (
    case_shares,
    class_weights,
    is_comparable,
    usual_way,
)
from limner_apps.classification.losses import classification_loss

SCHEMA = LabelSchema.of("rare", "common", "never")
SEVERAL = replace(SCHEMA, exclusive=False)


def cases_of(*rows: Sequence[int], new: Sequence[int] = ()) -> list[TrainingCase]:
    return [
        TrainingCase(
            image=np.full((1, 2, 2), index, np.float32),
            classes=np.array(row, np.uint8),
            is_new=index in new,
        )
        for index, row in enumerate(rows)
    ]


UNEVEN = cases_of((1, 0, 0), *[(0, 1, 0)] * 9)


def test_sampling_draws_every_class_that_occurs_equally_often() -> None:
    shares = case_shares(UNEVEN, "sampling")
    assert shares[0] == pytest.approx(0.5)
    assert shares.sum() == pytest.approx(1.0)
    assert case_shares(UNEVEN, "none") == pytest.approx(np.full(10, 0.1))
    assert case_shares(UNEVEN, "loss") == pytest.approx(np.full(10, 0.1))


def test_images_without_any_class_are_a_group_of_their_own() -> None:
    shares = case_shares(
        cases_of((0, 0, 0), (0, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 0)), "sampling"
    )
    assert shares == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])


def test_few_new_labels_get_half_of_their_class() -> None:
    shares = case_shares(cases_of(*[(0, 1, 0)] * 8, new=[7]), "none")
    assert shares[7] == pytest.approx(0.5)
    assert shares[:7] == pytest.approx(np.full(7, 0.5 / 7))
    mostly = case_shares(cases_of(*[(0, 1, 0)] * 4, new=[0, 1, 2]), "none")
    assert mostly == pytest.approx(np.full(4, 0.25))


def test_weights_of_the_loss_even_out_the_classes() -> None:
    weights = class_weights(UNEVEN, "loss", SCHEMA)
    assert weights is not None
    assert weights.tolist() == pytest.approx([5.0, 5 / 9, 1.0])
    assert class_weights(UNEVEN, "sampling", SCHEMA) is None
    several = class_weights(UNEVEN, "loss", SEVERAL)
    assert several is not None
    assert several.tolist() == pytest.approx([9.0, 1 / 9, 10.0])


def test_no_weight_is_boundless() -> None:
    weights = class_weights(cases_of((1, 0, 0), *[(0, 1, 0)] * 999), "loss", SEVERAL)
    assert weights is not None
    assert weights.tolist() == pytest.approx([10.0, 0.1, 10.0])


def test_ways_are_compared_only_with_uneven_classes_and_enough_validation_cases() -> None:
    train = np.array([[1, 0, 0]] * 5 + [[0, 1, 0]] * 50, np.uint8)
    enough = np.array([[1, 0, 0]] * 10 + [[0, 1, 0]] * 10, np.uint8)
    assert is_comparable(train, enough, SCHEMA)
    assert not is_comparable(train, enough[1:], SCHEMA)
    assert not is_comparable(train[5:], enough, SCHEMA)
    assert not is_comparable(enough, enough, SCHEMA)
    only = np.array([[1]] * 40, np.uint8)
    assert not is_comparable(only, only, LabelSchema.of("only"))


def test_classes_that_go_together_need_validation_cases_with_and_without_them() -> None:
    schema = replace(LabelSchema.of("a"), exclusive=False)
    train = np.array([[1]] * 5 + [[0]] * 50, np.uint8)
    both = np.array([[1]] * 10 + [[0]] * 10, np.uint8)
    assert is_comparable(train, both, schema)
    assert not is_comparable(train, both[5:], schema)


def test_the_usual_way_depends_on_the_kind_of_classes() -> None:
    assert usual_way(SCHEMA) == "sampling"
    assert usual_way(SEVERAL) == "loss"


def test_the_same_seed_and_step_draw_the_same_batch() -> None:
    draws = [BatchDraw(UNEVEN, case_shares(UNEVEN, "none"), 6, seed) for seed in (1, 1, 2)]
    first, again, other = (draw(4) for draw in draws)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], draws[0](5)[0])


def test_an_image_and_its_label_stay_together() -> None:
    images, classes = BatchDraw(UNEVEN, case_shares(UNEVEN, "sampling"), 64, 0)(0)
    rare = images[:, 0, 0, 0] == 0
    assert rare.any()
    assert torch.equal(classes[:, 0] == 1, rare)


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_loss_falls_towards_the_truth_and_weights_make_rare_classes_heavier(
    exclusive: bool,
) -> None:
    classes = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    right, wrong = 6.0 * classes - 3.0, 3.0 - 6.0 * classes
    assert classification_loss(right, classes, None, exclusive) < classification_loss(
        wrong, classes, None, exclusive
    )
    missed = torch.tensor([[-3.0, 3.0], [-3.0, 3.0]])
    heavy = classification_loss(missed, classes, torch.tensor([9.0, 1.0]), exclusive)
    assert heavy > classification_loss(missed, classes, None, exclusive)
