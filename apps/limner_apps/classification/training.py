"""A training from the request to the weights file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
from limner_apps.classification import manifest
from limner_apps.classification.batches import TrainingCase
from limner_apps.classification.budget import plan_steps
from limner_apps.classification.cache import CaseCache
from limner_apps.classification.calibration import fit_temperatures, usual_temperatures
from limner_apps.classification.case_logits import case_logits
from limner_apps.classification.collapse import untold_classes
from limner_apps.classification.imbalance import is_comparable, usual_way
from limner_apps.classification.inference import Inference
from limner_apps.classification.initial_weights import load_initial_weights
from limner_apps.classification.labels import read_label
from limner_apps.classification.network import Classifier, build_network
from limner_apps.classification.options import Options
from limner_apps.classification.plan import Plan
from limner_apps.classification.planning import make_plan
from limner_apps.classification.state import WeighedState
from limner_apps.classification.survey import Survey
from limner_apps.classification.trainer import Run
from limner_apps.classification.weighing import best_way
from limner_apps.classification.weights import Weights, read_weights, write_weights
from limner_apps.learning import device as devices
from limner_apps.learning.attempts import Finished, train_until_learnt
from limner_apps.learning.checkpoint import Checkpoints, request_fingerprint
from limner_apps.learning.images import check_alike
from limner_apps.learning.schedule import Diverged
from limner_apps.learning.warm_start import shrink_and_perturb

_ENOUGH_STEPS = 40
"""A run shorter than this that does not tell a class apart is unfinished rather than collapsed."""
_IN_MEMORY = 2 << 30
"""Bytes of preprocessed images that are held in memory; the rest stays memory-mapped."""
_LIBRARIES = ("monai", "numpy", "torch", "torchvision")


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
        self._held = 0
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
        cases = self._prepare(request.train, plan)
        validation = self._prepare(request.validation, plan)
        kept = checkpoints.load()
        if kept is not None:
            state = WeighedState.read(
                kept, Plan.from_json, imbalance=str(kept["header"]["imbalance"])
            )
        else:
            notes += self._note_of_start(plan, parent)
            way = self._way(plan, parent, cases, validation, notes)
            state = WeighedState(plan=plan, imbalance=way, notes=notes)
        finished = train_until_learnt(
            state, lambda state: self._attempt(state, parent, cases, checkpoints)
        )
        temperatures = self._temperatures(finished, cases, validation)
        kinds = len(np.unique(_labels(cases), axis=0))
        return self._write(finished, temperatures, kinds, checkpoints)

    def _plan(self) -> Plan:
        surveys: list[Survey] = []
        for case in self._each(self._request.train, "looking at the images"):
            survey = self._cache.survey(case)
            surveys.append(survey)
            first = surveys[0]
            check_alike(
                survey.shape, survey.channels, (first.shape, first.channels), f"Case {case.id}"
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

    def _prepare(self, cases: Sequence[Case], plan: Plan) -> list[TrainingCase]:
        prepared = []
        for case in self._each(cases, "preparing the images"):
            label = read_label(case.load_label(), self._request.schema, f"Case {case.id}")
            image = self._cache.image(case, plan)
            self._held += image.nbytes
            if self._held <= _IN_MEMORY:
                image = np.array(image)
            prepared.append(TrainingCase(image=image, classes=label, is_new=case.is_new))
        return prepared

    def _each(self, cases: Sequence[Case], message: str) -> Iterator[Case]:
        """Walk through cases, reporting and listening before each."""
        for index, case in enumerate(cases, start=1):
            if self._watch.should_stop():
                raise Stopped(f"The training was told to stop while {message}.")
            if self._steps:
                remark = f"{message}: {index} of {len(cases)}"
                self._watch.progress(Progress(step=0, total=self._steps, message=remark))
            yield case

    def _note_of_start(self, plan: Plan, parent: Weights | None) -> list[str]:
        """Load the operator's weights once, to refuse or announce them before a step is done."""
        if parent is not None or not self._options.initial_weights:
            return []
        path = Path(self._options.initial_weights)
        return [load_initial_weights(build_network(plan, self._classes), path)]

    def _way(
        self,
        plan: Plan,
        parent: Weights | None,
        cases: list[TrainingCase],
        validation: list[TrainingCase],
        notes: list[str],
    ) -> str:
        """Choose how rare classes get their weight."""
        schema, wanted = self._request.schema, self._options.imbalance
        if wanted != "auto":
            return wanted
        if not validation or not is_comparable(_labels(cases), _labels(validation), schema):
            return usual_way(schema)
        seed = self._request.seed
        way = best_way(
            lambda: self._network(plan, parent, seed),
            plan,
            schema,
            cases,
            validation,
            steps=self._steps,
            seed=seed,
            device=self._device,
            watch=self._watch,
        )
        notes.append(f"Weights of rare classes, the best on the validation set: {way}.")
        return way

    def _attempt(
        self,
        state: WeighedState,
        parent: Weights | None,
        cases: list[TrainingCase],
        checkpoints: Checkpoints,
    ) -> tuple[Finished[WeighedState] | None, str]:
        """Train once; return the result, if any, and what is wrong with it, or nothing."""
        seed = self._request.seed + 1_000_003 * state.attempt
        network = self._network(state.plan, parent if state.attempt == 0 else None, seed)
        run = Run(
            network,
            state,
            self._request.schema,
            steps=self._steps,
            seed=seed,
            device=self._device,
        )
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
            state.notes.append(f"Not told apart yet, after only {self._steps} steps: {names}.")
            return finished, ""
        return finished, f"training images with and without these look alike to it: {names}"

    def _network(self, plan: Plan, parent: Weights | None, seed: int) -> Classifier:
        torch.manual_seed(seed)
        network = build_network(plan, self._classes)
        if parent is not None:
            network.load_state_dict(shrink_and_perturb(network.state_dict(), parent.state))
        elif self._options.initial_weights:
            load_initial_weights(network, Path(self._options.initial_weights))
        return network

    def _missing(
        self, plan: Plan, average: dict[str, Tensor], cases: list[TrainingCase]
    ) -> tuple[str, ...]:
        schema = self._request.schema
        inference = self._inference(plan, average)
        found = untold_classes(inference, cases, schema.exclusive, self._watch)
        return tuple(schema.names[index] for index in found)

    def _inference(self, plan: Plan, state: dict[str, Tensor]) -> Inference:
        network = build_network(plan, self._classes)
        network.load_state_dict(state)
        return Inference(network, plan, self._device)

    def _temperatures(
        self,
        finished: Finished[WeighedState],
        cases: list[TrainingCase],
        validation: list[TrainingCase],
    ) -> tuple[float, ...]:
        """Fit temperatures; what cannot be fitted is what so many labels usually have."""
        exclusive = self._request.schema.exclusive
        before = usual_temperatures(_labels(cases), exclusive)
        if not validation:
            return before
        inference = self._inference(finished.state.plan, finished.average)
        logits = case_logits(inference, validation, self._watch)
        return fit_temperatures(logits, torch.from_numpy(_labels(validation)), exclusive, before)

    def _write(
        self,
        finished: Finished[WeighedState],
        temperatures: tuple[float, ...],
        kinds: int,
        checkpoints: Checkpoints,
    ) -> Trained:
        request, plan = self._request, finished.state.plan
        path = Path(request.workspace) / "weights.pt"
        write_weights(
            path,
            Weights(
                plan=plan,
                schema=request.schema,
                state=finished.average,
                temperatures=temperatures,
                labels=len(request.train),
                kinds=kinds,
            ),
        )
        checkpoints.clear()
        temperature = float(np.mean(temperatures))
        return Trained(
            weights=path,
            plan={**plan.as_json(), "imbalance": finished.state.imbalance},
            metrics={
                "cross_entropy": finished.state.losses.get("cross_entropy", 0.0),
                "temperature": temperature,
            },
            seed=finished.seed,
            steps=finished.state.step,
            libraries={name: version(name) for name in _LIBRARIES},
            notes=tuple(finished.state.notes),
        )


def _labels(cases: Sequence[TrainingCase]) -> npt.NDArray[np.uint8]:
    """Return (n, classes), 0 and 1."""
    return np.stack([case.classes for case in cases])
