from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from limner.plugin import (
    Case,
    Image,
    LabelSchema,
    Mask,
    PluginError,
    PredictRequest,
    Stopped,
    Trained,
    TrainRequest,
    UnsuitableInput,
)
from limner_apps.classification import trainer, training, weighing
from limner_apps.classification.app import ClassificationApp
from limner_apps.classification.calibration import usual_temperatures
from limner_apps.classification.labels import read_label

MakeCase = Callable[[Image, Sequence[float]], Case]


def digest(trained: Trained) -> bytes:
    return trained.weights.read_bytes()


def test_the_same_request_trains_the_same_weights(
    cases: list[Case], make_request: Any, watch: Any, tmp_path: Path
) -> None:
    app, request = ClassificationApp(), make_request(cases)
    first = digest(app.train(request, watch))
    again = digest(app.train(replace(request, workspace=tmp_path / "again"), watch))
    other = digest(app.train(replace(request, seed=4), watch))
    assert first == again
    assert first != other


def test_progress_counts_to_a_total_known_beforehand(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    trained = ClassificationApp().train(make_request(cases), watch)
    assert {report.total for report in watch.seen} == {6}
    assert [report.step for report in watch.seen if report.losses] == [1, 2, 3, 4, 5, 6]
    assert trained.steps == 6
    assert trained.plan["model"] == "resnet18"
    assert trained.plan["imbalance"] == "sampling"
    assert set(trained.libraries) == {"monai", "numpy", "torch", "torchvision"}


def test_a_stopped_training_goes_on_to_the_weights_of_an_unbroken_one(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any, tmp_path: Path
) -> None:
    app, request = ClassificationApp(), make_request(cases)
    unbroken = digest(app.train(replace(request, workspace=tmp_path / "whole"), watch))
    with pytest.raises(Stopped, match="after 4 of 6"):
        app.train(request, stop_at(4))
    watch.seen.clear()
    resumed = app.train(request, watch)
    assert next(report.step for report in watch.seen if report.losses) == 5
    assert digest(resumed) == unbroken
    assert not (request.workspace / "checkpoint.pt").exists()


def test_a_checkpoint_of_another_request_or_a_damaged_one_is_not_used(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any
) -> None:
    app, request = ClassificationApp(), make_request(cases)
    with pytest.raises(Stopped):
        app.train(request, stop_at(4))
    app.train(replace(request, seed=99), watch)
    assert next(report.step for report in watch.seen if report.losses) == 1
    (request.workspace / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert app.train(request, watch).steps == 6


def test_a_training_that_is_stopped_at_once_does_no_step(
    cases: list[Case], make_request: Any, stop_at: Any
) -> None:
    watch = stop_at(0)
    with pytest.raises(Stopped):
        ClassificationApp().train(make_request(cases), watch)
    assert not any(report.losses for report in watch.seen)


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16"])
def test_every_network_trains(
    model: str, cases: list[Case], make_request: Any, watch: Any, load: Any
) -> None:
    trained = ClassificationApp().train(make_request(cases, 2, model=model), watch)
    assert trained.plan["model"] == model
    answer = load(trained.weights).predict(cases[0].load_image(), PredictRequest()).answer
    assert answer.probabilities.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 24), (4, 4), (14, 12, 10)])
def test_pictures_and_volumes_train_and_are_explained(
    channels: int,
    shape: tuple[int, ...],
    make_image: Any,
    make_case: MakeCase,
    make_request: Any,
    watch: Any,
    load: Any,
) -> None:
    rows = [((1, 0), 0), ((0, 1), 1), ((1, 0), 2)]
    cases = [make_case(make_image(row, seed, shape, channels), row) for row, seed in rows]
    trained = ClassificationApp().train(make_request(cases, 2), watch)
    model = load(trained.weights)
    described = model.describe(cases[0].load_image(), PredictRequest())
    assert described.description.embedding.shape == (32,)
    assert model.explain(cases[0].load_image(), 5).shape == shape


