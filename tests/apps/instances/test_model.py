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
    Instances,
    LabelSchema,
    LoadRequest,
    PredictRequest,
    Predicts,
    Stopped,
    Trained,
    Trains,
    UnsuitableInput,
    no_instances,
    window,
)
from limner_apps.instances import inference
from limner_apps.instances.app import InstancesApp
from limner_apps.instances.model import InstancesModel
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.panoptic import class_qualities, image_quality
from limner_apps.instances.weights import read_weights
from limner_apps.learning import device

Pair = tuple[Image, Instances]
SCORES = {"entropy", "margin", "least_confidence", "expected_instances"}


def answer(model: InstancesModel, image: Image) -> Instances:
    found = model.predict(image, PredictRequest()).answer
    assert isinstance(found, Instances)
    return found


def quality(found: Instances, truth: Instances) -> float:
    return image_quality(class_qualities(found, truth, (2, 5)))


def assert_sound(found: Instances, shape: tuple[int, ...]) -> None:
    count = len(found.boxes)
    assert found.boxes.shape == (count, 4)
    assert found.boxes.dtype == np.float32
    assert (found.boxes[:, :2] >= 0).all()
    assert (found.boxes[:, 2:] <= np.asarray(shape)).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
    assert len(found.masks) == len(found.classes) == len(found.scores) == count
    assert set(found.classes.tolist()) <= {2, 5}
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    for box, mask in zip(found.boxes, found.masks, strict=True):
        assert mask is not None
        assert mask.shape == tuple(axis.stop - axis.start for axis in window(box))
        assert mask.any()


def test_the_app_and_its_models_have_the_abilities_they_claim(model: InstancesModel) -> None:
    assert isinstance(InstancesApp(), App)
    assert isinstance(InstancesApp(), Trains)
    assert isinstance(model, Predicts)
    assert isinstance(model, Describes)
    assert isinstance(model, Evaluates)


def test_a_trained_model_finds_and_outlines_cells(
    model: InstancesModel, draw: Callable[..., Pair]
) -> None:
    qualities = []
    for seed in range(50, 54):
        image, label = draw(seed)
        found = answer(model, image)
        assert_sound(found, image.shape)
        qualities.append(quality(found, label))
    assert np.mean(qualities) > 0.5


@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (5, 200), (97, 33)])
def test_images_of_any_size_are_answered(model: InstancesModel, shape: tuple[int, int]) -> None:
    array = np.random.default_rng(0).integers(0, 255, (1, *shape)).astype(np.uint8)
    described = model.describe(Image(array=array, spacing=(1.0, 1.0)), PredictRequest())
    assert isinstance(described.prediction.answer, Instances)
    assert_sound(described.prediction.answer, shape)
    assert described.description.class_fractions.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_every_real_dtype_and_intensity_range_is_taken(
    kind: Any, model: InstancesModel, draw: Callable[..., Pair]
) -> None:
    image, _ = draw(7)
    plain = answer(model, image)
    loud = image.array.astype(kind) * kind(100) if kind is not np.uint8 else image.array
    changed = answer(model, replace(image, array=loud))
    assert quality(changed, plain) > 0.95


def test_memory_layout_does_not_matter_and_the_callers_array_is_left_alone(
    model: InstancesModel, draw: Callable[..., Pair]
) -> None:
    image, _ = draw(6)
    before = image.array.copy()
    plain = answer(model, image)
    turned = answer(model, replace(image, array=np.asfortranarray(image.array)))
    assert np.array_equal(plain.boxes, turned.boxes)
    assert np.array_equal(image.array, before)


def test_a_flat_image_is_described(model: InstancesModel) -> None:
    flat = Image(array=np.full((1, 50, 60), 7, np.int16), spacing=(1.0, 1.0))
    described = model.describe(flat, PredictRequest())
    assert np.isfinite(list(described.description.scores.values())).all()


