from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import (
    App,
    Case,
    Describes,
    Evaluates,
    Image,
    LabelSchema,
    LoadRequest,
    Mask,
    PredictRequest,
    Predicts,
    Stopped,
    Trained,
    Trains,
    UnsuitableInput,
)
from limner_apps.segmentation import inference
from limner_apps.segmentation.app import SegmentationApp
from limner_apps.segmentation.model import SegmentationModel

Pair = tuple[Image, Mask]


def answer(model: SegmentationModel, image: Image) -> Mask:
    mask = model.predict(image, PredictRequest()).answer
    assert isinstance(mask, Mask)
    return mask


def test_the_app_and_its_models_have_the_abilities_they_claim(model: SegmentationModel) -> None:
    assert isinstance(SegmentationApp(), App)
    assert isinstance(SegmentationApp(), Trains)
    assert isinstance(model, Predicts)
    assert isinstance(model, Describes)
    assert isinstance(model, Evaluates)


def test_a_trained_model_outlines_a_phantom(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, mask = make_pair(50)
    predicted = answer(model, image).array
    for value in (2, 5):
        a, b = predicted == value, mask.array == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.7


@pytest.mark.parametrize("shape", [(20, 24, 16), (7, 33, 18), (1, 9, 40), (5, 5, 5)])
def test_geometry_comes_back_as_it_was(
    shape: tuple[int, ...], model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(1, shape=shape)
    mask = answer(model, image)
    assert mask.array.shape == shape
    assert mask.array.dtype == np.uint8
    assert mask.spacing == image.spacing
    assert mask.affine is image.affine
    assert set(np.unique(mask.array)) <= {0, 2, 5}


def test_other_spacings_are_resampled_and_answered_in_their_own(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, mask = make_pair(2)
    fine = replace(
        image, array=image.array.repeat(2, axis=1).repeat(2, axis=3), spacing=(0.5, 1.0, 0.5)
    )
    result = model.predict(fine, PredictRequest(probabilities=True))
    assert isinstance(result.answer, Mask)
    truth = mask.array.repeat(2, axis=0).repeat(2, axis=2)
    assert result.answer.array.shape == (40, 24, 32)
    overlap = ((result.answer.array > 0) & (truth > 0)).sum()
    assert 2 * overlap / ((result.answer.array > 0).sum() + (truth > 0).sum()) > 0.7
    assert result.probabilities is not None
    assert np.abs(result.probabilities.sum(axis=0) - 1).max() < 1e-3


def test_probabilities_sum_to_one_and_agree_with_the_answer(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(3)
    result = model.predict(image, PredictRequest(probabilities=True))
    assert isinstance(result.answer, Mask)
    assert result.probabilities is not None
    assert result.probabilities.dtype == np.float32
    assert result.probabilities.shape == (3, 20, 24, 16)
    assert np.abs(result.probabilities.sum(axis=0) - 1).max() < 1e-3
    values = np.array([0, 2, 5])[result.probabilities.argmax(axis=0)]
    assert np.array_equal(values, result.answer.array)
    assert model.predict(image, PredictRequest()).probabilities is None


def test_the_same_image_and_seed_get_the_same_answer(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(4)
    first = model.describe(image, PredictRequest(seed=5, probabilities=True))
    again = model.describe(image, PredictRequest(seed=5, probabilities=True))
    assert first.prediction.probabilities is not None
    assert again.prediction.probabilities is not None
    assert np.array_equal(first.prediction.probabilities, again.prediction.probabilities)
    assert first.description.scores == again.description.scores


def test_the_callers_array_is_left_alone(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(6)
    before = image.array.copy()
    model.describe(image, PredictRequest())
    assert np.array_equal(image.array, before)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float64])
def test_every_real_dtype_and_intensity_range_is_taken(
    kind: Any, model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(7)
    plain = answer(model, image).array
    cast = replace(image, array=image.array.clip(0, 250).astype(kind))
    changed = (answer(model, cast).array != plain).mean()
    assert changed < 0.05


def test_brightness_and_scale_of_a_scanner_do_not_matter(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(8)
    loud = replace(image, array=image.array * 7000.0 + 50.0)
    assert (answer(model, loud).array != answer(model, image).array).mean() < 0.01


def test_a_flat_image_is_answered(model: SegmentationModel, make_pair: Callable[..., Pair]) -> None:
    image, _ = make_pair(0)
    described = model.describe(
        replace(image, array=np.full(image.array.shape, 5, np.int16)), PredictRequest()
    )
    assert np.isfinite(list(described.description.scores.values())).all()


def test_a_description_is_complete_and_in_range(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    described = [
        model.describe(make_pair(seed, shape=shape)[0], PredictRequest()).description
        for seed, shape in ((1, (20, 24, 16)), (2, (30, 18, 20)))
    ]
    for each in described:
        assert set(each.scores) == {
            *("entropy", "margin", "least_confidence"),
            *("bald", "variation_ratio", "variance", "dice_disagreement"),
        }
        assert all(0 <= score <= 1 for score in each.scores.values())
        assert each.class_scores.shape == (2,)
        assert each.class_scores.min() >= 0
        assert each.class_scores.max() <= 1
        assert each.class_fractions.shape == (3,)
        assert each.class_fractions.sum() == pytest.approx(1.0, abs=1e-5)
        assert each.embedding is not None
        assert np.isfinite(each.embedding).all()
    first, second = (each.embedding for each in described)
    assert first is not None
    assert second is not None
    assert first.shape == second.shape


def test_a_blurred_image_is_less_certain_than_a_clear_one(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(11)
    noise = np.random.default_rng(0).normal(0, 60, image.array.shape).astype(np.float32)
    scores = [
        model.describe(each, PredictRequest()).description.scores["entropy"]
        for each in (image, replace(image, array=image.array + noise))
    ]
    assert scores[1] > scores[0]


def test_large_images_are_answered_in_slabs_like_in_one_piece(
    model: SegmentationModel, make_pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = make_pair(12, shape=(20, 24, 16), spacing=(1.0, 0.7, 1.0))
    whole = model.predict(image, PredictRequest(probabilities=True)).probabilities
    monkeypatch.setattr(inference, "_SLAB", 20 * 16 * 5)
    parts = model.predict(image, PredictRequest(probabilities=True)).probabilities
    assert whole is not None
    assert parts is not None
    assert np.abs(whole - parts).max() < 0.02


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, None])
def test_running_out_of_memory_is_answered_by_smaller_windows(
    error: type[Exception] | None,
    trained: Trained,
    load: Any,
    make_pair: Callable[..., Pair],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load(trained.weights)
    image, _ = make_pair(13)
    plain = answer(model, image).array
    forward = inference.Inference._forward
    refused = []

    def hungry(self: inference.Inference, batch: torch.Tensor) -> torch.Tensor:
        if batch.shape[0] > 1:
            refused.append(batch.shape)
            raise error("out of memory") if error else RuntimeError("not enough memory: 9 GB")
        return forward(self, batch)

    monkeypatch.setattr(inference.Inference, "_forward", hungry)
    assert (answer(model, image).array != plain).mean() < 0.02
    assert len(refused) == 1


def test_other_errors_of_the_network_are_not_taken_for_memory(
    trained: Trained, load: Any, make_pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(trained.weights)

    def broken(self: inference.Inference, batch: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(inference.Inference, "_forward", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        model.predict(make_pair(0)[0], PredictRequest())


def test_images_of_another_kind_are_refused(
    model: SegmentationModel, make_pair: Callable[..., Pair]
) -> None:
    image, _ = make_pair(0)
    wrong = [
        (make_pair(0, shape=(20, 20))[0], "3 spatial axes, this one has 2"),
        (make_pair(0, channels=2)[0], "trained on 1 channels, this image has 2"),
        (replace(image, array=image.array[:, :0]), "empty axis"),
        (replace(image, array=image.array[0, 0]), "spatial axes"),
        (replace(image, array=image.array.astype(np.complex64)), "complex64"),
        (replace(image, spacing=(1.0, 1.0)), "spacing"),
    ]
    for bad, message in wrong:
        with pytest.raises(UnsuitableInput, match=message):
            model.predict(bad, PredictRequest())


def test_an_evaluation_measures_every_case(
    model: SegmentationModel, cases: list[Case], watch: Any
) -> None:
    result = model.evaluate(cases, watch)
    assert result.measure == "dice"
    assert set(result.case_scores) == {"p0", "p1", "p2", "p3"}
    assert set(result.class_scores) == {"head", "tail"}
    assert min(result.case_scores.values()) > 0.7
    assert 0 <= result.metrics["ece"] <= 1
    assert result.metrics["nll"] > 0
    assert result.metrics["hd95_mm"] >= 0
    assert (watch.seen[-1].step, watch.seen[-1].total) == (4, 4)


def test_an_evaluation_stops_when_told(
    model: SegmentationModel, cases: list[Case], stop_at: Any
) -> None:
    watch = stop_at(2)
    with pytest.raises(Stopped, match="after 3 cases"):
        model.evaluate(cases, watch)


def test_an_evaluation_refuses_values_out_of_the_schema(
    model: SegmentationModel, make_pair: Callable[..., Pair], make_case: Any, watch: Any
) -> None:
    image, mask = make_pair(0)
    strange = replace(mask, array=np.full_like(mask.array, 3))
    with pytest.raises(UnsuitableInput, match=r"Case p0.*holds 3"):
        model.evaluate([make_case(image, strange)], watch)


def test_weights_load_without_pickled_code(trained: Trained) -> None:
    content = torch.load(trained.weights, weights_only=True)
    assert content["app"] == "limner.segmentation"
    assert trained.metrics["temperature"] != 1.0


def test_weights_that_are_not_ours_or_not_for_the_schema_are_refused(
    trained: Trained, schema: LabelSchema, tmp_path: Path
) -> None:
    app = SegmentationApp()
    junk = tmp_path / "junk.pt"
    junk.write_bytes(b"not weights")
    foreign = tmp_path / "foreign.pt"
    torch.save({"state": {}}, foreign)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(trained.weights.read_bytes()[:5000])
    for path in (junk, foreign, cut, tmp_path / "absent.pt"):
        with pytest.raises(UnsuitableInput, match="no weights of the segmentation app"):
            app.load(LoadRequest(weights=path, schema=schema))
    for other in (LabelSchema.of("head"), LabelSchema.of("tail", "head")):
        with pytest.raises(UnsuitableInput, match="trained for the classes head, tail"):
            app.load(LoadRequest(weights=trained.weights, schema=other))
