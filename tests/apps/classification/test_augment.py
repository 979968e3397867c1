from __future__ import annotations

import pytest
import torch

from limner_apps.classification.augment import augment


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(6, 1, 20, 24), (4, 3, 16, 16), (3, 1, 12, 10, 8)])
def test_a_seed_decides_every_draw(shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=draw(0))
    before = images.clone()
    first, again, other = (augment(images, draw(seed), ()) for seed in (1, 1, 2))
    assert first.shape == images.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)


def test_a_side_stays_a_side_unless_mirroring_is_asked_for() -> None:
    images = torch.zeros(64, 1, 24, 24)
    images[..., :6] = 3.0
    for axes, sides in (((), 1), ((1,), 2)):
        varied = augment(images, draw(3), axes)
        is_left = varied[..., :12].sum((1, 2, 3)) > varied[..., 12:].sum((1, 2, 3))
        assert len(set(is_left.tolist())) == sides


def test_intensities_vary_and_stay_finite() -> None:
    images = torch.randn(64, 1, 16, 16, generator=draw(0))
    varied = augment(images, draw(5), ())
    assert torch.isfinite(varied).all()
    assert varied.std((1, 2, 3)).max() > 1.2 * varied.std((1, 2, 3)).min()
    assert torch.isfinite(augment(torch.zeros(8, 1, 16, 16), draw(0), ())).all()
