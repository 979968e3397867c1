"""A training from the request to the weights file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from limner_apps.instances import manifest
from limner_apps.instances.budget import plan_steps
from limner_apps.instances.cache import CaseCache
from limner_apps.instances.collapse import missing_classes
from limner_apps.instances.crops import TrainingCase
from limner_apps.instances.heads import UNSURE
from limner_apps.instances.inference import Inference
from limner_apps.instances.initial_weights import start_from
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.options import Options
from limner_apps.instances.plan import Plan
from limner_apps.instances.planning import make_plan
from limner_apps.instances.score_threshold import USUAL, best_threshold
from limner_apps.instances.survey import Survey, check_values
from limner_apps.instances.trainer import Run
from limner_apps.instances.weights import Weights, read_weights, write_weights
from limner_apps.learning import device as devices
from limner_apps.learning.attempts import Finished, train_until_learnt
from limner_apps.learning.checkpoint import Checkpoints, request_fingerprint
from limner_apps.learning.images import check_alike
from limner_apps.learning.schedule import Diverged
from limner_apps.learning.state import RunState
from limner_apps.learning.warm_start import shrink_and_perturb

_ENOUGH_STEPS = 150
"""A run shorter than this that misses a class is unfinished rather than collapsed."""
_IN_MEMORY = 2 << 30
"""Bytes of preprocessed images that are held in memory; the rest stays memory-mapped."""
_LIBRARIES = ("numpy", "torch", "torchvision")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Finished(Finished[RunState[Plan]]):
    """A run that came to its end, and what it came from."""

    started_from: str


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
        if parent:
            # Counts, crops and polarity may follow the new labels; they are no part of the weights.
            plan = replace(
                fresh, zoom=plan.zoom, anchors=plan.anchors, dropout=self._options.dropout
            )
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
        threshold = self._threshold(finished, parent)
        return self._write(finished, threshold, checkpoints)

    def _plan(self) -> Plan:
        surveys: list[Survey] = []
        for case in self._each(self._request.train, "looking at the labels"):
            survey = self._cache.survey(case)
            check_values(survey.values, self._request.schema, f"Case {case.id}")
            surveys.append(survey)
            first = surveys[0].shape, surveys[0].channels
            check_alike(survey.shape, survey.channels, first, f"Case {case.id}")
        memory = devices.free_memory(self._device)
        return make_plan(surveys, self._options, self._device.type, memory)

    def _parent(self, fresh: Plan) -> tuple[Weights | None, list[str]]:
        """Read the version to go on from; None, with a note, where that is not possible."""
        if self._request.parent is None:
            return None, []
        try:
            parent = read_weights(self._request.parent, self._request.schema)
        except UnsuitableInput as error:
            return None, [f"Did not go on from the parent: {error}"]
        obstacle = parent.plan.obstacle(fresh)
        if obstacle:
            return None, [f"Did not go on from the parent, its plan does not fit: {obstacle}."]
        return parent, []

    def _prepare(self, plan: Plan) -> list[TrainingCase]:
        cases = []
        held = 0
        for case in self._each(self._request.train, "preparing the images"):
            prepared = self._cache.case(case, plan, self._request.schema)
            held += prepared.image.nbytes
            if held <= _IN_MEMORY:
                prepared = replace(prepared, image=np.array(prepared.image))
            cases.append(prepared)
        return cases

    def _each(self, cases: Sequence[Case], message: str) -> Iterator[Case]:
        """Walk through cases, reporting and listening before each."""
        for index, case in enumerate(cases, start=1):
            self._listen()
            if self._steps:
                remark = f"{message}: {index} of {len(cases)}"
                self._watch.progress(Progress(step=0, total=self._steps, message=remark))
            yield case

    def _listen(self) -> None:
        if self._watch.should_stop():
            raise Stopped(
                "The training was told to stop outside its steps; the same request goes on from "
                "the last state that was saved."
            )

    def _attempt(
        self,
        state: RunState[Plan],
        parent: Weights | None,
        cases: list[TrainingCase],
        checkpoints: Checkpoints,
    ) -> tuple[_Finished | None, str]:
        """Train once; return the result, if any, and what is wrong with it, or nothing."""
        seed = self._request.seed + 1_000_003 * state.attempt
        network, started_from = self._network(
            state.plan, parent if state.attempt == 0 else None, seed
        )
        run = Run(network, state, steps=self._steps, seed=seed, device=self._device)
        try:
            average = run.go(cases, self._watch, checkpoints)
        except Diverged as error:
            return None, str(error)
        missing = self._missing(state.plan, average, cases)
        finished = _Finished(
            state=state, average=average, missing=missing, seed=seed, started_from=started_from
        )
        if not missing:
            return finished, ""
        names = ", ".join(missing)
        if self._steps < _ENOUGH_STEPS:
            state.notes.append(f"Not found yet, after only {self._steps} steps: {names}.")
            return finished, ""
        return finished, f"never found on training images: {names}"

    def _network(
        self, plan: Plan, parent: Weights | None, seed: int
    ) -> tuple[InstanceNetwork, str]:
        """Make the network that a run starts with, and say what its weights are."""
        torch.manual_seed(seed)
        network = InstanceNetwork(plan, self._classes)
        if parent is not None:
            network.load_state_dict(shrink_and_perturb(network.state_dict(), parent.state))
            return network, "the parent version"
        if self._options.initial_weights:
            return network, start_from(network, self._options.initial_weights, plan.model)
        return network, "random weights"

    def _missing(
        self, plan: Plan, average: dict[str, Tensor], cases: list[TrainingCase]
    ) -> tuple[str, ...]:
        inference = self._inference(plan, average)
        found = missing_classes(inference, cases, self._classes, UNSURE, self._listen)
        return tuple(self._request.schema.names[index - 1] for index in found)

    def _inference(self, plan: Plan, state: dict[str, Tensor]) -> Inference:
        network = InstanceNetwork(plan, self._classes)
        network.load_state_dict(state)
        return Inference(network, plan, self._classes, self._device)

    def _threshold(self, finished: _Finished, parent: Weights | None) -> float:
        """Choose the score threshold; without validation cases keep the parent's, or the usual."""
        plan = finished.state.plan
        best = best_threshold(
            self._inference(plan, finished.average),
            plan,
            self._request.schema,
            self._request.validation,
            self._listen,
        )
        if best is not None:
            return best
        return parent.score_threshold if parent else USUAL

    def _write(self, finished: _Finished, threshold: float, checkpoints: Checkpoints) -> Trained:
        request, plan = self._request, finished.state.plan
        path = Path(request.workspace) / "weights.pt"
        write_weights(
            path,
            Weights(
                plan=plan,
                classes=request.schema.names,
                state=finished.average,
                score_threshold=threshold,
                labels=len(request.train),
                started_from=finished.started_from,
            ),
        )
        checkpoints.clear()
        losses = {f"{name}_loss": value for name, value in finished.state.losses.items()}
        return Trained(
            weights=path,
            plan={**plan.as_json(), "started_from": finished.started_from},
            metrics={**losses, "score_threshold": threshold},
            seed=finished.seed,
            steps=finished.state.step,
            libraries={name: version(name) for name in _LIBRARIES},
            notes=tuple(finished.state.notes),
        )
