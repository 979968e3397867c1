"""What a worker does with labelled cases: train, and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from limner.engine.failures import contract, foreign_code
from limner.engine.interface import CaseSource
from limner.engine.messages import Evaluate, Train
from limner.engine.numbers import Broken, finite, finite_only, plain_json, unit, whole
from limner.engine.reporting import Reporter
from limner.engine.warm import WarmModels, app_words
from limner.errors import ImageError, PluginFailed
from limner.images import read_label
from limner.plugin import (
    Answer,
    Case,
    Evaluates,
    Evaluation,
    Json,
    LabelSchema,
    Task,
    Trained,
    TrainRequest,
    Trains,
)


def train(command: Train, models: WarmModels, watch: Reporter) -> Trained:
    """Train a model version.

    Raises:
        Stopped: The watch said so.
        LimnerError: A case cannot be read, or the app failed or broke the contract.
    """
    who, task = app_words(command.app), command.task
    app = models.app(command.app)
    if not isinstance(app, Trains):
        raise PluginFailed(f"{who} cannot train.")
    for folder in (task.workspace, task.cache):
        folder.mkdir(parents=True, exist_ok=True)
    request = TrainRequest(
        schema=task.schema,
        train=_cases(task.train, task.schema, command.app.task),
        validation=_cases(task.validation, task.schema, command.app.task),
        parent=task.parent,
        seed=task.seed,
        workspace=task.workspace,
        cache=task.cache,
        effort=task.effort,
        device=models.device,
        threads=models.threads,
        options=task.options,
    )
    notes: tuple[str, ...] = ()
    try:
        with foreign_code(who, "train"):
            trained = app.train(request, watch)
    except ImageError:
        # One file that went bad must not keep every other label from being learnt.
        request, notes = _without_unreadable(request)
        if not notes or not request.train:
            raise
        with foreign_code(who, "train"):
            trained = app.train(request, watch)
    with contract(who, "train"):
        checked = checked_trained(trained, task.workspace)
    return replace(checked, notes=(*checked.notes, *notes))


def evaluate(command: Evaluate, models: WarmModels, watch: Reporter) -> Evaluation:
    """Measure a model on labelled cases.

    Raises:
        Stopped: The watch said so.
        LimnerError: A case cannot be read, or the app failed or broke the contract.
    """
    source = command.model
    who = app_words(source.app)
    model = models.model(source)
    if not isinstance(model, Evaluates):
        raise PluginFailed(f"{who} has a model that cannot evaluate.")
    cases: Sequence[Case] = _cases(command.cases, source.schema, source.app.task)
    try:
        with foreign_code(who, "evaluate"):
            evaluation = model.evaluate(cases, watch)
    except ImageError:
        readable = [case for case in cases if _fault(case) is None]
        if not readable or len(readable) == len(cases):
            raise
        cases = readable
        with foreign_code(who, "evaluate"):
            evaluation = model.evaluate(cases, watch)
    with contract(who, "evaluate"):
        return checked_evaluation(evaluation, [case.id for case in cases], source.schema)


def checked_trained(trained: object, workspace: Path) -> Trained:
    """Return what a training left in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    if not isinstance(trained, Trained):
        raise Broken(f"the answer is a {type(trained).__name__}, not a Trained")
    weights = Path(trained.weights).resolve()
    if not weights.is_file():
        raise Broken(f"there is no file of weights at {weights}")
    if workspace.resolve() not in weights.parents:
        raise Broken(f"the weights {weights} do not lie in the workspace {workspace}")
    plan = cast(Mapping[str, Json], plain_json("the plan", dict(trained.plan)))
    return Trained(
        weights=weights,
        plan=plan,
        metrics=finite_only(trained.metrics),
        seed=whole("the seed", trained.seed),
        steps=whole("the number of steps", trained.steps),
        libraries={str(name): str(version) for name, version in trained.libraries.items()},
        notes=tuple(str(note) for note in trained.notes),
    )


def checked_evaluation(evaluation: object, ids: Sequence[str], schema: LabelSchema) -> Evaluation:
    """Return an evaluation in plain form.

    Raises:
        Broken: It breaks the contract; the message says where.
    """
    if not isinstance(evaluation, Evaluation):
        raise Broken(f"the answer is a {type(evaluation).__name__}, not an Evaluation")
    scores = evaluation.case_scores
    if set(scores) != set(ids):
        odd = sorted(map(str, set(scores) ^ set(ids)))[:5]
        raise Broken(f"case_scores must name every case and no other; at odds are {odd}")
    unknown = set(evaluation.class_scores) - set(schema.names)
    if unknown:
        raise Broken(f"class_scores names {sorted(unknown)}; the classes are {list(schema.names)}")
    return Evaluation(
        measure=str(evaluation.measure),
        case_scores={name: unit(f"the score of case {name}", scores[name]) for name in ids},
        case_weights=_checked_weights(evaluation.case_weights, ids),
        class_scores={
            str(name): unit(f"the score of class {name}", score)
            for name, score in evaluation.class_scores.items()
        },
        metrics=finite_only(evaluation.metrics),
        class_tolerances={
            str(name): unit(f"the tolerance of class {name}", tolerance)
            for name, tolerance in evaluation.class_tolerances.items()
        },
        is_one_sided=bool(evaluation.is_one_sided),
        chance=unit("chance", evaluation.chance),
    )


def _checked_weights(weights: Mapping[str, float], ids: Sequence[str]) -> dict[str, float]:
    if not weights:
        return {}
    if set(weights) != set(ids):
        raise Broken("case_weights must name every case and no other, or be empty")
    checked = {name: finite(f"the weight of case {name}", weights[name]) for name in ids}
    if min(checked.values()) <= 0:
        raise Broken(f"case_weights must be above 0; the smallest is {min(checked.values())}")
    return checked


def _without_unreadable(request: TrainRequest) -> tuple[TrainRequest, tuple[str, ...]]:
    """Leave out the cases that cannot be read; say which, and why."""
    faults = {case.id: _fault(case) for case in (*request.train, *request.validation)}
    kept = replace(
        request,
        train=[case for case in request.train if faults[case.id] is None],
        validation=[case for case in request.validation if faults[case.id] is None],
    )
    notes = [
        f"Sample {name} was left out: its image or label cannot be used ({fault})."
        for name, fault in faults.items()
        if fault is not None
    ]
    return kept, tuple(notes)


def _fault(case: Case) -> str | None:
    """Say what keeps a case from being read; None when nothing does."""
    try:
        case.load_image()
        case.load_label()
    except ImageError as error:
        return type(error).__name__
    return None


def _cases(sources: Sequence[CaseSource], schema: LabelSchema, task: Task) -> tuple[Case, ...]:
    return tuple(
        Case(
            id=source.id,
            fingerprint=source.fingerprint,
            load_image=source.image.read,
            load_label=partial(_label, source, schema, task),
            is_new=source.is_new,
            regions=source.regions,
        )
        for source in sources
    )


def _label(source: CaseSource, schema: LabelSchema, task: Task) -> Answer:
    image = source.image
    return read_label(source.label, source.label_format, image.header(), schema, task, image.limits)