def test_the_same_image_and_seed_get_the_same_answer(
    model: InstancesModel, draw: Callable[..., Pair]
) -> None:
    image, _ = draw(4)
    first, again, other = (model.describe(image, PredictRequest(seed=s)) for s in (5, 5, 6))
    assert first.description.scores == again.description.scores
    assert first.description.scores["maskal"] != other.description.scores["maskal"]
    for each in (first, again, other):
        described, predicted = each.prediction.answer, answer(model, image)
        assert isinstance(described, Instances)
        assert np.array_equal(described.boxes, predicted.boxes)
        assert np.array_equal(described.scores, predicted.scores)


def test_a_description_is_complete_and_in_range(
    model: InstancesModel, draw: Callable[..., Pair]
) -> None:
    made = [
        model.describe(draw(seed, shape=shape)[0], PredictRequest()).description
        for seed, shape in ((1, (96, 96)), (2, (64, 120)))
    ]
    for each in made:
        assert set(each.scores) == SCORES | {"maskal", "partition_disagreement"}
        within = [value for name, value in each.scores.items() if name != "expected_instances"]
        assert all(0.0 <= score <= 1.0 for score in within)
        assert each.class_scores.shape == (2,)
        assert each.class_fractions.sum() == pytest.approx(1.0, abs=1e-5)
        assert each.embedding is not None
        assert np.isfinite(each.embedding).all()
    first, second = (each.embedding for each in made)
    assert first is not None
    assert second is not None
    assert first.shape == second.shape


def test_no_samples_are_drawn_unless_asked_for(
    trained: Trained, load: Any, draw: Callable[..., Pair]
) -> None:
    image, _ = draw(1)
    described = load(trained.weights).describe(image, PredictRequest())
    assert set(described.description.scores) == SCORES


def test_the_score_threshold_decides_what_is_answered(
    trained: Trained, load: Any, draw: Callable[..., Pair]
) -> None:
    image, _ = draw(3)
    counts = []
    for least in (0.1, 0.5, 0.95):
        found = answer(load(trained.weights, score_threshold=least), image)
        assert (found.scores >= least).all()
        counts.append(len(found.boxes))
    assert counts == sorted(counts, reverse=True)
    assert load(trained.weights).score_threshold == trained.metrics["score_threshold"]


def test_large_images_are_answered_in_tiles_like_in_one_piece(
    trained: Trained, load: Any, draw: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, label = draw(60, shape=(300, 300), count=30)
    whole = answer(load(trained.weights), image)
    model = load(trained.weights)
    monkeypatch.setattr(inference, "_WHOLE", 0.0)
    monkeypatch.setattr(model._inference, "_plan", replace(model.plan, tile=128))
    tiled = answer(model, image)
    assert_sound(tiled, image.shape)
    assert abs(len(tiled.boxes) - len(whole.boxes)) <= 0.15 * len(whole.boxes)
    assert quality(tiled, label) > quality(whole, label) - 0.1


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, None])
def test_running_out_of_memory_is_answered_by_smaller_tiles(
    error: type[Exception] | None,
    trained: Trained,
    load: Any,
    draw: Callable[..., Pair],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, _ = draw(61, shape=(200, 200), count=12)
    whole = answer(load(trained.weights), image)
    detect = InstanceNetwork.detect
    sizes = []

    def hungry(self: InstanceNetwork, batch: torch.Tensor, *rest: Any) -> Any:
        sizes.append(max(batch.shape[2:]))
        if sizes[-1] > 128:
            raise error("no memory") if error else RuntimeError("CPU: not enough memory")
        return detect(self, batch, *rest)

    monkeypatch.setattr(InstanceNetwork, "detect", hungry)
    found = answer(load(trained.weights), image)
    assert max(sizes) > 128 >= min(sizes)
    assert abs(len(found.boxes) - len(whole.boxes)) <= 0.2 * len(whole.boxes) + 1


def test_sixteen_bits_move_no_object(
    model: InstancesModel, draw: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = draw(62, shape=(300, 300), count=20)
    exact = answer(model, image)
    monkeypatch.setattr(device, "half_precision", lambda _: torch.bfloat16)
    rounded = answer(model, image)
    assert quality(rounded, exact) > 0.85


def test_other_errors_of_the_network_are_not_taken_for_memory(
    trained: Trained, load: Any, draw: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: InstanceNetwork, *rest: Any) -> Any:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(InstanceNetwork, "detect", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        answer(load(trained.weights), draw(1)[0])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 30, 30), np.uint8), "trained on 1 channels, this image has 2"),
        (np.zeros((1, 9, 30, 30), np.uint8), "3 spatial axes"),
        (np.zeros((1, 30), np.uint8), "1 spatial axes"),
        (np.zeros((1, 0, 30), np.uint8), "empty axis"),
        (np.zeros((1, 30, 30), complex), "complex"),
    ],
)
def test_an_image_that_does_not_suit_is_refused(
    array: Any, words: str, model: InstancesModel
) -> None:
    image = Image(array=array, spacing=(1.0,) * (array.ndim - 1), name="odd.png")
    with pytest.raises(UnsuitableInput, match=rf"odd\.png.*{words}"):
        model.predict(image, PredictRequest())


