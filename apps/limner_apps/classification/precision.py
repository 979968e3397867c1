"""Which number format a classification computes in."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from limner_apps.learning import device as devices


def mixed_precision(device: torch.device, axes: int) -> AbstractContextManager[None]:
    """Run convolutions in the device's fast format, those of volumes on a processor in float32.

    In bfloat16 on a processor (AVX512-BF16, PyTorch 2.14) the same seed trained a residual network
    of volumes to other weights, now and then to NaN; in float32 it does not, and pictures do not.
    """
    return devices.mixed_precision(device, on_processor=axes == 2)
