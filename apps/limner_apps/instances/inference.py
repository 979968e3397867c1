"""Running the network over whole images, tile by tile, within the memory that there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from limner.plugin import FloatArray
from limner_apps.instances.detections import Detections, no_detections
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.paste import pasted
from limner_apps.instances.plan import Plan
from limner_apps.instances.tiles import Tile, cut_tiles, join_tiles
from limner_apps.learning import device as devices

_log = logging.getLogger(__name__)

Pair: TypeAlias = npt.NDArray[np.float64]
"""(2,) or (4,): a number for rows and one for columns, of one corner or of both."""

_WHOLE = 1.25
"""Images of at most this many tiles' area go through the network in one piece."""
_SHRINKS = (1.0, 0.5, 0.25)
"""Tile sizes that are tried when memory runs out, as shares of the plan's."""
_SMALLEST_TILE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What one pass over an image gave."""

    detections: tuple[Detections, ...]
    """For each draw of dropped features, in pixels of the image as stored."""
    embedding: FloatArray
    """(d,), the mean of every feature map."""


class Inference:
    """A network ready to answer for images of one plan.

    Args:
        network: The network, on the processor.
        plan: The network's plan.
        classes: Classes, background left out.
        device: Where it should run.
    """

    def __init__(
        self, network: InstanceNetwork, plan: Plan, classes: int, device: torch.device
    ) -> None:
        self._network = network.eval()
        self._plan = plan
        self._classes = classes
        self._device = device
        # How far memory made it step back: 0 is not at all. It stays, for the next images too.
        self._retreat = 0
        devices.place(network, 2, device)

    @torch.inference_mode()
    def run(
        self,
        image: FloatArray,
        shape: tuple[int, int],
        draws: Sequence[int | None] = (None,),
        pause: Callable[[], None] = lambda: None,
    ) -> Found:
        """Find the objects of an image, unsure ones included.

        Args:
            image: (channels, rows, columns) float32, preprocessed.
            shape: Rows and columns of the image as stored.
            draws: For each answer wanted, the seed of the features that are dropped; None for none.
            pause: Called before every tile; what it raises goes to the caller.
        """
        # torch warns of arrays that may not be written to, such as mapped files.
        whole = torch.from_numpy(image if image.flags.writeable else np.array(image))
        while True:
            try:
                return self._tiled(whole, shape, draws, pause)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error) or not self._step_back():
                    raise

    def _tiled(
        self,
        whole: Tensor,
        shape: tuple[int, int],
        draws: Sequence[int | None],
        pause: Callable[[], None],
    ) -> Found:
        height, width = int(whole.shape[1]), int(whole.shape[2])
        zoom = np.array([height / shape[0], width / shape[1]])
        tiles = self._tiles((height, width))
        found: list[list[Detections]] = [[] for _ in draws]
        embeddings, areas = [], []
        for tile in tiles:
            pause()
            part = whole[:, tile.first[0] : tile.last[0], tile.first[1] : tile.last[1]]
            answers, embedding = self._look(part, tile, zoom, shape, draws)
            for each, answer in zip(found, answers, strict=True):
                each.append(answer)
            embeddings.append(embedding)
            areas.append(float(part.shape[1] * part.shape[2]))
        stored = [_unzoomed(tile, zoom) for tile in tiles]
        return Found(
            detections=tuple(join_tiles(stored, each, self._classes) for each in found),
            embedding=np.average(embeddings, axis=0, weights=areas).astype(np.float32),
        )

    def _tiles(self, shape: tuple[int, int]) -> list[Tile]:
        side, overlap = self._plan.tile, self._plan.overlap
        if self._retreat == 0 and shape[0] * shape[1] <= _WHOLE * side**2:
            side = max(shape)
        else:
            share = _SHRINKS[max(0, self._retreat - 1)]
            side = max(_SMALLEST_TILE, round(share * side))
        return cut_tiles(shape, side, min(overlap, side // 2))

    def _step_back(self) -> bool:
        """Choose smaller tiles, then the processor; False when there is nothing left."""
        if self._retreat < len(_SHRINKS):
            self._retreat += 1
        elif self._device.type != "cpu":
            self._device = torch.device("cpu")
            self._network.to(self._device)
            self._retreat = 0
        else:
            return False
        devices.release(self._device)
        _log.warning("Memory ran out in a prediction; going on in smaller pieces.")
        return True

    def _look(
        self,
        part: Tensor,
        tile: Tile,
        zoom: Pair,
        shape: tuple[int, int],
        draws: Sequence[int | None],
    ) -> tuple[list[Detections], FloatArray]:
        """Return what is in one tile, in pixels of the image as stored, and its embedding."""
        size = (int(part.shape[1]), int(part.shape[2]))
        step = self._network.divisor
        right, below = (-(-length // step) * step - length for length in reversed(size))
        batch = part[None]
        if right or below:
            batch = functional.pad(batch, [0, right, 0, below], mode="replicate")
        batch = devices.arrange(devices.sent_to(self._device, batch), self._device)
        generators = [
            None if draw is None else torch.Generator().manual_seed(draw) for draw in draws
        ]
        with devices.mixed_precision(self._device):
            answers, objectness, embedding = self._network.detect(batch, size, generators)
        scale, offset = np.tile(1.0 / zoom, 2), np.tile(np.asarray(tile.first, np.float64), 2)
        return [
            self._detections(answer, scale, offset, shape, objectness) for answer in answers
        ], embedding.float().cpu().numpy()

    def _detections(
        self,
        answer: tuple[Tensor, Tensor, Tensor],
        scale: Pair,
        offset: Pair,
        shape: tuple[int, int],
        objectness: float,
    ) -> Detections:
        corners, probabilities, outlines = (each.float().cpu().numpy() for each in answer)
        placed = (corners[:, [1, 0, 3, 2]].astype(np.float64) + offset) * scale
        placed[:, :2] = np.maximum(placed[:, :2], 0.0)
        placed[:, 2:] = np.minimum(placed[:, 2:], shape)
        # To the numbers of the answer first: a mask must fit the window of its rounded box.
        boxes: FloatArray = placed.astype(np.float32)
        rows, masks = [], []
        for row, (box, outline) in enumerate(zip(boxes, outlines, strict=True)):
            if (box[2:] <= box[:2]).any():
                continue
            mask = pasted(outline, box.astype(np.float64))
            if mask.any():
                rows.append(row)
                masks.append(mask)
        if not rows:
            return no_detections(self._classes, objectness)
        return Detections(
            boxes=boxes[rows],
            masks=tuple(masks),
            probabilities=probabilities[rows],
            objectness=objectness,
        )


def _unzoomed(tile: Tile, zoom: Pair) -> Tile:
    """Return a tile in pixels of the image as stored; rounding moves its edges by part of one."""

    def scaled(corner: tuple[float, float]) -> tuple[float, float]:
        return float(corner[0] / zoom[0]), float(corner[1] / zoom[1])

    first, last = scaled(tile.first), scaled(tile.last)
    return Tile(
        first=(round(first[0]), round(first[1])),
        last=(round(last[0]), round(last[1])),
        core_first=scaled(tile.core_first),
        core_last=scaled(tile.core_last),
    )
