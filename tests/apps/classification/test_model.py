from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import (
    App,
    Case,
    ClassScores,
    Describes,
    Evaluates,
    Image,
    LabelSchema,
    PredictRequest,
    Predicts,
    Stopped,
    Trained,
    Trains,
    UnsuitableInput,
)
from limner_apps.classification import inference
from limner_apps.classification.app import ClassificationApp
from limner_apps.classification.model import ClassificationModel

MakeCase = Callable[[Image, Sequence[float]], Case]


def probabilities(model: ClassificationModel, image: Image, seed: int = 0) -> np.ndarray:
    prediction = model.predict(image, PredictRequest(seed=seed, probabilities=True))
    assert isinstance(prediction.answer, ClassScores)
    assert prediction.probabilities is None
    return prediction.answer.probabilities


def test_the_app_and_its_models_have_the_abilities_they_claim(model: ClassificationModel) -> None:
    assert isinstance(ClassificationApp(), App)
    assert isinstance(ClassificationApp(), Trains)
    assert isinstance(model, Predicts)
    assert isinstance(model, Describes)
    assert isinstance(model, Evaluates)


@pytest.mark.parametrize("classes", [(1, 0), (0, 1)])
def test_a_trained_model_finds_the_class(
    classes: tuple[int, int], model: ClassificationModel, make_image: Any
) -> None:
    for seed in range(50, 54):
        p = probabilities(model, make_image(classes, seed))
        assert p.dtype == np.float32
        assert p.sum() == pytest.approx(1.0, abs=1e-6)
        assert p.argmax() == classes.index(1)


@pytest.mark.parametrize("classes", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_model_of_several_classes_finds_all_or_none(
    classes: tuple[int, int], several_model: ClassificationModel, make_image: Any
) -> None:
    p = probabilities(several_model, make_image(classes, 60))
    assert (p > 0.5).tolist() == [bool(each) for each in classes]


@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (3, 70), (300, 200)])
def test_images_of_any_size_are_described(
    shape: tuple[int, ...], model: ClassificationModel, make_image: Any
) -> None:
    described = model.describe(make_image((1, 0), 1, shape), PredictRequest())
    assert np.isfinite(list(described.description.scores.values())).all()
    assert described.description.embedding is not None
    assert described.description.embedding.shape == (64,)


def test_a_flat_image_is_answered(model: ClassificationModel, make_image: Any) -> None:
    image = replace(make_image((1, 0)), array=np.full((1, 9, 9), 5, np.int16))
    assert probabilities(model, image).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("which", ["model", "several_model"])
def test_a_description_is_complete_and_in_range(
    which: str, make_image: Any, request: pytest.FixtureRequest
) -> None:
    model: ClassificationModel = request.getfixturevalue(which)
    described = model.describe(make_image((1, 0), 7), PredictRequest())
    description = described.description
    assert set(description.scores) == {
        "entropy",
        "margin",
        "least_confidence",
        "bald",
        "variation_ratio",
        "variance",
    }
    assert all(0 <= score <= 1 for score in description.scores.values())
    assert description.class_scores.shape == (2,)
    assert description.class_fractions.shape == (3,)
    assert description.class_fractions.sum() == pytest.approx(1.0, abs=1e-5)
    assert isinstance(described.prediction.answer, ClassScores)
    alone = probabilities(model, make_image((1, 0), 7))
    assert np.array_equal(described.prediction.answer.probabilities, alone)


def test_samples_are_drawn_only_when_asked_for(
    trained: Trained, load: Any, make_image: Any
) -> None:
    described = load(trained.weights).describe(make_image((1, 0)), PredictRequest())
    assert set(described.description.scores) == {"entropy", "margin", "least_confidence"}


def test_the_same_image_and_seed_get_the_same_description(
    model: ClassificationModel, make_image: Any
) -> None:
    image = make_image((0, 0), 4)
    first, again, other = (
        model.describe(image, PredictRequest(seed=seed)).description for seed in (5, 5, 6)
    )
    assert first.scores == again.scores
    assert first.scores["bald"] != other.scores["bald"]
    assert first.scores["entropy"] == other.scores["entropy"]


def test_an_image_between_the_classes_is_less_certain(
    model: ClassificationModel, make_image: Any
) -> None:
    def entropy(classes: tuple[int, int]) -> float:
        values = [
            model.describe(make_image(classes, seed), PredictRequest()).description.scores
            for seed in range(70, 78)
        ]
        return float(np.mean([each["entropy"] for each in values]))

    assert entropy((1, 1)) > entropy((1, 0))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, None])
