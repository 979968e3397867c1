from __future__ import annotations

import numpy as np
import pytest

from limner.plugin import Image
from limner_apps.learning.images import is_colour_for_grey, luminance


def image(channels: int, axes: int = 2) -> Image:
    return Image(array=np.zeros((channels, *[4] * axes), np.uint8), spacing=(1.0,) * axes)


@pytest.mark.parametrize(
    ("given", "learnt", "expected"),
    [(image(3), 1, True), (image(1), 1, False), (image(3), 3, False), (image(2), 1, False)],
)
def test_a_colour_picture_can_come_to_a_model_of_grey_ones(
    given: Image, learnt: int, expected: bool
) -> None:
    assert is_colour_for_grey(given, learnt) is expected


def test_channels_of_a_volume_are_no_colours() -> None:
    assert not is_colour_for_grey(image(3, axes=3), 1)


def test_grey_stays_what_it_is_and_green_is_brighter_than_blue() -> None:
    grey = np.repeat(np.arange(6, dtype=np.float32).reshape(1, 2, 3), 3, axis=0)
    np.testing.assert_allclose(luminance(grey), grey[:1], rtol=1e-6)
    red, green, blue = luminance(np.eye(3, dtype=np.float32).reshape(3, 1, 3))[0, 0]
    assert green > red > blue > 0