def test_grey_and_colour_pictures_train_together(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any, load: Any
) -> None:
    cases = [
        make_case(make_image((1, 0), 0, channels=1), (1, 0)),
        make_case(make_image((0, 1), 1, channels=3), (0, 1)),
    ]
    trained = ClassificationApp().train(make_request(cases, 2), watch)
    assert trained.plan["channels"] == 3
    for case in cases:
        load(trained.weights).predict(case.load_image(), PredictRequest())


def test_a_class_that_does_not_occur_yet_is_no_collapse(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any, load: Any
) -> None:
    cases = [make_case(make_image((1, 0), seed), (1, 0)) for seed in range(6)]
    trained = ClassificationApp().train(make_request(cases, 40), watch)
    assert trained.seed == 3
    assert trained.notes == ()
    answer = load(trained.weights).predict(cases[0].load_image(), PredictRequest()).answer
    assert answer.probabilities[0] > answer.probabilities[1]


def test_one_exclusive_class_trains_and_is_certain(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any, load: Any
) -> None:
    only = LabelSchema.of("only")
    cases = [make_case(make_image((1, 0), seed), (1,)) for seed in range(4)]
    request = replace(make_request(cases), schema=only, validation=cases)
    trained = ClassificationApp().train(request, watch)
    model = load(trained.weights, only)
    described = model.describe(cases[0].load_image(), PredictRequest())
    assert described.prediction.answer.probabilities.tolist() == [1.0]
    assert described.description.scores["entropy"] == 0.0
    assert model.evaluate(cases, watch).chance == 0.0


def test_one_class_that_may_be_missing_is_a_detector(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any, load: Any
) -> None:
    schema = replace(LabelSchema.of("blob"), exclusive=False)
    rows = [(seed % 2, seed) for seed in range(12)]
    cases = [make_case(make_image((there, 0), seed), (there,)) for there, seed in rows]
    request = replace(make_request(cases, 60, width=8, batch=12), schema=schema)
    model = load(ClassificationApp().train(request, watch).weights, schema)
    with_it, without = (
        model.predict(make_image((there, 0), 90), PredictRequest()).answer.probabilities[0]
        for there in (1, 0)
    )
    assert with_it > 0.5 > without


def test_images_without_any_class_are_valid_where_classes_go_together(
    several: LabelSchema, make_image: Any, make_case: MakeCase, make_request: Any, watch: Any
) -> None:
    cases = [make_case(make_image((0, 0), seed), (0, 0)) for seed in range(4)]
    request = replace(make_request(cases, 40), schema=several)
    trained = ClassificationApp().train(request, watch)
    assert trained.steps == 40
    assert trained.notes == ()


