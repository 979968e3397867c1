"""Choosing how rare classes get their weight, by short trainings on the validation set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from limner.plugin import LabelSchema, Progress, Stopped, Watch
from limner_apps.classification.batches import TrainingCase
from limner_apps.classification.case_logits import case_logits
from limner_apps.classification.imbalance import WAYS
from limner_apps.classification.inference import Inference
from limner_apps.classification.network import Classifier
from limner_apps.classification.plan import Plan
from limner_apps.classification.state import WeighedState
from limner_apps.classification.trainer import Run
from limner_apps.learning.schedule import Diverged

_log = logging.getLogger(__name__)

_SHARE = 0.08
"""Length of a trial, as a share of the training's steps."""
_FEWEST_STEPS = 40


@dataclass(frozen=True, slots=True)
class _TrialWatch:
    """Lets the training's watch stop a trial, and reports no step of it: none is done yet."""

    watch: Watch
    total: int
    way: str

    def progress(self, progress: Progress) -> None:
        remark = f"trying the weights of rare classes: {self.way}"
        self.watch.progress(Progress(step=0, total=self.total, message=remark))

    def should_stop(self) -> bool:
        return self.watch.should_stop()


def best_way(
    fresh: Callable[[], Classifier],
    plan: Plan,
    schema: LabelSchema,
    train: Sequence[TrainingCase],
    validation: Sequence[TrainingCase],
    *,
    steps: int,
    seed: int,
    device: torch.device,
    watch: Watch,
) -> str:
    """Return the way of the smallest log-loss on the validation set, every class counting alike.

    Args:
        fresh: Makes the network that training will start from.
        plan: The plan.
        schema: The project's classes.
        train: The training cases.
        validation: The validation cases.
        steps: Of the whole training; a trial takes a small share of them.
        seed: As the training's.
        device: As the training's.
        watch: Asked at every step.

    Raises:
        Stopped: The watch said so.
    """
    length = max(_FEWEST_STEPS, round(_SHARE * steps))
    losses = {}
    for way in WAYS:
        state = WeighedState(plan=plan, imbalance=way)
        run = Run(fresh(), state, schema, steps=length, seed=seed, device=device)
        try:
            average = run.go(train, _TrialWatch(watch, steps, way), None)
        except Stopped as stopped:
            raise Stopped(
                "The training was told to stop while it tried the weights of rare classes."
            ) from stopped
        except Diverged:
            continue
        network = fresh()
        network.load_state_dict(average)
        logits = case_logits(Inference(network, plan, device), validation, watch)
        truths = torch.from_numpy(np.stack([case.classes for case in validation]))
        losses[way] = even_log_loss(logits, truths, schema.exclusive)
    _log.info("Log-loss of the ways to weigh rare classes: %s", losses)
    return min(losses, key=lambda way: losses[way]) if losses else WAYS[0]


def even_log_loss(logits: Tensor, truths: Tensor, exclusive: bool) -> float:
    """Return the log-loss averaged over classes, each by its own cases.

    Args:
        logits: (n, classes) float32.
        truths: (n, classes), 0 and 1.
        exclusive: Whether every image has exactly one class; else having and not having a class
            count alike too.
    """
    there = truths.bool()
    if exclusive:
        surprise = -logits.log_softmax(dim=1)
        kinds = [surprise[there[:, index], index] for index in range(logits.shape[1])]
    else:
        with_it = -torch.nn.functional.logsigmoid(logits)
        without = -torch.nn.functional.logsigmoid(-logits)
        kinds = [with_it[there[:, index], index] for index in range(logits.shape[1])]
        kinds += [without[~there[:, index], index] for index in range(logits.shape[1])]
    return float(np.mean([float(kind.mean()) for kind in kinds if len(kind)]))
