from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import Explains, PredictRequest, UnsuitableInput
from limner_apps.classification.gradcam import class_activation, scaled
from limner_apps.classification.model import ClassificationModel


def test_features_are_weighed_by_their_gradients_and_only_support_is_kept() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [0.0, 0.0]]])
    gradients = torch.stack([torch.full((2, 2), 0.5), torch.full((2, 2), -1.0)])
    activation = scaled(class_activation(features, gradients))
    assert torch.allclose(activation, torch.tensor([[0.5, 0.0], [0.0, 1.0]]))


def test_a_map_is_zero_where_nothing_speaks_for_the_class() -> None:
    features = torch.ones(2, 3, 3)
    assert not scaled(class_activation(features, -features)).any()


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_a_map_points_at_the_blob_that_decides(
    seed: int, several_model: ClassificationModel, make_image: Any
) -> None:
    assert isinstance(several_model, Explains)
    image = make_image((1, 1), seed)
    for value, half in ((2, slice(None, 12)), (5, slice(12, None))):
        explanation = several_model.explain(image, value)
        assert explanation.shape == (20, 24)
        assert explanation.dtype == np.float32
        assert explanation.max() == 1.0
        assert explanation[:, half].sum() > 0.8 * explanation.sum()


@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (7, 90), (200, 120)])
def test_a_map_has_the_images_own_shape(
    shape: tuple[int, ...], model: ClassificationModel, make_image: Any
) -> None:
    explanation = model.explain(make_image((1, 0), 5, shape), 2)
    assert explanation.shape == shape
    assert explanation.min() >= 0
    assert explanation.max() <= 1


def test_a_class_that_is_not_there_is_refused(model: ClassificationModel, make_image: Any) -> None:
    for value in (0, 1, 3):
        with pytest.raises(UnsuitableInput, match=rf"value {value}; the schema has 2 \(left\)"):
            model.explain(make_image((1, 0)), value)


def test_explaining_changes_no_answer_and_no_image(
    model: ClassificationModel, make_image: Any
) -> None:
    image = make_image((0, 1), 3)
    before = image.array.copy()
    first = model.predict(image, PredictRequest()).answer
    maps = [model.explain(image, 5) for _ in range(2)]
    again = model.predict(image, PredictRequest()).answer
    assert np.array_equal(maps[0], maps[1])
    assert np.array_equal(first.probabilities, again.probabilities)  # type: ignore[union-attr]
    assert np.array_equal(image.array, before)
