"""Sampled predictions of a real network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from limner.plugin import Image, Mask, PredictRequest, Trained, UnsuitableInput
from limner_apps.segmentation.model import SegmentationModel
from limner_apps.segmentation.sampling import altered

Pair = tuple[Image, Mask]
SAMPLED = ("bald", "variation_ratio", "variance", "dice_disagreement")


@pytest.mark.parametrize("way", ["dropout", "augmentation"])
def test_a_seed_decides_what_is_sampled(
    way: str,
    trained: Trained,
    load: Callable[..., SegmentationModel],
    make_pair: Callable[..., Pair],
) -> None:
    model, image = load(trained.weights, samples=3, sampling=way), make_pair(3)[0]
    first, again, other = (
        model.describe(image, PredictRequest(seed=seed)).description.scores for seed in (1, 1, 2)
    )
    assert first == again
    for name in SAMPLED:
        assert 0 < first[name] <= 1
        assert first[name] != other[name]
    assert first["entropy"] == other["entropy"]


def test_one_sample_disagrees_with_nothing(
    trained: Trained, load: Callable[..., SegmentationModel], make_pair: Callable[..., Pair]
) -> None:
    scores = load(trained.weights, samples=1).describe(make_pair(3)[0], PredictRequest())
    assert [scores.description.scores[name] for name in SAMPLED] == pytest.approx([0] * 4, abs=1e-6)


def test_no_sampled_score_without_samples(
    trained: Trained, load: Callable[..., SegmentationModel], make_pair: Callable[..., Pair]
) -> None:
    scores = load(trained.weights).describe(make_pair(3)[0], PredictRequest()).description.scores
    assert not set(SAMPLED) & set(scores)


def test_the_way_of_aggregation_changes_the_scores(
    trained: Trained, load: Callable[..., SegmentationModel], make_pair: Callable[..., Pair]
) -> None:
    found = [
        load(trained.weights, aggregation=way)
        .describe(make_pair(3)[0], PredictRequest())
        .description.scores["entropy"]
        for way in ("patch", "foreground", "patch_and_foreground", "boundary")
    ]
    assert len(set(found)) == 4
    assert found[2] == pytest.approx((found[0] + found[1]) / 2, abs=1e-6)


def test_an_unknown_way_is_refused(
    trained: Trained, load: Callable[..., SegmentationModel]
) -> None:
    with pytest.raises(UnsuitableInput, match="aggregation"):
        load(trained.weights, aggregation="mean")


def test_an_altered_image_is_mirrored_along_what_is_said() -> None:
    image = np.zeros((1, 6, 5), np.float32)
    image[0, 0, 0] = 1000.0
    seen = set()
    for seed in range(20):
        values, axes = altered(image, (0, 1), np.random.default_rng(seed))
        at = tuple(map(int, np.unravel_index(values.argmax(), values.shape)))
        assert at == (0, 5 if 0 in axes else 0, 4 if 1 in axes else 0)
        assert values.dtype == np.float32
        seen.add(axes)
    assert seen == {(), (0,), (1,), (0, 1)}
    assert altered(image, (), np.random.default_rng(1))[1] == ()
