"""Running the network over whole images, in slabs, within the memory that there is."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor
from torch.nn import functional

from limner.plugin import FloatArray
from limner_apps.learning import device as devices
from limner_apps.segmentation.batches import neighbouring
from limner_apps.segmentation.network import UNet, divisor
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.preprocess import resize_axis, source_range

_log = logging.getLogger(__name__)

_SLAB = 1_500_000
"""Voxels of the answer made at a time."""
_WHOLE = {2: 4_000_000, 3: 1_500_000}
"""Pixels or voxels that go through the network in one piece, by the network's axes."""
_CHUNK = 200_000
"""Pixels of the slices that go through the network together."""
_SHRINKS = (1.0, 0.5, 0.25)
"""Window sizes that are tried when memory runs out, as shares of the patch."""

Visit: TypeAlias = Callable[[int, int, int, Tensor], None]
"""Takes the slab's axis, its first row, one past its last, and its logits (K, *slab) on the
processor, float32, at the image's own resolution before the temperature."""


class Inference:
    """A network ready to answer for images of one plan.

    Args:
        network: In evaluation mode, on the processor.
        plan: The network's plan.
        device: Where it should run.
    """

    def __init__(self, network: UNet, plan: Plan, device: torch.device) -> None:
        self._network = network.eval()
        self._plan = plan
        self._device = device
        self._divisor = divisor(plan.strides, plan.network_axes)
        # How far memory made it step back: 0 is not at all. It stays, for the next images too.
        self._retreat = 0
        self._embeddings: list[Tensor] = []
        devices.place(network, plan.network_axes, device)

    def draw_dropout(self, seed: int | None) -> None:
        """Drop the same features for all images from now on; None drops none."""
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self._network.draw_dropout(generator)

    @torch.inference_mode()
    def run(
        self, image: FloatArray, shape: tuple[int, ...], visit: Visit, multiple: int = 1
    ) -> FloatArray:
        """Answer for an image, slab by slab.

        Args:
            image: (channels, *spatial) float32, preprocessed.
            shape: The spatial shape of the answer: the image's before it was resampled.
            visit: Called for every slab in order; slabs fill the answer without overlap.
            multiple: Every slab but the last has a multiple of this many rows.

        Returns:
            The embedding, (d,) float32: the mean of the coarsest features.
        """
        # torch warns of arrays that may not be written to, such as mapped files.
        volume = torch.from_numpy(image if image.flags.writeable else np.array(image))
        self._embeddings = []
        axis = self._plan.cut or 0
        length, size = volume.shape[1 + axis], shape[axis]
        rows = self._rows(shape, axis, multiple)
        for first in range(0, size, rows):
            last = min(first + rows, size)
            low, high = source_range((first, last), size, length)
            start, end = max(0, low - self._halo), min(length, high + self._halo)
            logits = self._region(volume.narrow(1 + axis, start, end - start))
            logits = resize_axis(logits, 1 + axis, size, (first, last), offset=start, length=length)
            for other, wanted in enumerate(shape):
                if other != axis:
                    have = logits.shape[1 + other]
                    logits = resize_axis(
                        logits, 1 + other, wanted, (0, wanted), offset=0, length=have
                    )
            visit(axis, first, last, logits)
        embedding = torch.cat(self._embeddings).mean(dim=0)
        self._embeddings = []
        answer: FloatArray = embedding.numpy().astype(np.float32)
        return answer

    @property
    def _halo(self) -> int:
        """Rows beyond a slab that decide what is in it."""
        if self._plan.cut is not None:
            return self._plan.neighbours // 2
        return max(self._plan.patch) // 2

    def _rows(self, shape: tuple[int, ...], axis: int, multiple: int) -> int:
        if len(shape) == 2:
            return shape[axis]
        row = math.prod(shape) // shape[axis]
        # Slabs thinner than their halo would spend most of the time outside themselves.
        rows = max(_SLAB // row, 2 * self._halo, 1)
        return math.ceil(rows / multiple) * multiple

    def _region(self, region: Tensor) -> Tensor:
        """Return logits (K, *spatial) float32 on the processor, with less memory if need be."""
        while True:
            done = len(self._embeddings)
            try:
                if self._plan.cut is not None:
                    return self._sliced(region, self._plan.cut)
                return self._network_logits(region[None])[0]
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error) or not self._step_back():
                    raise
                del self._embeddings[done:]

    def _step_back(self) -> bool:
        """Choose a smaller window, then the processor; False when there is nothing left."""
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

    def _sliced(self, region: Tensor, axis: int) -> Tensor:
        """Answer slice by slice along an axis, each with its neighbours as channels."""
        turned = region.movedim(1 + axis, 1)
        depth = turned.shape[1]
        pixels = math.prod(turned.shape[2:])
        count = 1 if self._retreat else max(1, _CHUNK // pixels)
        answers = []
        for first in range(0, depth, count):
            rows = [
                neighbouring(row, depth, self._plan.neighbours)
                for row in range(first, min(first + count, depth))
            ]
            stacks = turned[:, torch.from_numpy(np.stack(rows))]
            # (channel, slice, neighbour, …) to (slice, neighbour and channel, …), as in training.
            stacks = stacks.movedim(0, 2).flatten(1, 2)
            answers.append(self._network_logits(stacks))
        return torch.cat(answers).movedim(0, 1).movedim(1, 1 + axis)

    def _network_logits(self, batch: Tensor) -> Tensor:
        """Return logits of a batch (batch, channels, *spatial), as one piece or in windows."""
        spatial = batch.shape[2:]
        if self._retreat == 0 and math.prod(spatial) <= _WHOLE[self._plan.network_axes]:
            padded = [-(-n // step) * step for n, step in zip(spatial, self._divisor, strict=True)]
            return _crop(self._forward(_pad(batch, padded)), spatial)
        share = _SHRINKS[max(0, self._retreat - 1)]
        window = [
            max(step, round(self._plan.patch[axis] * share / step) * step)
            for axis, step in zip(self._plan.plane, self._divisor, strict=True)
        ]
        padded = [max(n, size) for n, size in zip(spatial, window, strict=True)]
        answers = [
            _crop(
                sliding_window_inference(
                    _pad(each[None], padded),
                    roi_size=window,
                    sw_batch_size=1,
                    predictor=self._forward,
                    overlap=0.25,
                    mode="gaussian",
                ),
                spatial,
            )
            for each in batch
        ]
        return torch.cat(answers)

    def _forward(self, batch: Tensor) -> Tensor:
        batch = devices.arrange(batch.to(self._device), self._device)
        with devices.mixed_precision(self._device):
            logits, embedding = self._network.with_embedding(batch)
        self._embeddings.append(embedding.float().cpu())
        return logits.float().cpu()


def _pad(batch: Tensor, sizes: list[int]) -> Tensor:
    """Repeat the last rows until the spatial sizes are reached, as training pads."""
    amounts: list[int] = []
    for have, want in zip(reversed(batch.shape[2:]), reversed(sizes), strict=True):
        amounts += [0, want - have]
    return functional.pad(batch, amounts, mode="replicate") if any(amounts) else batch


def _crop(batch: Tensor, sizes: Sequence[int]) -> Tensor:
    """Cut what `_pad` added."""
    for axis, size in enumerate(sizes, start=2):
        batch = batch.narrow(axis, 0, size)
    return batch
