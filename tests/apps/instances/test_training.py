from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import (
    Case,
    Image,
    Instances,
    LabelSchema,
    Mask,
    PluginError,
    PredictRequest,
    Stopped,
    Trained,
    UnsuitableInput,
    from_instance_map,
    no_instances,
)
from limner_apps.instances import trainer, training
from limner_apps.instances.app import InstancesApp
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.plan import Plan
from limner_apps.learning import device

Pair = tuple[Image, Instances]


def digest(trained: Trained) -> bytes:
    return trained.weights.read_bytes()


def one_of(pair: Pair, rows: list[int]) -> Pair:
    """A pair with only some of its objects labelled."""
    image, label = pair
    return image, Instances(
        boxes=label.boxes[rows],
        masks=tuple(label.masks[row] for row in rows),
        classes=label.classes[rows],
        scores=label.scores[rows],
    )


def test_the_same_request_trains_the_same_weights(
    cases: list[Case], make_request: Any, watch: Any, tmp_path: Path
) -> None:
    app, request = InstancesApp(), make_request(cases)
    first = digest(app.train(request, watch))
    again = digest(app.train(replace(request, workspace=tmp_path / "again"), watch))
    other = digest(app.train(replace(request, seed=4), watch))
    assert first == again
    assert first != other


def test_progress_counts_to_a_total_known_beforehand(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    trained = InstancesApp().train(make_request(cases), watch)
    assert {report.total for report in watch.seen} == {4}
    assert [report.step for report in watch.seen if report.losses] == [1, 2, 3, 4]
    assert set(watch.seen[-1].losses) == {"classes", "boxes", "masks", "objectness", "proposals"}
    assert trained.steps == 4
    assert trained.plan["model"] == "light"
    assert trained.plan["started_from"] == "random weights"
    assert set(trained.libraries) == {"numpy", "torch", "torchvision"}


def test_a_stopped_training_goes_on_to_the_weights_of_an_unbroken_one(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any, tmp_path: Path
) -> None:
    app, request = InstancesApp(), make_request(cases)
    unbroken = digest(app.train(replace(request, workspace=tmp_path / "whole"), watch))
    with pytest.raises(Stopped, match="after 2 of 4"):
        app.train(request, stop_at(2))
    watch.seen.clear()
    resumed = app.train(request, watch)
    assert next(report.step for report in watch.seen if report.losses) == 3
    assert digest(resumed) == unbroken
    assert not (request.workspace / "checkpoint.pt").exists()


def test_a_checkpoint_of_another_request_is_not_used(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any
) -> None:
    app, request = InstancesApp(), make_request(cases)
    with pytest.raises(Stopped):
        app.train(request, stop_at(2))
    app.train(replace(request, seed=99), watch)
    assert next(report.step for report in watch.seen if report.losses) == 1


def test_a_training_that_is_stopped_at_once_does_no_step(
    cases: list[Case], make_request: Any, stop_at: Any
) -> None:
    watch = stop_at(0)
    with pytest.raises(Stopped):
        InstancesApp().train(make_request(cases), watch)
    assert not any(report.losses for report in watch.seen)


def test_nothing_to_learn_from_is_refused(make_request: Any, watch: Any) -> None:
    with pytest.raises(UnsuitableInput, match="label an image first"):
        InstancesApp().train(make_request([]), watch)


def test_images_without_any_object_train_as_negatives(
    draw: Any, make_case: Any, make_request: Any, watch: Any, load: Any
) -> None:
    empty = [make_case(draw(seed, count=0)[0], no_instances(2)) for seed in (1, 2)]
    trained = InstancesApp().train(make_request(empty), watch)
    model = load(trained.weights)
    assert model.evaluate(empty, watch).case_scores.keys() == {"drawn-1", "drawn-2"}


def test_boxes_alone_train_all_but_the_masks(
    draw: Any, make_case: Any, make_request: Any, watch: Any, load: Any
) -> None:
    pairs = [draw(seed) for seed in range(2)]
    boxed = [
        make_case(image, replace(label, masks=(None,) * len(label.masks))) for image, label in pairs
    ]
    trained = InstancesApp().train(make_request(boxed), watch)
    assert trained.metrics["masks_loss"] == 0.0
    assert trained.metrics["boxes_loss"] > 0.0
    evaluation = load(trained.weights).evaluate(boxed, watch)
    assert "box_ap" in evaluation.metrics
    assert "mask_ap" not in evaluation.metrics


def test_boxes_and_masks_train_together(
    draw: Any, make_case: Any, make_request: Any, watch: Any
) -> None:
    image, label = draw(1)
    mixed = replace(label, masks=(None, *label.masks[1:]))
    trained = InstancesApp().train(make_request([make_case(image, mixed)]), watch)
    assert trained.metrics["masks_loss"] > 0.0


@pytest.mark.parametrize(
    "numbered",
    [
        pytest.param(np.pad(np.ones((1, 1), np.uint16), 30), id="one-pixel"),
        pytest.param(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), id="one-in-every-pixel"),
        pytest.param(np.kron([[1, 0], [0, 1]], np.ones((20, 20), np.uint16)), id="in-two-pieces"),
        pytest.param(np.full((48, 48), 65_535, np.uint16), id="all-of-the-image"),
        pytest.param(np.kron([[7, 60_000]], np.ones((40, 20), np.uint16)), id="values-that-jump"),
    ],
)
def test_odd_instance_maps_train(
    numbered: Any, make_case: Any, make_request: Any, watch: Any
) -> None:
    stored = (numbered % 251).astype(np.uint8)[None]
    label = from_instance_map(numbered, np.full(len(np.unique(numbered[numbered > 0])), 2))
    case = make_case(Image(array=stored, spacing=(1.0, 1.0), name="odd"), label)
    assert InstancesApp().train(make_request([case], 2), watch).steps == 2


