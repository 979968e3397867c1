from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import (
    Case,
    Image,
    LabelSchema,
    Mask,
    PluginError,
    PredictRequest,
    Progress,
    Stopped,
    Trained,
    TrainRequest,
    UnsuitableInput,
)
from limner_apps.segmentation import trainer, training
from limner_apps.segmentation.app import SegmentationApp
from limner_apps.segmentation.losses import DeepDiceCrossEntropy

Pair = tuple[Image, Mask]


def digest(trained: Trained) -> bytes:
    return trained.weights.read_bytes()


def test_the_same_request_trains_the_same_weights(
    cases: list[Case], make_request: Any, watch: Any, with_seed: Any, tmp_path: Path
) -> None:
    app, request = SegmentationApp(), make_request(cases)
    first = digest(app.train(request, watch))
    again = digest(app.train(replace(request, workspace=tmp_path / "again"), watch))
    other = digest(app.train(with_seed(request, 4), watch))
    assert first == again
    assert first != other


def test_progress_counts_to_a_total_known_beforehand(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    trained = SegmentationApp().train(make_request(cases, steps=6), watch)
    assert {report.total for report in watch.seen} == {6}
    assert [report.step for report in watch.seen if report.losses] == [1, 2, 3, 4, 5, 6]
    assert trained.steps == 6
    assert trained.plan["dimension"] == "2.5d"
    assert set(trained.libraries) == {"monai", "numpy", "torch"}


def test_effort_scales_the_steps(cases: list[Case], make_request: Any, watch: Any) -> None:
    request = replace(make_request(cases, steps=10), effort=0.3)
    assert SegmentationApp().train(request, watch).steps == 3


def test_a_stopped_training_goes_on_to_the_weights_of_an_unbroken_one(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any, tmp_path: Path
) -> None:
    app, request = SegmentationApp(), make_request(cases)
    unbroken = digest(app.train(replace(request, workspace=tmp_path / "whole"), watch))
    with pytest.raises(Stopped, match="after 5 of 12"):
        app.train(request, stop_at(5))
    watch.seen.clear()
    resumed = app.train(request, watch)
    assert next(report.step for report in watch.seen if report.losses) == 6
    assert digest(resumed) == unbroken
    assert not (request.workspace / "checkpoint.pt").exists()


def test_a_checkpoint_of_another_request_is_not_used(
    cases: list[Case], make_request: Any, watch: Any, stop_at: Any, with_seed: Any
) -> None:
    app, request = SegmentationApp(), make_request(cases)
    with pytest.raises(Stopped):
        app.train(request, stop_at(5))
    app.train(with_seed(request, 99), watch)
    assert next(report.step for report in watch.seen if report.losses) == 1


def test_a_damaged_checkpoint_is_not_used(cases: list[Case], make_request: Any, watch: Any) -> None:
    request = make_request(cases, steps=3)
    request.workspace.mkdir(parents=True)
    (request.workspace / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert SegmentationApp().train(request, watch).steps == 3


def test_a_training_that_is_stopped_at_once_does_no_step(
    cases: list[Case], make_request: Any, stop_at: Any
) -> None:
    watch = stop_at(0)
    with pytest.raises(Stopped):
        SegmentationApp().train(make_request(cases), watch)
    assert not any(report.losses for report in watch.seen)


@pytest.mark.parametrize("dimension", ["2d", "2.5d", "3d"])
def test_volumes_train_in_every_dimension(
    dimension: str,
    cases: list[Case],
    make_request: Any,
    watch: Any,
    load: Any,
    make_pair: Callable[..., Pair],
) -> None:
    trained = SegmentationApp().train(make_request(cases, 3, dimension=dimension), watch)
    image, _ = make_pair(9, shape=(13, 22, 17))
    answer = load(trained.weights).predict(image, PredictRequest()).answer
    assert answer.array.shape == (13, 22, 17)
    assert trained.plan["dimension"] == dimension


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_train(
    channels: int,
    make_pair: Callable[..., Pair],
    make_case: Any,
    make_request: Any,
    watch: Any,
    load: Any,
) -> None:
    pairs = [make_pair(seed, shape=(40, 30), channels=channels) for seed in range(3)]
    trained = SegmentationApp().train(make_request([make_case(*p) for p in pairs], 3), watch)
    assert trained.plan["dimension"] == "2d"
    answer = load(trained.weights).predict(pairs[0][0], PredictRequest()).answer
    assert answer.array.shape == (40, 30)
    assert answer.affine is None


def test_several_channels_train(
    make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    pairs = [make_pair(seed, channels=3) for seed in range(2)]
    trained = SegmentationApp().train(make_request([make_case(*p) for p in pairs], 2), watch)
    assert trained.plan["channels"] == 3


def test_labels_without_foreground_are_valid(
    make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    pairs = [make_pair(seed) for seed in range(2)]
    cases = [make_case(i, replace(m, array=np.zeros_like(m.array))) for i, m in pairs]
    trained = SegmentationApp().train(make_request(cases, 70), watch)
    assert trained.steps == 70
    assert trained.notes == ()


def test_a_class_that_does_not_occur_yet_is_no_collapse(
    make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    pairs = [make_pair(seed) for seed in range(3)]
    cases = [make_case(i, replace(m, array=m.array * (m.array == 5))) for i, m in pairs]
    trained = SegmentationApp().train(make_request(cases, 70), watch)
    assert trained.seed == 3


def test_a_collapsed_training_is_tried_again_with_another_seed(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([[2], []])
    monkeypatch.setattr(training, "missing_classes", lambda *_: next(answers))
    trained = SegmentationApp().train(make_request(cases, 60), watch)
    assert trained.seed == 3 + 1_000_003
    assert "tail" in trained.notes[0]


def test_a_training_that_diverges_is_tried_again_and_then_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nan(self: object, logits: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        return logits[0].float().sum() * float("nan")

    monkeypatch.setattr(DeepDiceCrossEntropy, "__call__", nan)
    with pytest.raises(PluginError, match=r"failed 3 times.*nan"):
        SegmentationApp().train(make_request(cases, 3), watch)


def test_running_out_of_memory_shrinks_batch_then_patch(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = trainer.Run._step

    def hungry(self: trainer.Run, draw: Any) -> dict[str, float]:
        plan = self.state.plan
        if plan.batch > 1 or plan.patch[0] >= 20:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return step(self, draw)

    monkeypatch.setattr(trainer.Run, "_step", hungry)
    trained = SegmentationApp().train(make_request(cases, 3, dimension="3d"), watch)
    assert trained.steps == 3
    assert trained.plan["batch"] == 1
    assert len(trained.notes) >= 3
    assert "Memory ran out" in trained.notes[0]


def test_memory_that_never_suffices_fails_clearly(
    cases: list[Case], make_request: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(self: trainer.Run, draw: Any) -> dict[str, float]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.Run, "_step", greedy)
    with pytest.raises(PluginError, match="smaller width"):
        SegmentationApp().train(make_request(cases, 3), watch)


def test_a_warm_start_takes_the_plan_of_its_parent(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained
) -> None:
    request = replace(make_request(cases, 3, dimension="2.5d"), parent=trained.weights)
    grown = SegmentationApp().train(request, watch)
    assert grown.notes == ()
    assert grown.plan["spacing"] == trained.plan["spacing"]
    assert grown.metrics["temperature"] == trained.metrics["temperature"]


def test_a_parent_of_another_plan_is_left_with_a_note(
    cases: list[Case], make_request: Any, watch: Any, trained: Trained
) -> None:
    request = replace(make_request(cases, 3, dimension="3d"), parent=trained.weights)
    fresh = SegmentationApp().train(request, watch)
    assert "from scratch" in fresh.notes[0]
    assert fresh.metrics["temperature"] == 1.0


def test_the_cache_may_be_emptied_or_damaged(
    cases: list[Case], make_request: Any, watch: Any, tmp_path: Path
) -> None:
    app, request = SegmentationApp(), make_request(cases, 3)
    first = digest(app.train(request, watch))
    files = sorted((request.cache / "segmentation").iterdir())
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
    app, request = SegmentationApp(), make_request(cases, 2)
    app.train(request, watch)

    def unread() -> Image:
        raise AssertionError("read again")

    cached = [replace(case, load_image=unread) for case in cases]
    assert app.train(replace(request, train=cached), watch).steps == 2


def test_the_callers_random_state_is_left_alone(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    before = torch.get_rng_state()
    SegmentationApp().train(make_request(cases, 2), watch)
    assert torch.equal(before, torch.get_rng_state())


def bad_cases(pair: Pair, flat: Pair, more: Pair) -> list[tuple[Sequence[Pair], str]]:
    image, mask = pair
    strange = mask.array.copy()
    strange[0, 0, 0] = 7
    return [
        ([], "no label to learn from"),
        ([(image, replace(mask, array=mask.array[1:]))], r"Case p0.*shape \(19, 24, 16\)"),
        ([(image, replace(mask, array=strange))], r"Case p0.*\[7\]"),
        ([pair, flat], "pictures and volumes"),
        ([pair, more], "Case p2 has 2 channels"),
        ([(replace(image, array=image.array[:, :0]), mask)], "empty axis"),
        ([(replace(image, spacing=(1.0, 0.0, 1.0)), mask)], "spacing"),
    ]


@pytest.mark.parametrize("index", range(7))
def test_cases_that_cannot_be_learnt_from_are_refused_by_name(
    index: int, make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    table = bad_cases(make_pair(0), make_pair(1, shape=(20, 24)), make_pair(2, channels=2))
    pairs, message = table[index]
    with pytest.raises(UnsuitableInput, match=message):
        SegmentationApp().train(make_request([make_case(*pair) for pair in pairs]), watch)


def test_unknown_options_and_devices_are_refused(
    cases: list[Case], make_request: Any, watch: Any
) -> None:
    request: TrainRequest = make_request(cases)
    with pytest.raises(UnsuitableInput, match="'depth' is unknown"):
        SegmentationApp().train(replace(request, options={"depth": 3}), watch)
    with pytest.raises(UnsuitableInput, match="none of"):
        SegmentationApp().train(replace(request, options={"dimension": "4d"}), watch)
    with pytest.raises(UnsuitableInput, match="not a device"):
        SegmentationApp().train(replace(request, device="toaster"), watch)


def test_images_are_never_changed(
    make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    image, mask = make_pair(5)
    before = image.array.copy(), mask.array.copy()
    SegmentationApp().train(make_request([make_case(image, mask)], 2), watch)
    assert np.array_equal(image.array, before[0])
    assert np.array_equal(mask.array, before[1])


def test_a_schema_of_one_class_and_of_large_values_trains(
    make_pair: Callable[..., Pair], make_case: Any, make_request: Any, watch: Any
) -> None:
    image, mask = make_pair(0)
    wide = replace(mask, array=(mask.array > 0).astype(np.uint16) * 1000)
    schema = LabelSchema(classes=(replace(LabelSchema.of("organ").classes[0], value=1000),))
    request = replace(make_request([make_case(image, wide)], 2), schema=schema)
    assert SegmentationApp().train(request, watch).steps == 2


def test_progress_is_plain(cases: list[Case], make_request: Any, watch: Any) -> None:
    SegmentationApp().train(make_request(cases, 2), watch)
    assert all(isinstance(report, Progress) for report in watch.seen)
    assert watch.seen[-1].losses["dice_ce"] > 0