def test_an_evaluation_measures_masks_boxes_and_counts(
    model: InstancesModel, cases: list[Case], watch: Any
) -> None:
    evaluation = model.evaluate(cases, watch)
    assert evaluation.measure == "pq"
    assert evaluation.case_scores.keys() == {case.id for case in cases}
    assert set(evaluation.class_scores) == {"round", "square"}
    assert set(evaluation.metrics) == {
        *("mask_ap", "mask_ap50", "box_ap", "box_ap50"),
        *("count_error", "objects_found", "objects_labelled"),
    }
    assert evaluation.metrics["mask_ap50"] > 0.6
    assert evaluation.metrics["mask_ap50"] >= evaluation.metrics["mask_ap"]
    assert evaluation.metrics["objects_labelled"] == 40
    assert watch.seen[-1].step == watch.seen[-1].total == len(cases)


def test_an_empty_label_and_an_empty_answer_score_one(
    trained: Trained, load: Any, make_case: Any, watch: Any
) -> None:
    flat = Image(array=np.zeros((1, 64, 64), np.uint8), spacing=(1.0, 1.0), name="flat")
    model = load(trained.weights, score_threshold=0.95)
    evaluation = model.evaluate([make_case(flat, no_instances(2))], watch)
    assert evaluation.case_scores == {"flat": 1.0}
    assert evaluation.class_scores == {}
    assert evaluation.metrics["count_error"] == 0.0


def test_an_evaluation_stops_when_told(
    model: InstancesModel, cases: list[Case], stop_at: Any
) -> None:
    with pytest.raises(Stopped, match="after 2 cases"):
        model.evaluate(cases, stop_at(2))


def test_an_evaluation_names_a_case_with_a_strange_class(
    model: InstancesModel, draw: Callable[..., Pair], make_case: Any, watch: Any
) -> None:
    image, label = draw(1)
    strange = replace(label, classes=np.full(len(label.classes), 9))
    with pytest.raises(UnsuitableInput, match=r"Case drawn-1.*\[9\]"):
        model.evaluate([make_case(image, strange)], watch)


def test_weights_of_other_classes_or_of_no_app_are_refused(
    trained: Trained, tmp_path: Path
) -> None:
    other = LabelSchema.of("round", "triangle")
    with pytest.raises(UnsuitableInput, match="triangle"):
        InstancesApp().load(LoadRequest(weights=trained.weights, schema=other))
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(trained.weights.read_bytes()[:1000])
    with pytest.raises(UnsuitableInput, match=r"damaged\.pt holds no weights"):
        InstancesApp().load(LoadRequest(weights=damaged, schema=other))


def test_weights_say_what_they_started_from(trained: Trained, schema: LabelSchema) -> None:
    assert read_weights(trained.weights, schema).started_from == "random weights"


def test_a_device_that_is_not_there_is_refused(trained: Trained, schema: LabelSchema) -> None:
    request = LoadRequest(weights=trained.weights, schema=schema, device="cuda:7")
    with pytest.raises(UnsuitableInput, match="cuda:7"):
        InstancesApp().load(request)