def test_a_collapsed_training_is_tried_again_with_another_seed(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([[1], []])
    monkeypatch.setattr(training, "_ENOUGH_STEPS", 2)
    monkeypatch.setattr(training, "untold_classes", lambda *_: next(answers))
    trained = ClassificationApp().train(make_request(cases, 2), watch)
    assert trained.seed == 3 + 1_000_003
    assert "look alike to it: right" in trained.notes[0]


def test_labels_that_images_do_not_tell_end_with_notes_and_a_model(
    make_image: Any,
    make_case: MakeCase,
    make_request: Any,
    watch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "_ENOUGH_STEPS", 2)
    same = make_image((1, 0))
    cases = [
        make_case(replace(same, name=f"n{index}"), (index % 2, 1 - index % 2)) for index in range(8)
    ]
    trained = ClassificationApp().train(make_request(cases, 2), watch)
    assert len(trained.notes) == 3
    assert trained.weights.exists()


def test_a_training_that_diverges_is_tried_again_and_then_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nan(logits: torch.Tensor, *_: object) -> torch.Tensor:
        return logits.sum() * float("nan")

    monkeypatch.setattr(trainer, "classification_loss", nan)
    with pytest.raises(PluginError, match=r"failed 3 times.*nan"):
        ClassificationApp().train(make_request(cases, 3), watch)


def test_running_out_of_memory_shrinks_the_batch_with_a_note(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = trainer.Run._step

    def hungry(self: trainer.Run, draw: Any) -> dict[str, float]:
        if self.state.plan.batch > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return step(self, draw)

    monkeypatch.setattr(trainer.Run, "_step", hungry)
    trained = ClassificationApp().train(make_request(cases, 3), watch)
    assert trained.steps == 3
    assert trained.plan["batch"] == 2
    assert "with a batch of 8 images; went on with 4" in trained.notes[0]


def test_memory_that_never_suffices_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(self: trainer.Run, draw: Any) -> dict[str, float]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.Run, "_step", greedy)
    with pytest.raises(PluginError, match="smaller width"):
        ClassificationApp().train(make_request(cases, 3), watch)


def test_a_warm_start_takes_the_plan_of_its_parent_and_not_its_temperature(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained
) -> None:
    request = replace(make_request(cases, 3, width=8), parent=trained.weights)
    grown = ClassificationApp().train(request, watch)
    assert grown.notes == ()
    assert grown.plan["width"] == trained.plan["width"]
    # Its network is another one, and nothing was held out to measure it on.
    labels = np.stack([read_label(case.load_label(), request.schema, case.id) for case in cases])
    assert (grown.metrics["temperature"],) == usual_temperatures(labels, exclusive=True)


def test_a_parent_of_another_plan_or_schema_is_left_with_a_note(
    cases: list[Case],
    several: LabelSchema,
    make_request: Any,
    watch: Any,
    trained: Trained,
) -> None:
    other = replace(make_request(cases, 3), parent=trained.weights)
    fresh = ClassificationApp().train(other, watch)
    assert "from scratch, the parent's plan does not fit: its width is 8, now 4" in fresh.notes[0]
    both = replace(make_request(cases, 3, width=8), parent=trained.weights, schema=several)
    assert "exactly one class" in ClassificationApp().train(both, watch).notes[0]


def test_an_operators_weights_are_where_training_starts(
    cases: list[Case], make_request: Any, watch: Any, tmp_path: Path
) -> None:
    path = tmp_path / "published.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    settings = {"width": 64, "initial_weights": str(path)}
    trained = ClassificationApp().train(make_request(cases, 1, **settings), watch)
    assert "published.pth" in trained.notes[0]
    settings["initial_weights"] = str(tmp_path / "none.pth")
    with pytest.raises(UnsuitableInput, match="there is no file"):
        ClassificationApp().train(make_request(cases, 1, **settings), watch)


def uneven(make_image: Any, make_case: MakeCase, count: int) -> list[Case]:
    """Few of the left class, many of the right."""
    rows = [(1, 0) if seed % 4 == 0 else (0, 1) for seed in range(count)]
    return [make_case(make_image(row, seed), row) for seed, row in enumerate(rows)]


def test_ways_to_weigh_rare_classes_are_compared_on_enough_validation_cases(
    make_image: Any,
    make_case: MakeCase,
    make_request: Any,
    watch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weighing, "_FEWEST_STEPS", 2)
    answers = iter([0.5, 0.2, 0.4])
    monkeypatch.setattr(weighing, "even_log_loss", lambda *_: next(answers))
    train = uneven(make_image, make_case, 20)
    validation = [replace(case, id=f"v{case.id}") for case in uneven(make_image, make_case, 40)]
    request = replace(make_request(train, 3), validation=validation)
    trained = ClassificationApp().train(request, watch)
    assert trained.plan["imbalance"] == "loss"
    assert trained.notes == ("Weights of rare classes, the best on the validation set: loss.",)
    assert {report.total for report in watch.seen} == {3}
    assert [report.step for report in watch.seen if report.losses] == [1, 2, 3]


def test_the_comparison_prefers_the_way_that_does_justice_to_every_class() -> None:
    truths = torch.tensor([[1, 0]] + [[0, 1]] * 9)
    fair = torch.tensor([[1.0, 0.0]] + [[0.0, 1.0]] * 9)
    biased = torch.tensor([[0.0, 3.0]] * 10)
    assert weighing.even_log_loss(fair, truths, True) < weighing.even_log_loss(biased, truths, True)
    assert weighing.even_log_loss(fair - 0.5, truths, False) < weighing.even_log_loss(
        biased - 1.5, truths, False
    )


def test_a_comparison_can_be_stopped(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any
) -> None:
    cases = uneven(make_image, make_case, 40)

    class Impatient:
        asked = 0

        def progress(self, progress: object) -> None:
            pass

        def should_stop(self) -> bool:
            self.asked += 1
            return self.asked > 3 * len(cases) + 3

    request = replace(make_request(cases, 3), validation=cases)
    with pytest.raises(Stopped, match="weights of rare classes"):
        ClassificationApp().train(request, Impatient())


@pytest.mark.parametrize("way", ["none", "sampling", "loss"])
def test_a_way_that_is_set_is_taken(
    way: str, cases: list[Case], make_request: Any, watch: Any
) -> None:
    request = make_request(cases, 2, imbalance=way)
    assert ClassificationApp().train(request, watch).plan["imbalance"] == way


def test_the_cache_may_be_emptied_or_damaged(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    app, request = ClassificationApp(), make_request(cases, 2)
    first = digest(app.train(request, watch))
    files = sorted((request.cache / "classification").iterdir())
    assert files
    assert not [path for path in files if path.suffix == ".part"]
    for index, path in enumerate(files):
        if index % 3 == 0:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: 10 * index])
    assert digest(app.train(request, watch)) == first


