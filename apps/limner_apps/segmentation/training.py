"""A training from the request to the weights file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limner.plugin import (
    Case,
    Progress,
    Stopped,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)
from limner_apps.learning import device as devices
from limner_apps.learning.attempts import Finished, train_until_learnt
from limner_apps.learning.checkpoint import Checkpoints, request_fingerprint
from limner_apps.learning.images import check_alike
from limner_apps.learning.schedule import Diverged
from limner_apps.learning.state import RunState
from limner_apps.learning.warm_start import shrink_and_perturb
from limner_apps.segmentation import manifest
from limner_apps.segmentation.batches import TrainingCase
from limner_apps.segmentation.budget import plan_steps
from limner_apps.segmentation.cache import CaseCache
from limner_apps.segmentation.calibration import calibrate
from limner_apps.segmentation.collapse import missing_classes
from limner_apps.segmentation.inference import Inference
from limner_apps.segmentation.network import UNet
from limner_apps.segmentation.options import Options
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.planning import make_plan
from limner_apps.segmentation.survey import Survey, check_values
from limner_apps.segmentation.trainer import Run
from limner_apps.segmentation.weights import Weights, build_network, read_weights, write_weights

_ENOUGH_STEPS = 60
"""A run shorter than this that misses a class is unfinished rather than collapsed."""
_IN_MEMORY = 2 << 30
"""Bytes of preprocessed cases that are held in memory; the rest stays memory-mapped."""
_LIBRARIES = ("monai", "numpy", "torch")


class Training:
    """One training request being carried out.

    Args:
        request: What is asked.
        watch: The server's ear and hand.
    """

    def __init__(self, request: TrainRequest, watch: Watch) -> None:
        self._request = request
        self._watch = watch
        self._options = Options.read(request.options)
        self._device = devices.open_device(request.device)
        self._cache = CaseCache(request.cache)
        self._classes = len(request.schema.classes)
        # Not known before the plan is; nothing is reported until then.
        self._steps = 0
        torch.set_num_threads(max(1, request.threads))

    def run(self) -> Trained:
        """Plan, prepare, train, check, calibrate, write; see `limner.plugin.Trains`."""
        request = self._request
        if not request.train:
            raise UnsuitableInput("There is no label to learn from; label an image first.")
        request.workspace.mkdir(parents=True, exist_ok=True)
        checkpoints = Checkpoints(request.workspace, request_fingerprint(request, manifest))
        fresh = self._plan()
        parent, notes = self._parent(fresh)
        plan = parent.plan if parent else fresh
        if parent and self._options.batch:
            plan = replace(plan, batch=self._options.batch)
        self._steps = plan_steps(
            plan, len(request.train), self._options, request.effort, self._device.type
        )
        cases = self._prepare(plan)
        kept = checkpoints.load()
        state = (
            RunState(plan=plan, notes=notes)
            if kept is None
            else RunState.read(kept, Plan.from_json)
        )
        finished = train_until_learnt(
            state, lambda state: self._attempt(state, parent, cases, checkpoints)
        )
        temperature = self._temperature(finished, parent)
        return self._write(finished, temperature, checkpoints)

    def _plan(self) -> Plan:
        surveys: list[Survey] = []
        for case in self._each(self._request.train, "looking at the labels"):
            survey = self._cache.survey(case)
            check_values(survey, self._request.schema, f"Case {case.id}")
            surveys.append(survey)
            check_alike(
                survey.shape,
                survey.channels,
                (surveys[0].shape, surveys[0].channels),
                f"Case {case.id}",
            )
        memory = devices.free_memory(self._device)
        return make_plan(surveys, self._options, self._device.type, memory)

    def _parent(self, fresh: Plan) -> tuple[Weights | None, list[str]]:
        """Read the version to go on from; None, with a note, where that is not possible."""
        if self._request.parent is None:
            return None, []
        try:
            parent = read_weights(self._request.parent, self._request.schema)
        except UnsuitableInput as error:
            return None, [f"Started from scratch: {error}"]
        obstacle = parent.plan.obstacle(fresh)
        if obstacle:
            return None, [f"Started from scratch, the parent's plan does not fit: {obstacle}."]
        return parent, []

    def _prepare(self, plan: Plan) -> list[TrainingCase]:
        cases = []
        held = 0
        for case in self._each(self._request.train, "preparing the images"):
            image, labels = self._cache.arrays(case, plan, self._request.schema)
            held += image.nbytes + labels.nbytes
            if held <= _IN_MEMORY:
                image, labels = np.array(image), np.array(labels)
            cases.append(TrainingCase.of(image, labels, case.is_new))
        return cases

    def _each(self, cases: Sequence[Case], message: str) -> Iterator[Case]:
        """Walk through cases, reporting and listening before each."""
        for index, case in enumerate(cases, start=1):
            if self._watch.should_stop():
                raise Stopped(f"The training was told to stop while {message}.")
            if self._steps:
                remark = f"{message}: {index} of {len(cases)}"
                self._watch.progress(Progress(step=0, total=self._steps, message=remark))
            yield case

    def _attempt(
        self,
        state: RunState[Plan],
        parent: Weights | None,
        cases: list[TrainingCase],
        checkpoints: Checkpoints,
    ) -> tuple[Finished[RunState[Plan]] | None, str]:
        """Train once; return the result, if any, and what is wrong with it, or nothing."""
        seed = self._request.seed + 1_000_003 * state.attempt
        network = self._network(state.plan, parent if state.attempt == 0 else None, seed)
        run = Run(network, state, steps=self._steps, seed=seed, device=self._device)
        try:
            average = run.go(cases, self._watch, checkpoints)
        except Diverged as error:
            return None, str(error)
        missing = self._missing(state.plan, average, cases)
        finished = Finished(state=state, average=average, missing=missing, seed=seed)
        if not missing:
            return finished, ""
        names = ", ".join(missing)
        if self._steps < _ENOUGH_STEPS:
            state.notes.append(f"Not predicted yet, after only {self._steps} steps: {names}.")
            return finished, ""
        return finished, f"never predicted on training images: {names}"

    def _network(self, plan: Plan, parent: Weights | None, seed: int) -> UNet:
        torch.manual_seed(seed)
        network = build_network(plan, self._classes)
        if parent is not None:
            network.load_state_dict(shrink_and_perturb(network.state_dict(), parent.state))
        return network

    def _missing(
        self, plan: Plan, average: dict[str, Tensor], cases: list[TrainingCase]
    ) -> tuple[str, ...]:
        found = missing_classes(self._inference(plan, average), cases, self._classes, self._watch)
        return tuple(self._request.schema.names[index - 1] for index in found)

    def _inference(self, plan: Plan, state: dict[str, Tensor]) -> Inference:
        network = build_network(plan, self._classes)
        network.load_state_dict(state)
        return Inference(network, plan, self._device)

    def _temperature(self, finished: Finished[RunState[Plan]], parent: Weights | None) -> float:
        """Fit the temperature; without validation cases keep the parent's, or 1."""
        plan = finished.state.plan
        fitted = calibrate(
            self._inference(plan, finished.average),
            plan,
            self._request.schema,
            self._request.validation,
            self._cache,
            self._watch,
        )
        if fitted is not None:
            return fitted
        return parent.temperature if parent else 1.0

    def _write(
        self, finished: Finished[RunState[Plan]], temperature: float, checkpoints: Checkpoints
    ) -> Trained:
        request, plan = self._request, finished.state.plan
        path = Path(request.workspace) / "weights.pt"
        write_weights(
            path,
            Weights(
                plan=plan,
                classes=request.schema.names,
                state=finished.average,
                temperature=temperature,
                labels=len(request.train),
            ),
        )
        checkpoints.clear()
        return Trained(
            weights=path,
            plan=plan.as_json(),
            metrics={
                "dice_ce_loss": finished.state.losses.get("dice_ce", 0.0),
                "temperature": temperature,
            },
            seed=finished.seed,
            steps=finished.state.step,
            libraries={name: version(name) for name in _LIBRARIES},
            notes=tuple(finished.state.notes),
        )
