"""From a mask within its box to pixels of the image. Numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, window


def pasted(probabilities: FloatArray, box: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return a mask of the shape of its box's window, True where it is likelier than not.

    Bilinear between the centres of the mask's pixels; outside the box there is nothing. Only the
    window is painted: torchvision paints every object into an image of its own.

    Args:
        probabilities: (side, side) in [0, 1], spread over the box.
        box: (row, column) of the first corner and of the last, not rounded.
    """
    rows, columns = window(box)
    down = _shares(rows, box[0], box[2], probabilities.shape[0])
    across = _shares(columns, box[1], box[3], probabilities.shape[1])
    answer: npt.NDArray[np.bool_] = down @ probabilities @ across.T > 0.5
    return answer


def _shares(pixels: slice, first: float, last: float, side: int) -> FloatArray:
    """Return how much each row of the mask counts in each row of the window, (pixels, side)."""
    centres = np.arange(pixels.start, pixels.stop) + 0.5
    where = (centres - first) * (side / max(last - first, 1e-6)) - 0.5
    weights = 1.0 - np.abs(where[:, None] - np.arange(side)[None])
    answer: FloatArray = np.clip(weights, 0.0, None).astype(np.float32)
    return answer
