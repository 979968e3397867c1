from __future__ import annotations

import numpy as np
import pytest
import torch

from limner_apps.classification.calibration import fit_temperatures, usual_temperatures


def sampled(scale: float, classes: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `scale` times what their labels were drawn from."""
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(0, 2, (count, classes))).float()
    chosen = torch.distributions.Categorical(logits=logits).probs.numpy()
    truths = np.eye(classes)[[random.choice(classes, p=p / p.sum()) for p in chosen]]
    return scale * logits, torch.from_numpy(truths)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_one_temperature_undoes_too_much_or_too_little_confidence(scale: float) -> None:
    logits, truths = sampled(scale, 4, 4000)
    (temperature,) = fit_temperatures(logits, truths, True, (1.0,))
    assert temperature == pytest.approx(scale, rel=0.1)


def test_classes_that_go_together_have_a_temperature_each() -> None:
    random = np.random.default_rng(1)
    logits = torch.from_numpy(random.normal(0, 2, (4000, 2))).float()
    truths = torch.from_numpy(random.random((4000, 2)) < logits.sigmoid().numpy())
    scaled = logits * torch.tensor([3.0, 0.5])
    first, second = fit_temperatures(scaled, truths, False, (1.0, 1.0))
    assert first == pytest.approx(3.0, rel=0.15)
    assert second == pytest.approx(0.5, rel=0.15)


def test_a_handful_of_right_answers_does_not_make_a_model_certain() -> None:
    logits, truths = torch.tensor([[2.0, 0.0]] * 3), torch.tensor([[1, 0]] * 3)
    logits, truths = torch.cat([logits, -logits]), torch.cat([truths, 1 - truths])
    (few,) = fit_temperatures(logits, truths, True, (1.0,))
    (many,) = fit_temperatures(logits.repeat(200, 1), truths.repeat(200, 1), True, (1.0,))
    assert 0.7 < few < 1.0
    assert many < 0.35


def test_what_cannot_be_fitted_is_kept() -> None:
    nothing = torch.zeros(0, 2)
    assert fit_temperatures(nothing, nothing, True, (1.7,)) == (1.7,)
    one = torch.zeros(30, 1)
    assert fit_temperatures(one, torch.ones(30, 1), True, (1.7,)) == (1.7,)
    logits = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    truths = torch.zeros(40, 2)
    truths[::2, 1] = 1
    kept, fitted = fit_temperatures(logits, truths, False, (1.7, 1.7))
    assert kept == 1.7
    assert fitted != 1.7


def test_cases_of_a_single_class_say_nothing_of_confidence() -> None:
    logits, truths = torch.tensor([[2.0, 0.0]] * 50), torch.tensor([[1, 0]] * 50)
    assert fit_temperatures(logits, truths, True, (1.7,)) == (1.7,)


def test_the_fewer_labels_a_class_has_the_less_sure_a_model_is_taken_to_be() -> None:
    def labels(first: int, second: int) -> np.ndarray:
        return np.eye(3, dtype=np.uint8)[[0] * first + [1] * second]

    assert usual_temperatures(labels(9, 1), True) == (3.0,)
    assert usual_temperatures(labels(9, 4), True) == (1.5,)
    (many,) = usual_temperatures(labels(400, 200), True)
    assert many == pytest.approx(1.01)
    assert usual_temperatures(labels(8, 2), False) == (2.0, 2.0, 3.0)
