"""Between what a comparison happens: a training on all labels, and one that can learn nothing.

Both follow the recipe of the arms: the same app, options, effort, validation set and initial seed.
The lower bound is trained on as many labels as the arms have in the end, each of them the label of
another image, fitted to the image's shape around its middle. What such a model scores, a model
knows without having looked: how often a class is, and where things usually lie.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from limner.engine import CaseSource, ModelRef, TrainTask
from limner.images import encode_answer, label_suffixes
from limner.loop.models import model_key
from limner.loop.seeds import derived_seed
from limner.simulate.arm import Material
from limner.simulate.arm_engine import ArmEngine
from limner.simulate.arm_watch import ArmWatch
from limner.simulate.mistakes import moved_to
from limner.simulate.record import Record, evaluation_record
from limner.simulate.whole_files import write_whole
from limner.simulate.work_items import WorkItem


def train_bound(
    engine: ArmEngine,
    material: Material,
    item: WorkItem,
    record: Record,
    watch: ArmWatch,
    folder: Path,
) -> None:
    """Train and measure a bound; one that was cut off goes on from its checkpoint.

    Args:
        engine: Trains and measures.
        material: What is trained on.
        item: Which bound, of which seed.
        record: Kept at the end.
        watch: Told how far it is.
        folder: Of this work alone.

    Raises:
        Stopped: The watch said so.
        LimnerError: Something failed.
    """
    if record.rounds:
        return
    validation = material.validation(item.seed)
    count = len(material.split.pool)
    if _is_trivial(item):
        count = max(1, material.design.budgets[-1] - len(validation))
    train = material.split.drawn(item.seed, count, without=validation)
    if _is_trivial(item):
        cases = _shuffled(material, [*train, *validation], item.seed, folder / "labels")
    else:
        cases = {name: material.case(name) for name in (*train, *validation)}
    watch.stage("training")
    began = time.monotonic()
    ref = _train(engine, material, item, watch, folder, cases, train, validation)
    trained = time.monotonic()
    watch.stage("measuring")
    names = material.split.test
    evaluation = engine.evaluate(ref, [material.case(name) for name in names], watch)
    seconds = {"train": trained - began, "measure": time.monotonic() - trained}
    entry = {
        "round": 1,
        "labels": len(train) + len(validation),
        "test": evaluation_record(evaluation, names),
        "seconds": {name: round(each, 3) for name, each in seconds.items()},
    }
    record.rounds.append(entry)
    record.save()
    watch.round_done(entry)


def _is_trivial(item: WorkItem) -> bool:
    return item.key.startswith("trivial")


def _train(
    engine: ArmEngine,
    material: Material,
    item: WorkItem,
    watch: ArmWatch,
    folder: Path,
    cases: Mapping[str, CaseSource],
    train: Sequence[str],
    validation: Sequence[str],
) -> ModelRef:
    design = material.design
    schema, options = design.schema, design.project.app_options
    for each in ("training", "cache"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    trained = engine.train(
        TrainTask(
            app=design.app,
            schema=schema,
            train=[cases[name] for name in train] or [cases[name] for name in validation],
            validation=[cases[name] for name in validation] if train else [],
            parent=None,
            seed=derived_seed(item.seed, "train", 1),
            workspace=folder / "training",
            cache=folder / "cache",
            effort=design.effort,
            options=options,
        ),
        watch,
    )
    return ModelRef(
        app=design.app,
        key=model_key(design.app, str(trained.weights), schema, options),
        weights=trained.weights,
        schema=schema,
        options=options,
    )


def _shuffled(
    material: Material, names: Sequence[str], seed: int, folder: Path
) -> dict[str, CaseSource]:
    """Give every image the label of another one, fitted to its shape."""
    schema, task = material.design.schema, material.design.kind
    random = np.random.default_rng(derived_seed(seed, "shuffled"))
    # A turn around a random circle: nobody keeps the own label.
    circle = [names[place] for place in random.permutation(len(names))]
    donors = dict(zip(circle, [*circle[1:], circle[0]], strict=True))
    cases = {}
    for number, (name, donor) in enumerate(donors.items()):
        header = material.truth.source(name).header()
        answer = material.truth.answer(donor, schema, task)
        if len(material.truth.source(donor).header().shape) != len(header.shape):
            answer = material.truth.answer(name, schema, task)  # a picture has no label of a volume
        suffix = label_suffixes(task, header.kind)[0]
        moved = moved_to(answer, header.shape)
        place = folder / f"{number:06d}{suffix}"
        write_whole(place, encode_answer(moved, header, schema, suffix))
        case = material.case(name)
        cases[name] = replace(
            case, label=place, label_format=suffix, fingerprint=f"shuffled/{case.fingerprint}"
        )
    return cases
