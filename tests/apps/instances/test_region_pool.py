"""RoIAlign as matrix products, and masks pasted into their boxes."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import roi_align

from limner_apps.instances.paste import pasted
from limner_apps.instances.region_pool import RegionPool, align


def test_matrix_products_give_what_torchvision_gives() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn((5, 24, 30), generator=random)
    # Some reach beyond the feature map, some are smaller than a pixel.
    corners = torch.rand((60, 2), generator=random) * 110 - 5
    sides = torch.rand((60, 2), generator=random) * torch.tensor([60.0, 1.0]).repeat(30)[:, None]
    boxes = torch.cat([corners, corners + sides], dim=1)
    regions = torch.cat([torch.zeros(60, 1), boxes], dim=1)
    expected = roi_align(features[None], regions, 7, 0.25, 2)
    torch.testing.assert_close(align(features, boxes, 7, 0.25), expected, atol=1e-4, rtol=1e-4)


def test_training_and_prediction_cut_the_same_features() -> None:
    random = torch.Generator().manual_seed(1)
    maps = {
        str(level): torch.randn((2, 3, 32 // 2**level, 32 // 2**level), generator=random)
        for level in range(3)
    }
    corners = torch.rand((40, 2), generator=random) * 60
    boxes = torch.cat([corners, corners + torch.rand((40, 2), generator=random) * 60], dim=1)
    pool = RegionPool((4, 8, 16), 12.0, 7)
    batch = [boxes[:25], boxes[25:]]
    trained = pool(maps, batch, [])
    with torch.inference_mode():
        predicted = pool(maps, batch, [])
    torch.testing.assert_close(trained, predicted, atol=1e-4, rtol=1e-4)


def test_no_box_has_no_features() -> None:
    pool = RegionPool((4,), 12.0, 7)
    assert pool({"0": torch.zeros((1, 3, 8, 8))}, [torch.zeros((0, 4))], []).shape == (0, 3, 7, 7)


def test_a_full_mask_fills_its_box() -> None:
    mask = pasted(np.ones((28, 28), np.float32), np.array([2.0, 3.0, 12.0, 9.0]))
    assert mask.shape == (10, 6)
    assert mask.all()


def test_half_a_mask_fills_half_its_box() -> None:
    half = np.zeros((28, 28), np.float32)
    half[:14] = 1.0
    mask = pasted(half, np.array([0.0, 0.0, 10.0, 4.0]))
    assert mask[:5].all()
    assert not mask[5:].any()


def test_pixels_of_which_the_box_covers_little_are_left_out() -> None:
    mask = pasted(np.ones((28, 28), np.float32), np.array([0.9, 0.0, 4.0, 4.0]))
    assert mask.shape == (4, 4)
    assert not mask[0].any()
    assert mask[1:].all()
