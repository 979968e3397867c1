"""What a network answers for preprocessed cases, before any temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from limner.plugin import Stopped, Watch
from limner_apps.classification.batches import TrainingCase
from limner_apps.classification.inference import Inference

_TOGETHER = 64
"""Cases between two looks at the watch."""


def case_logits(inference: Inference, cases: Sequence[TrainingCase], watch: Watch) -> Tensor:
    """Return (n, classes) float32 logits of at least one case.

    Raises:
        Stopped: The watch said so.
    """
    parts = []
    for first in range(0, len(cases), _TOGETHER):
        if watch.should_stop():
            raise Stopped("The training was told to stop while its result was looked at.")
        images = np.stack([case.image for case in cases[first : first + _TOGETHER]])
        parts.append(inference.logits(inference.embed(torch.from_numpy(images))))
    return torch.cat(parts)
