"""What the pixels of an image alone say of it: classic descriptors, where no model can describe.

They are made before the first training, so that a strategy may look for images that are typical, or
unlike each other, when the first batch is picked. Four parts follow each other in one vector:

| part | numbers of a picture, a volume | source |
| --- | --- | --- |
| thumbnail: the mean of each cell of a grid | 8 x 8, 4 x 4 x 4 | Torralba, Fergus and Freeman 2008, 80 million tiny images |
| histogram of intensity, square roots of the shares | 16, 16 | Swain and Ballard 1991, Color indexing |
| gradient directions in each half of each axis | 8 x 2 x 2, 6 x 2 x 2 x 2 | Dalal and Triggs 2005, Kläser et al. 2008 |
| mean, deviation and skewness of up to 4 channels | 12, 12 | Stricker and Orengo 1995, Similarity of color images |

The first three are of the mean of all channels, each stretched from its 1st to its 99th percentile,
so that the gain and the offset of a scanner say nothing and a few hot pixels neither. The moments
are of the channels as they stand to each other, stretched together. Square roots make the distance
of two histograms Hellinger's, in which a small share counts too.

Strategies standardise each number over the pool. Nothing is whitened: on chest X-rays, with 60 to
1,500 images in the pool, `typiclust` picked no better from the leading 4 to 48 whitened components.

They know edges, brightness and layout, not what an organ is: a trained model's embedding replaces
them as soon as there is one, and the two are never compared with each other.
"""  # noqa: E501 - a table

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from limner.images.area_mean import area_mean
from limner.images.directions import direction_shares
from limner.plugin import FloatArray

VERSION = 1
"""Rises whenever the same image would get other numbers: what was stored before is made again."""

LENGTHS = {2: 124, 3: 140}
"""How many numbers an image has, by its number of spatial axes."""

_LOOKED_AT = {2: 64, 3: 32}
"""Longest side at which an image is looked at: larger ones are shrunk to it."""
_THUMBNAIL = {2: 8, 3: 4}
_BINS = 16
_MOST_CHANNELS = 4
_PERCENTILES = (1.0, 99.0)

_Doubles = npt.NDArray[np.float64]


def descriptors(array: npt.NDArray[Any]) -> FloatArray:
    """Describe an image by its pixels.

    Args:
        array: (channels, *spatial), two or three spatial axes, any real type. Values that are not
            finite count as the darkest of their channel.

    Returns:
        (124,) of a picture, (140,) of a volume; finite, about -1 to 1 each. The same for the same
        image, and for it at another gain or offset up to rounding. Takes one pass over the image
        and bounded memory beside it; of an image of one value the vector is the same whatever the
        value.
    """
    dimensions = array.ndim - 1
    small = _shrunk(array, _LOOKED_AT[dimensions])
    grey = np.stack([_stretched(each) for each in small]).mean(axis=0)
    thumbnail = area_mean(grey, (_THUMBNAIL[dimensions],) * dimensions)
    counts = np.histogram(grey, bins=_BINS, range=(0.0, 1.0))[0]
    parts = (
        thumbnail.ravel(),
        np.sqrt(counts / grey.size),
        direction_shares(grey).ravel(),
        _moments(_stretched(small)).ravel(),
    )
    return np.concatenate(parts).astype(np.float32)


def _shrunk(array: npt.NDArray[Any], longest: int) -> _Doubles:
    """Return an image at most so long a side: (channels, *small), finite, within -1 to 1."""
    shape = [min(side, longest) for side in array.shape[1:]]
    if array.dtype.kind != "f":
        return _scaled(area_mean(array, shape))
    is_known = np.isfinite(array)
    if is_known.all():
        return _scaled(area_mean(array, shape))
    shares = area_mean(is_known, shape)
    total = area_mean(np.where(is_known, array, array.dtype.type(0)), shape)
    small = np.divide(total, shares, out=np.full(total.shape, np.nan), where=shares > 0)
    small = _scaled(small)
    axes = tuple(range(1, small.ndim))
    darkest = np.min(small, axis=axes, keepdims=True, initial=1.0, where=~np.isnan(small))
    return np.where(np.isnan(small), darkest, small)


def _scaled(values: _Doubles) -> _Doubles:
    """Scale to at most 1 in size, so that no difference of two values overflows."""
    largest = np.abs(values).max(initial=0.0, where=~np.isnan(values))
    scaled: _Doubles = values / largest if largest > 0 else values
    return scaled


def _stretched(values: _Doubles) -> _Doubles:
    """Stretch to 0 .. 1 between two percentiles; where they are equal between the extremes."""
    low, high = np.percentile(values, _PERCENTILES)
    if not high > low:
        low, high = values.min(), values.max()
    # What only rounding tells apart is one value.
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        return np.zeros_like(values)
    stretched: _Doubles = np.clip((values - low) / (high - low), 0.0, 1.0)
    return stretched


def _moments(channels: _Doubles) -> _Doubles:
    """Return mean, deviation and the cube root of the third moment: (4, 3), zero where no channel.

    Args:
        channels: (channels, *spatial).
    """
    flat = channels[:_MOST_CHANNELS].reshape(min(len(channels), _MOST_CHANNELS), -1)
    mean = flat.mean(axis=1)
    apart = flat - mean[:, None]
    found = np.zeros((_MOST_CHANNELS, 3))
    found[: len(flat), 0] = mean
    found[: len(flat), 1] = np.sqrt((apart**2).mean(axis=1))
    found[: len(flat), 2] = np.cbrt((apart**3).mean(axis=1))
    return found