def test_the_cache_saves_reading_the_images_again(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    app, request = ClassificationApp(), make_request(cases, 2)
    app.train(request, watch)

    def unread() -> Image:
        raise AssertionError("read again")

    cached = [replace(case, load_image=unread) for case in cases]
    assert app.train(replace(request, train=cached), watch).steps == 2


def test_the_callers_random_state_and_images_are_left_alone(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    images = [case.load_image().array.copy() for case in cases]
    before = torch.get_rng_state()
    ClassificationApp().train(make_request(cases, 2), watch)
    assert torch.equal(before, torch.get_rng_state())
    for case, image in zip(cases, images, strict=True):
        assert np.array_equal(case.load_image().array, image)


def test_cases_that_cannot_be_learnt_from_are_refused_by_name(
    make_image: Any, make_case: MakeCase, make_request: Any, watch: Any
) -> None:
    good = make_case(make_image((1, 0), 0), (1, 0))
    volume = make_case(make_image((1, 0), 1, (9, 9, 9)), (1, 0))
    more = make_case(make_image((1, 0), 2, channels=2), (1, 0))
    empty = make_case(replace(make_image((1, 0), 3), array=np.zeros((1, 0, 4))), (1, 0))
    mask = Mask(array=np.zeros((20, 24), np.uint8), spacing=(1.0, 1.0))
    drawn = replace(good, load_label=lambda: mask)
    for cases, message in (
        ([], "no label to learn from"),
        ([good, volume], "Case i1 .*pictures and volumes do not mix"),
        ([good, more], "Case i2 has 2 channels"),
        ([empty], "Case i3.*empty axis"),
        ([drawn], "Case i0: the label is Mask"),
    ):
        with pytest.raises(UnsuitableInput, match=message):
            ClassificationApp().train(make_request(cases), watch)


def test_unknown_options_and_devices_are_refused(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    request: TrainRequest = make_request(cases)
    for bad, message in (
        (replace(request, options={"depth": 3}), "'depth' is unknown"),
        (replace(request, options={"model": "alexnet"}), "none of"),
        (replace(request, device="toaster"), "not a device"),
    ):
        with pytest.raises(UnsuitableInput, match=message):
            ClassificationApp().train(bad, watch)