def test_masks_that_overlap_train(draw: Any, make_case: Any, make_request: Any, watch: Any) -> None:
    image, label = draw(1)
    twice = Instances(
        boxes=np.concatenate([label.boxes, label.boxes]),
        masks=(*label.masks, *label.masks),
        classes=np.concatenate([label.classes, 7 - label.classes]),
        scores=np.ones(2 * len(label.boxes), np.float32),
    )
    assert InstancesApp().train(make_request([make_case(image, twice)], 2), watch).steps == 2


def test_a_project_of_one_class_trains_and_answers_it(
    draw: Any, make_case: Any, make_request: Any, watch: Any
) -> None:
    one = LabelSchema.of("cell")
    pairs = [draw(seed) for seed in range(2)]
    cases = [make_case(i, replace(m, classes=np.ones_like(m.classes))) for i, m in pairs]
    request = replace(make_request(cases, 2), schema=one)
    assert InstancesApp().train(request, watch).steps == 2


def test_a_class_that_does_not_occur_yet_is_no_collapse(
    cases: list[Case],
    draw: Any,
    make_case: Any,
    make_request: Any,
    watch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "_ENOUGH_STEPS", 2)
    image, label = draw(1)
    only = one_of((image, label), np.flatnonzero(label.classes == 5).tolist())
    trained = InstancesApp().train(make_request([make_case(*only)], 20), watch)
    assert trained.seed == 3
    assert trained.notes == ()


