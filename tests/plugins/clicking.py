"""A tiny app that follows an annotator, in numpy alone, for pictures and volumes.

Unprompted, every voxel takes the class whose mean intensity is nearest. Prompts change that answer,
one after the other:

- a box is filled;
- a scribble is copied: its class where it says so, background where the class is not to be;
- a point of the class grows a region: what is connected to it and as bright, within `tolerance`;
- a point not of the class takes the class away from a ball of `RADIUS` voxels around it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    Ability,
    AppManifest,
    Case,
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    Json,
    LabelSchema,
    LoadRequest,
    Mask,
    Option,
    Prediction,
    PredictRequest,
    Progress,
    Prompt,
    PromptKind,
    Stopped,
    Task,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
    window,
)

RADIUS = 2
FORMAT = "clicking-1"

BoolArray = npt.NDArray[np.bool_]

manifest = AppManifest(
    name="clicking",
    version="1.0.0",
    factory=":Clicking",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE, Ability.PROMPT}),
    prompts=frozenset(PromptKind),
    title="Regions that grow from clicks",
    licence="Apache-2.0",
    options={
        "tolerance": Option(
            default=0.2,
            help="How far from the clicked intensity a region reaches, of the image's range.",
            minimum=0,
            maximum=1,
        ),
        "prompt_seconds": Option(default=0.0, help="Extra seconds of a prompt.", minimum=0),
    },
)


class Clicking:
    """Learns the mean intensity of each class, a case a step."""

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        if not request.train:
            raise UnsuitableInput("There is no label to learn from; give at least one.")
        checkpoint, total = request.workspace / "checkpoint.json", len(request.train)
        values = request.schema.values
        state = _read(checkpoint) if checkpoint.exists() else {}
        sums = np.array(state.get("sums", np.zeros(len(values))))
        counts = np.array(state.get("counts", np.zeros(len(values))))
        done = int(state.get("done", 0))
        watch.progress(Progress(step=done, total=total, message="measuring intensities"))
        for step, case in enumerate(request.train[done:], start=done + 1):
            if watch.should_stop():
                raise Stopped("The training was told to stop.")
            grey, label = _read_case(case, request.schema)
            sums += [grey[label == value].sum() for value in values]
            counts += [(label == value).sum() for value in values]
            _write(checkpoint, done=step, sums=sums.tolist(), counts=counts.tolist())
            watch.progress(Progress(step=step, total=total))
        # A class that no label holds yet gets a mean that nothing is near to.
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 1e6)
        weights = request.workspace / "weights.json"
        _write(weights, means=means.tolist(), values=values)
        return Trained(
            weights=weights,
            plan={"normalisation": "z-score of each image"},
            metrics={},
            seed=request.seed,
            steps=total,
            libraries={"numpy": np.__version__},
        )

    def load(self, request: LoadRequest) -> ClickingModel:
        state = _read(request.weights)
        if state.get("values") != list(request.schema.values):
            raise UnsuitableInput(
                f"The weights know the values {state.get('values')}, the schema has "
                f"{request.schema.values}."
            )
        return ClickingModel(np.array(state["means"], np.float32), request.schema, request.options)


class ClickingModel:
    """Predicts, follows prompts, describes and measures itself."""

    def __init__(self, means: FloatArray, schema: LabelSchema, options: Mapping[str, Json]) -> None:
        self._means = means
        self._schema = schema
        self._tolerance = _number(options, "tolerance", 0.2)
        self._prompt_seconds = _number(options, "prompt_seconds", 0.0)

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return self._answer(image, self._probabilities(image), request)

    def prompt(
        self, image: Image, prompts: Sequence[Prompt], request: PredictRequest
    ) -> Prediction:
        maps = self._probabilities(image)
        for each in prompts:
            _check(each, image, self._schema)
        time.sleep(self._prompt_seconds)
        for each in prompts:
            self._follow(each, image, maps)
        return self._answer(image, maps, request)

    def describe(self, image: Image, request: PredictRequest) -> Described:
        maps = self._probabilities(image)
        p = maps.reshape(len(maps), -1).astype(np.float64)
        entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0) / np.log(len(p))
        hardest = np.sort(entropy)[-max(1, entropy.size // 50) :].mean()
        return Described(
            prediction=self._answer(image, maps, request),
            description=Description(
                scores={"entropy": float(np.clip(hardest, 0, 1))},
                class_scores=np.clip((p * entropy).mean(axis=1)[1:], 0, 1).astype(np.float32),
                class_fractions=p.mean(axis=1).astype(np.float32),
            ),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        by_case: dict[str, float] = {}
        by_class: dict[str, list[float]] = {}
        for row, case in enumerate(cases):
            if watch.should_stop():
                raise Stopped("The evaluation was told to stop.")
            _, label = _read_case(case, self._schema)
            answer = self._mask(case.load_image(), self._probabilities(case.load_image())).array
            dice = _dice(answer, label, self._schema)
            by_case[case.id] = float(np.mean(list(dice.values()))) if dice else 1.0
            for name, score in dice.items():
                by_class.setdefault(name, []).append(score)
            watch.progress(Progress(step=row + 1, total=len(cases)))
        class_scores = {name: float(np.mean(scores)) for name, scores in by_class.items()}
        return Evaluation(measure="dice", case_scores=by_case, class_scores=class_scores)

    def _probabilities(self, image: Image) -> FloatArray:
        """(1 + classes, *spatial): a softmax over squared distances to the means."""
        means = self._means.reshape(-1, *[1] * len(image.shape))
        distance = np.square(_normalised(image)[None] - means)
        likelihood = np.exp(-(distance - distance.min(axis=0)))
        return np.asarray(likelihood / likelihood.sum(axis=0), dtype=np.float32)

    def _follow(self, prompt: Prompt, image: Image, maps: FloatArray) -> None:
        """Make sure in the probabilities of what a prompt says."""
        row = self._schema.values.index(prompt.value)
        wanted, unwanted = np.zeros(image.shape, np.bool_), np.zeros(image.shape, np.bool_)
        for box in prompt.boxes:
            wanted[window(box)] = True
        grey = image.array[0].astype(np.float32)
        reach = self._tolerance * float(grey.max() - grey.min())
        for point, positive in zip(prompt.points.astype(int), prompt.positive, strict=True):
            if positive:
                wanted |= _grown(np.abs(grey - grey[tuple(point)]) <= reach, tuple(point))
            else:
                unwanted |= _ball(point, image.shape)
        if prompt.scribble is not None:
            wanted |= prompt.scribble == 1
            unwanted |= prompt.scribble == 2
        for chosen, where in (
            (row, wanted & ~unwanted),
            (0, unwanted & (maps.argmax(axis=0) == row)),
        ):
            maps[:, where] = 0
            maps[chosen, where] = 1

    def _mask(self, image: Image, maps: FloatArray) -> Mask:
        values = np.array(self._schema.values)
        kind = np.uint8 if values[-1] <= 255 else np.uint16
        array = values[maps.argmax(axis=0)].astype(kind)
        return Mask(array=array, spacing=image.spacing, affine=image.affine)

    def _answer(self, image: Image, maps: FloatArray, request: PredictRequest) -> Prediction:
        probabilities = maps if request.probabilities else None
        return Prediction(answer=self._mask(image, maps), probabilities=probabilities)


def _grown(near: BoolArray, start: tuple[int, ...]) -> BoolArray:
    """What is connected, face to face, to a voxel."""
    region = np.zeros(near.shape, np.bool_)
    region[start] = True
    while True:
        wider = region.copy()
        for axis in range(region.ndim):
            to, at = np.moveaxis(wider, axis, 0), np.moveaxis(region, axis, 0)
            to[1:] |= at[:-1]
            to[:-1] |= at[1:]
        wider &= near
        if np.array_equal(wider, region):
            return region
        region = wider


def _ball(centre: npt.NDArray[Any], shape: tuple[int, ...]) -> BoolArray:
    """The voxels at most `RADIUS` away."""
    grid = np.ogrid[tuple(slice(0, size) for size in shape)]
    squares = sum((each - at) ** 2 for each, at in zip(grid, centre, strict=True))
    return np.asarray(squares <= RADIUS**2, np.bool_)


def _check(prompt: Prompt, image: Image, schema: LabelSchema) -> None:
    """Refuse what does not lie on the image, or is about no class."""
    if prompt.value not in schema.values[1:]:
        raise UnsuitableInput(
            f"The prompt is about the value {prompt.value}; the classes are {schema.values[1:]}."
        )
    shape, axes = np.array(image.shape), len(image.shape)
    points, boxes = prompt.points, prompt.boxes
    if points.shape != (len(prompt.positive), axes) or boxes.shape != (len(boxes), 2 * axes):
        raise UnsuitableInput(
            f"Points of shape {points.shape} and boxes of shape {boxes.shape} do not fit an image "
            f"of {axes} axes."
        )
    low, high = boxes[:, :axes], boxes[:, axes:]
    if (points < 0).any() or (points >= shape).any():
        raise UnsuitableInput(f"A point of {points.tolist()} is outside the image, {image.shape}.")
    if (low < 0).any() or (high > shape).any() or (high <= low).any():
        raise UnsuitableInput(
            f"A box of {boxes.tolist()} is empty or outside the image, {image.shape}."
        )
    if prompt.scribble is not None and prompt.scribble.shape != image.shape:
        raise UnsuitableInput(
            f"The scribble has shape {prompt.scribble.shape}, its image {image.shape}."
        )


def _dice(
    answer: npt.NDArray[Any], label: npt.NDArray[Any], schema: LabelSchema
) -> dict[str, float]:
    """Dice of every class that is in the answer or in the label."""
    scores = {}
    for each in schema.classes:
        left, right = answer == each.value, label == each.value
        size = int(left.sum()) + int(right.sum())
        if size:
            scores[each.name] = 2 * int((left & right).sum()) / size
    return scores


def _normalised(image: Image) -> FloatArray:
    """The grey values (*spatial) with mean 0 and deviation 1."""
    if image.channels != 1 or len(image.shape) not in (2, 3) or image.array.size == 0:
        raise UnsuitableInput(
            f"Image {image.name!r} has {image.channels} channels and shape {image.shape}; this app "
            "takes one channel and 2 or 3 axes that are not empty."
        )
    grey = image.array[0].astype(np.float32)
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-6), dtype=np.float32)


def _read_case(case: Case, schema: LabelSchema) -> tuple[FloatArray, npt.NDArray[Any]]:
    """Normalised grey values and mask of a case, each (*spatial)."""
    image, label = case.load_image(), case.load_label()
    if not isinstance(label, Mask) or label.array.shape != image.shape:
        raise UnsuitableInput(f"The label of case {case.id} is no mask of shape {image.shape}.")
    if not np.isin(label.array, schema.values).all():
        raise UnsuitableInput(
            f"The label of case {case.id} holds values other than {schema.values}."
        )
    try:
        return _normalised(image), label.array
    except UnsuitableInput as error:
        raise UnsuitableInput(f"Case {case.id} does not fit. {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsuitableInput(f"{path.name} is no file of this app: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UnsuitableInput(f"{path.name} was made by another app, or another version of this.")
    return state


def _write(path: Path, **state: object) -> None:
    half = path.with_suffix(".half")
    half.write_text(json.dumps({"format": FORMAT, **state}), encoding="utf-8")
    half.replace(path)


def _number(options: Mapping[str, Json], name: str, default: float) -> float:
    value = options.get(name, default)
    return float(value) if isinstance(value, int | float) else default
