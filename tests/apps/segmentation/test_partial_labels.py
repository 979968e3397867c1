"""Labels of parts of images: what is not labelled is neither learnt from nor counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from tests.apps.conftest import RecordingWatch
from tests.apps.segmentation.conftest import MakeImage, MakeRequest

from limner.plugin import Case, Image, LabelSchema, Mask, PredictRequest, Region
from limner_apps.segmentation.app import SegmentationApp
from limner_apps.segmentation.augment import Augmentation
from limner_apps.segmentation.batches import BatchDraw, TrainingCase
from limner_apps.segmentation.boxes import best_start, known_share
from limner_apps.segmentation.cache import CaseCache
from limner_apps.segmentation.labelled import IGNORED
from limner_apps.segmentation.losses import DeepDiceCrossEntropy
from limner_apps.segmentation.model import SegmentationModel
from limner_apps.segmentation.options import Options
from limner_apps.segmentation.planning import make_plan
from limner_apps.segmentation.preprocess import resize_known_labels
from limner_apps.segmentation.survey import survey_case
from limner_apps.segmentation.weights import read_weights


def test_the_loss_of_whole_labels_is_that_of_monai() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    monai = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=True,
        smooth_nr=1.0,
        smooth_dr=1.0,
    )
    ours = DeepDiceCrossEntropy()([logits], labels)
    assert float(ours) == pytest.approx(float(monai(logits, labels[:, None])), abs=1e-5)


def test_ignored_voxels_have_no_gradient_at_any_level() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (1, 8, 8))
    labels[:, :, 4:] = IGNORED
    fine = torch.randn(1, 3, 8, 8, requires_grad=True)
    coarse = torch.randn(1, 3, 4, 4, requires_grad=True)
    torch.autograd.backward(DeepDiceCrossEntropy()([fine, coarse], labels))
    assert fine.grad is not None
    assert coarse.grad is not None
    assert not fine.grad[..., 4:].any()
    assert not coarse.grad[..., 2:].any()
    assert fine.grad[..., :4].any()


def test_a_batch_without_any_label_has_no_loss() -> None:
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    loss = DeepDiceCrossEntropy()([logits], torch.full((1, 8, 8), IGNORED))
    assert float(loss.detach()) == 0.0


@pytest.mark.parametrize("dimension", ["2.5d", "3d"])
def test_every_view_of_a_partial_case_has_labelled_voxels(
    make_pair: MakeImage, make_case: Callable[[Image, Mask], Case], dimension: str
) -> None:
    image, mask = make_pair(0, shape=(40, 40, 40))
    case = make_case(image, mask)
    plan = make_plan(
        [survey_case(case)],
        Options.read({"dimension": dimension, "batch": 6, "width": 8}),
        "cpu",
        1 << 30,
    )
    plan = replace(plan, patch=(16, 16, 16))
    labels = np.full((40, 40, 40), IGNORED, np.uint16)
    labels[30:34, 2:6, 8:12] = 0
    partial = TrainingCase.of(np.zeros((1, 40, 40, 40), np.float32), labels, False)
    draw = BatchDraw([partial], plan, seed=1)
    for step in range(5):
        _, drawn = draw(step)
        assert (drawn != IGNORED).flatten(1).any(dim=1).all()


def test_augmentation_makes_no_background_of_what_is_not_labelled() -> None:
    labels = torch.full((2, 24, 24), IGNORED)
    labels[:, 8:16, 8:16] = 1
    labels[1] = 1
    vary = Augmentation(spacing=(1.0, 1.0))
    _, varied = vary(torch.zeros(2, 1, 24, 24), labels, torch.Generator().manual_seed(2))
    assert set(varied[0].flatten().tolist()) == {1, IGNORED}
    assert set(varied[1].flatten().tolist()) <= {0, 1}


def test_resampling_keeps_the_labelled_part_in_its_place() -> None:
    labels = np.full((8, 8), IGNORED, np.uint16)
    labels[2:6, 2:6] = 1
    finer = resize_known_labels(labels, (16, 16), 2, IGNORED)
    assert np.array_equal(np.argwhere(finer == 1).min(axis=0), [4, 4])
    assert int((finer == 1).sum()) == 64
    thin = np.full((9, 9), IGNORED, np.uint16)
    thin[4] = 1
    assert (resize_known_labels(thin, (3, 3), 2, IGNORED) == 1).any()


def test_the_survey_counts_only_what_is_labelled(cases: list[Case]) -> None:
    survey = survey_case(replace(cases[0], regions=(Region((0, 0, 0), (3, 4, 2)),)))
    assert sum(count for _, count in survey.voxels) == 24
    assert survey.shape == (20, 24, 16)


def test_the_cache_keeps_a_part_apart_from_the_whole(
    cases: list[Case], schema: LabelSchema, tmp_path: Path
) -> None:
    cache = CaseCache(tmp_path)
    plan = make_plan([survey_case(cases[0])], Options.read({"width": 8}), "cpu", 1 << 30)
    part = replace(cases[0], regions=(Region((0, 0, 0), (3, 4, 2)),))
    whole = cache.arrays(cases[0], plan, schema)[1]
    assert int((cache.arrays(part, plan, schema)[1] != IGNORED).sum()) == 24
    assert not (whole == IGNORED).any()


@pytest.mark.parametrize("dimension", ["2d", "2.5d", "3d"])
def test_what_is_not_labelled_changes_no_bit_of_the_weights(
    cases: list[Case],
    schema: LabelSchema,
    make_request: MakeRequest,
    tmp_path: Path,
    dimension: str,
) -> None:
    states = []
    for name in ("noise", "zero"):
        partial = [spoilt(case, noise=name == "noise") for case in cases]
        request = make_request(partial, steps=6, dimension=dimension)
        request = replace(
            request,
            validation=partial[:1],
            workspace=tmp_path / name / "work",
            cache=tmp_path / name / "cache",
        )
        trained = SegmentationApp().train(request, RecordingWatch())
        weights = read_weights(trained.weights, schema)
        states.append({**weights.state, "temperature": torch.tensor(weights.temperature)})
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_score_is_that_of_the_box(model: SegmentationModel, make_pair: MakeImage) -> None:
    image, _ = make_pair(7)
    size = (6, 6, 4)
    best = model.describe(image, PredictRequest(region=size)).description
    other = model.describe(
        image, PredictRequest(region=size, labelled=(best.region,) if best.region else ())
    ).description
    assert best.region is not None
    assert other.region is not None
    assert other.region != best.region
    assert other.scores["entropy"] <= best.scores["entropy"]
    assert {"bald", "dice_disagreement"} <= set(best.scores)


def test_the_best_box_is_where_the_map_is_largest() -> None:
    values = np.zeros((10, 10))
    values[6:8, 2:4] = 1.0
    assert best_start(values, (10, 10), 1, (2, 2), ()) == Region((6, 2), (8, 4))
    labelled = (Region((6, 2), (8, 4)),)
    second = best_start(values, (10, 10), 1, (2, 2), labelled)
    assert not second.overlaps(labelled[0])
    # Cells of two voxels: the last box still lies on the image.
    assert best_start(values[5:, 5:] * 0, (9, 9), 2, (3, 9), ()).lies_in((9, 9))


def test_without_room_the_box_with_most_to_label_is_taken() -> None:
    labelled = (Region((0, 0), (4, 3)), Region((0, 5), (4, 6)))
    box = best_start(np.ones((4, 6)), (4, 6), 1, (4, 3), labelled)
    assert box == Region((0, 2), (4, 5))
    assert known_share(labelled, (4, 6), 2)[0].tolist() == [1.0, 0.5, 0.5]


def spoilt(case: Case, *, noise: bool) -> Case:
    mask = case.load_label()
    assert isinstance(mask, Mask)
    region = Region((3, 3, 3), (13, 15, 11))
    array = np.random.default_rng(0).integers(0, 99, mask.array.shape).astype(np.uint8)
    array = array if noise else np.zeros_like(array)
    array[region.slices] = mask.array[region.slices]
    label = replace(mask, array=array)
    return replace(
        case,
        fingerprint=f"{case.fingerprint}-{noise}",
        load_label=lambda: label,
        regions=(region,),
    )