def test_running_out_of_memory_is_answered_by_fewer_images_at_once(
    error: type[Exception] | None,
    trained: Trained,
    load: Any,
    make_image: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = load(trained.weights)._inference
    images = torch.from_numpy(np.stack([make_image((1, 0), s).array for s in range(5)]))
    plain = part.embed(images)
    embed = inference.Inference._embed
    refused = []

    def hungry(self: inference.Inference, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 2:
            refused.append(len(batch))
            raise error("out of memory") if error else RuntimeError("not enough memory: 9 GB")
        return embed(self, batch)

    monkeypatch.setattr(inference.Inference, "_embed", hungry)
    assert torch.allclose(part.embed(images), plain, atol=1e-5)
    assert refused


def test_other_errors_of_the_network_are_not_taken_for_memory(
    trained: Trained, load: Any, make_image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(trained.weights)

    def broken(self: inference.Inference, batch: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(inference.Inference, "_embed", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        model.predict(make_image((1, 0)), PredictRequest())


def test_images_of_another_kind_are_refused(model: ClassificationModel, make_image: Any) -> None:
    image = make_image((1, 0))
    for bad, message in (
        (make_image((1, 0), 0, (9, 9, 9)), "2 spatial axes, this one has 3"),
        (make_image((1, 0), channels=2), "1 channels, this image has 2"),
        (replace(image, array=image.array[:, :0]), "empty axis"),
    ):
        for ask in (model.predict, model.describe):
            with pytest.raises(UnsuitableInput, match=message):
                ask(bad, PredictRequest())
        with pytest.raises(UnsuitableInput, match=message):
            model.explain(bad, 2)


def test_an_evaluation_scores_every_case_as_predicted(
    model: ClassificationModel, cases: list[Case], watch: Any
) -> None:
    result = model.evaluate(cases, watch)
    assert result.measure == "log_score"
    assert set(result.case_scores) == {case.id for case in cases}
    assert set(result.class_scores) == {"left", "right"}
    assert min(result.class_scores.values()) == 1.0
    assert result.metrics["balanced_accuracy"] == 1.0
    true = probabilities(model, cases[1].load_image())[0]
    assert result.case_scores[cases[1].id] == pytest.approx(1 + np.log(true) / np.log(1000))
    assert (watch.seen[-1].step, watch.seen[-1].total) == (16, 16)


def test_an_evaluation_stops_when_told(
    model: ClassificationModel, cases: list[Case], stop_at: Any
) -> None:
    with pytest.raises(Stopped, match="after 3 cases"):
        model.evaluate(cases, stop_at(2))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ((1, 0, 0), r"shape \(3,\), but the schema has 2 classes"),
        ((0.5, 0.5), "holds 0.5"),
        ((float("nan"), 1), "holds nan"),
        ((1, 1), r"2 classes \(left, right\)"),
        ((0, 0), r"0 classes \(none\)"),
        ((2, 0), "holds 2.0"),
    ],
)
def test_labels_out_of_the_schema_are_refused_by_name(
    label: Sequence[float],
    message: str,
    model: ClassificationModel,
    make_image: Any,
    make_case: MakeCase,
    make_request: Any,
    watch: Any,
) -> None:
    case = make_case(make_image((1, 0)), label)
    with pytest.raises(UnsuitableInput, match=rf"Case i0: .*{message}"):
        model.evaluate([case], watch)
    with pytest.raises(UnsuitableInput, match=rf"Case i0: .*{message}"):
        ClassificationApp().train(make_request([case]), watch)


def test_an_evaluation_of_nothing_is_refused(model: ClassificationModel, watch: Any) -> None:
    with pytest.raises(UnsuitableInput, match="no case"):
        model.evaluate([], watch)


def test_weights_load_without_pickled_code(trained: Trained) -> None:
    content = torch.load(trained.weights, weights_only=True)
    assert content["app"] == "limner.classification"
    assert trained.metrics["temperature"] != 1.0


def test_weights_that_are_not_ours_or_not_for_the_schema_are_refused(
    trained: Trained, schema: LabelSchema, several: LabelSchema, load: Any, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.pt"
    junk.write_bytes(b"junk")
    renamed = LabelSchema(
        classes=(schema.classes[0], replace(schema.classes[1], name="up")), exclusive=True
    )
    moved = LabelSchema(classes=(schema.classes[0], replace(schema.classes[1], value=9)))
    for weights, other, message in (
        (junk, schema, "holds no weights of the classification app"),
        (trained.weights, renamed, r"left \(2\), right \(5\), but the project has"),
        (trained.weights, moved, r"right \(9\)"),
        (trained.weights, several, "exactly one class an image, but the project has any number"),
    ):
        with pytest.raises(UnsuitableInput, match=message):
            load(weights, other)


def test_weights_of_another_format_or_damaged_are_refused(
    trained: Trained, load: Any, tmp_path: Path
) -> None:
    content = torch.load(trained.weights, weights_only=True)
    path = tmp_path / "weights.pt"
    torch.save({**content, "format": 99}, path)
    with pytest.raises(UnsuitableInput, match="format 99"):
        load(path)
    state = dict(content["state"])
    state.popitem()
    torch.save({**content, "state": state}, path)
    with pytest.raises(UnsuitableInput, match="damaged"):
        load(path)