def test_a_collapsed_training_is_tried_again_with_another_seed(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([[2], []])
    monkeypatch.setattr(training, "missing_classes", lambda *_: next(answers))
    monkeypatch.setattr(training, "_ENOUGH_STEPS", 2)
    trained = InstancesApp().train(make_request(cases, 2), watch)
    assert trained.seed == 3 + 1_000_003
    assert "square" in trained.notes[0]


def test_a_network_that_finds_nothing_is_noticed(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = InstanceNetwork.losses

    def flattened(self: InstanceNetwork, batch: Any, targets: Any) -> Any:
        with torch.no_grad():
            self.rcnn.roi_heads.box_predictor.cls_score.bias[0] = 50.0
        return losses(self, batch, targets)

    monkeypatch.setattr(InstanceNetwork, "losses", flattened)
    monkeypatch.setattr(training, "_ENOUGH_STEPS", 2)
    trained = InstancesApp().train(make_request(cases, 2), watch)
    assert len(trained.notes) == 3
    assert all("never found on training images: round, square" in x for x in trained.notes)


def test_a_training_that_diverges_is_tried_again_and_then_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nan(self: InstanceNetwork, batch: torch.Tensor, targets: Any) -> dict[str, torch.Tensor]:
        return {"classes": torch.full((), float("nan"))}

    monkeypatch.setattr(InstanceNetwork, "losses", nan)
    with pytest.raises(PluginError, match=r"failed 3 times.*nan"):
        InstancesApp().train(make_request(cases), watch)


def test_running_out_of_memory_shrinks_the_batch_then_the_crop(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = trainer.Run._step

    def hungry(self: trainer.Run, draw: Any) -> dict[str, float]:
        if self.state.plan.batch > 1 or self.state.plan.crop > 64:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return step(self, draw)

    monkeypatch.setattr(trainer.Run, "_step", hungry)
    trained = InstancesApp().train(make_request(cases, 2, crop=96), watch)
    assert (trained.steps, trained.plan["batch"], trained.plan["crop"]) == (2, 1, 64)
    assert "Memory ran out at step 0 with 2 crops of 96 pixels" in trained.notes[0]


def test_sixteen_bits_train(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = InstancesApp().train(make_request(cases, 1), watch).metrics
    monkeypatch.setattr(device, "half_precision", lambda _: torch.bfloat16)
    rounded = InstancesApp().train(make_request(cases, 1), watch).metrics
    for name in ("classes_loss", "boxes_loss", "masks_loss"):
        assert rounded[name] == pytest.approx(exact[name], rel=0.2)


def test_memory_that_never_suffices_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(self: trainer.Run, draw: Any) -> dict[str, float]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.Run, "_step", greedy)
    with pytest.raises(PluginError, match="smaller width"):
        InstancesApp().train(make_request(cases), watch)


def test_a_warm_start_goes_on_from_its_parent(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained
) -> None:
    grown = InstancesApp().train(replace(make_request(cases, 2), parent=trained.weights), watch)
    assert grown.notes == ()
    assert grown.plan["started_from"] == "the parent version"
    assert grown.plan["anchors"] == trained.plan["anchors"]
    assert grown.metrics["score_threshold"] == trained.metrics["score_threshold"]


def test_a_parent_of_another_plan_is_left_with_a_note(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained
) -> None:
    request = replace(make_request(cases, 2, width=8), parent=trained.weights)
    fresh = InstancesApp().train(request, watch)
    assert "its plan does not fit: its widths" in fresh.notes[0]
    assert fresh.plan["started_from"] == "random weights"


def test_weights_of_the_operators_are_started_from_and_named(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained, tmp_path: Path
) -> None:
    network = InstanceNetwork(Plan.from_json(_plan(trained)), 3)
    torch.save(network.rcnn.state_dict(), tmp_path / "other.pth")
    request = make_request(cases, 2, initial_weights=str(tmp_path / "other.pth"))
    started = str(InstancesApp().train(request, watch).plan["started_from"])
    assert started.startswith("other.pth")


def _plan(trained: Trained) -> dict[str, Any]:
    return {name: value for name, value in trained.plan.items() if name != "started_from"}


@pytest.mark.parametrize("kind", ["missing", "rubbish", "another-network", "torchvision"])
def test_initial_weights_that_are_none_are_refused(
    kind: str, cases: list[Case], make_request: Any, watch: Any, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if kind == "rubbish":
        path.write_bytes(b"PK\x03\x04 no weights")
    if kind == "another-network":
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    given = "torchvision" if kind == "torchvision" else str(path)
    with pytest.raises(UnsuitableInput, match="Option initial_weights"):
        InstancesApp().train(make_request(cases, 2, initial_weights=given), watch)


def test_a_mix_of_channels_that_is_not_grey_and_colour_is_refused_by_name(
    draw: Any, make_case: Any, make_request: Any, watch: Any
) -> None:
    mixed = [make_case(*draw(seed, channels=1 + seed)) for seed in range(2)]
    with pytest.raises(UnsuitableInput, match="Case drawn-1 has 2 channels"):
        InstancesApp().train(make_request(mixed), watch)


def test_the_cache_may_be_emptied_or_damaged(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    app, request = InstancesApp(), make_request(cases, 2)
    first = digest(app.train(request, watch))
    files = sorted((request.cache / "instances").iterdir())
    assert len(files) == 3 * len(cases)
    for index, path in enumerate(files):
        if index % 4 == 0:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: 10 * index])
    assert digest(app.train(request, watch)) == first


def test_the_cache_saves_reading_the_images_again(
    draw: Callable[..., Pair], make_request: Any, watch: Any
) -> None:
    image, label = draw(1)
    reads = []

    def read() -> Image:
        reads.append(1)
        return image

    case = Case(id="a", fingerprint="a", load_image=read, load_label=lambda: label)
    request = make_request([case], 1)
    InstancesApp().train(request, watch)
    seen = len(reads)
    InstancesApp().train(replace(request, seed=5), watch)
    assert len(reads) == seen


def boxes(*corners: tuple[float, ...], side: int = 4) -> Instances:
    return Instances(
        boxes=np.asarray(corners, np.float32),
        masks=(np.ones((side, side), bool),) * len(corners),
        classes=np.full(len(corners), 2),
        scores=np.ones(len(corners), np.float32),
    )


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (boxes((0, 0, 4, 4), (94, 94, 98, 98)), r"object 1 .*outside the image of \(96, 96\)"),
        (boxes((4, 4, 4, 8)), "empty"),
        (boxes((-1, 0, 3, 4)), "outside the image"),
        (boxes((0, 0, float("nan"), 4)), "object 0"),
        (boxes((0, 0, 4, 4), side=5), r"mask of object 0 has the shape \(5, 5\)"),
        (replace(boxes((0, 0, 4, 4)), masks=()), "1 boxes, 0 masks"),
        (replace(boxes((0, 0, 4, 4)), classes=np.array([3])), r"classes \[3\]"),
        (replace(boxes((0, 0, 4, 4)), boxes=np.zeros((1, 6), np.float32)), r"not \(n, 4\)"),
        (Mask(array=np.zeros((96, 96), np.uint8), spacing=(1.0, 1.0)), "label is Mask"),
    ],
)
def test_a_label_that_cannot_be_learnt_from_is_refused_by_name(
    label: Any, words: str, draw: Any, make_request: Any, watch: Any
) -> None:
    image, _ = draw(1)
    case = Case(id="odd-case", fingerprint="f", load_image=lambda: image, load_label=lambda: label)
    with pytest.raises(UnsuitableInput, match=rf"Case odd-case.*{words}"):
        InstancesApp().train(make_request([case]), watch)


@pytest.mark.parametrize("channels", [[1, 3], [3, 1, 3], [2, 2]])
def test_channels_train_alone_and_grey_with_colour(
    channels: list[int], draw: Any, make_case: Any, make_request: Any, watch: Any, load: Any
) -> None:
    pairs = [draw(seed, channels=each) for seed, each in enumerate(channels)]
    trained = InstancesApp().train(make_request([make_case(*p) for p in pairs], 2), watch)
    assert trained.plan["channels"] == max(channels)
    model = load(trained.weights)
    for image, _ in pairs:
        model.predict(image, PredictRequest())


def test_a_model_of_grey_images_is_measured_on_coloured_ones_too(
    draw: Any, make_case: Any, make_request: Any, watch: Any, load: Any
) -> None:
    grey = make_case(*draw(0, channels=1))
    coloured = make_case(*draw(1, channels=3))
    model = load(InstancesApp().train(make_request([grey], 2), watch).weights)
    evaluation = model.evaluate([coloured], watch)
    assert set(evaluation.case_scores) == {coloured.id}
