"""Making a plan from surveyed cases, the options and the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from limner_apps.instances.network import LIGHT, RESNET50, feature_maps
from limner_apps.instances.options import Options
from limner_apps.instances.plan import Plan
from limner_apps.instances.survey import Survey

_USUAL_SIDE = 20.0
"""Side in enlarged pixels that the median object gets: five pixels of the finest feature map."""
_ZOOMS = (0.125, 2.0)
_UNCHANGED = (0.8, 1.25)
"""Zooms nearer to one are not worth the interpolation."""
_CROPS = {LIGHT: 192, RESNET50: 512}
_BATCHES = {LIGHT: 3, RESNET50: 4}
_SMALLEST_CROP = 64
_DIVISOR = 32
_WIDTH = 48
_PYRAMID = 256
"""Channels of the feature maps of torchvision's network; the light one's follow its width."""
_STAGES = 3
_TILES = {LIGHT: 512, RESNET50: 1024}
_BYTES_A_PIXEL = {LIGHT: 9_000, RESNET50: 12_000}
"""Memory of a training step for each pixel of a crop, gradients included."""


def make_plan(surveys: Sequence[Survey], options: Options, device: str, memory: int) -> Plan:
    """Plan a model.

    Args:
        surveys: The training cases, at least one.
        options: The project's.
        device: `cpu`, `cuda` or `mps`.
        memory: Bytes that a training may use.
    """
    model = options.model
    if model == "auto":
        model = RESNET50 if device == "cuda" else LIGHT
    width = options.width or _WIDTH
    widths = tuple(width * 2**level for level in range(_STAGES)) if model == LIGHT else ()
    median, small, large = _sides(surveys)
    zoom = float(np.clip(_USUAL_SIDE / median, *_ZOOMS))
    if _UNCHANGED[0] <= zoom <= _UNCHANGED[1]:
        zoom = 1.0
    zoom = round(zoom, 3)
    crop = options.crop or _crop(surveys, model, zoom, large)
    crop = max(_DIVISOR, math.ceil(crop / _DIVISOR) * _DIVISOR)
    fits = max(1, memory // (_BYTES_A_PIXEL[model] * crop**2))
    tile = _TILES[model]
    overlap = int(np.clip(math.ceil(1.5 * large * zoom / _DIVISOR) * _DIVISOR, 32, tile // 2))
    detections = _detections(surveys, zoom, tile)
    return Plan(
        model=model,
        channels=max(each.channels for each in surveys),
        colour=any(each.channels == 3 and each.whole for each in surveys)
        or len({each.channels for each in surveys}) > 1,
        polarity=_polarity(surveys),
        zoom=zoom,
        crop=crop,
        batch=options.batch or int(min(_BATCHES[model], fits)),
        widths=widths,
        pyramid=max(16, round(width / 12) * 16) if model == LIGHT else _PYRAMID,
        anchors=_anchors(small * zoom, large * zoom, feature_maps(model, widths)),
        proposals=int(np.clip(2 * detections, 300, 2000)),
        training_proposals=300 if model == LIGHT else 1000,
        regions=128 if model == LIGHT else 512,
        detections=detections,
        tile=tile,
        overlap=overlap,
        dropout=options.dropout,
    )


def _sides(surveys: Sequence[Survey]) -> tuple[float, float, float]:
    """Return the median, a small and a large side of an object, in pixels; each image counts once.

    Counting objects instead would let one crowded image decide.
    """
    rows = [each.sides for each in surveys if each.sides]
    if not rows:
        return _USUAL_SIDE, 0.5 * _USUAL_SIDE, 2.0 * _USUAL_SIDE
    percentiles = np.asarray(rows)
    count = percentiles.shape[1]
    values = [
        float(np.median(percentiles[:, count // 2])),
        float(np.percentile(percentiles[:, 2], 25)),
        float(np.percentile(percentiles[:, -2], 90)),
    ]
    return max(1.0, values[0]), max(1.0, values[1]), max(1.0, values[2])


def _crop(surveys: Sequence[Survey], model: str, zoom: float, large: float) -> int:
    """Take the usual crop, smaller for small images, larger where objects would not fit."""
    side = float(np.median([max(each.shape) for each in surveys])) * zoom
    usual = min(_CROPS[model], max(_SMALLEST_CROP, side))
    return int(min(max(usual, 2.0 * large * zoom), 2 * _CROPS[model]))


def _anchors(small: float, large: float, count: int) -> tuple[float, ...]:
    """Spread anchors from small to large objects, doubling at most from one map to the next."""
    first = float(np.clip(small, 6.0, 32.0))
    step = float(np.clip((large / first) ** (1 / max(1, count - 1)), 1.5, 2.0))
    return tuple(round(first * step**level, 2) for level in range(count))


def _detections(surveys: Sequence[Survey], zoom: float, tile: int) -> int:
    """Allow a tile half again as many objects as it would have where they are densest."""
    densest = max(each.count / (float(np.prod(each.shape)) * zoom**2) for each in surveys)
    return int(np.clip(1.5 * densest * tile**2, 100, 1000))


def _polarity(surveys: Sequence[Survey]) -> float:
    """Return how often training changes the polarity: as often as the rarer one occurs."""
    told = [each.bright for each in surveys if each.bright is not None]
    if not told:
        return 0.0
    share = sum(told) / len(told)
    return round(min(share, 1.0 - share), 3)
