"""A tiny app that really learns: the intensity of each class, in numpy alone.

Every class is a Gaussian over the standardised intensities of a voxel (naive Bayes over channels),
so training takes milliseconds and works in 2D and 3D. Its options make it slow or make it
misbehave, for tests of what stands around it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from zipfile import BadZipFile

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
    Region,
    Stopped,
    Task,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
    cut_to,
    inside,
)

FAILURES = ("", "raise", "hang", "exit", "nan", "shape", "memory", "eat")
USUAL_STEPS = 20
VOXELS_PER_STEP = 4096
FORMAT = "tiny-1"

manifest = AppManifest(
    name="tiny",
    version="1.0.0",
    factory=":TinyApp",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE, Ability.REGIONS}),
    title="Intensity of each class",
    licence="Apache-2.0",
    options={
        "step_seconds": Option(default=0.0, help="Extra seconds of every step.", minimum=0),
        "predict_seconds": Option(default=0.0, help="Extra seconds of a prediction.", minimum=0),
        "fail": Option(default="", help="How a prediction fails.", choices=FAILURES),
        "fail_only": Option(default="", help="Name of the one image that this happens to."),
        "fail_train": Option(default="", help="How a training fails.", choices=FAILURES),
    },
)


@dataclass(frozen=True)
class Moments:
    """Sums over the voxels seen, by class (K = 1 + classes) and channel (C)."""

    count: npt.NDArray[np.float64]  # (K,)
    total: npt.NDArray[np.float64]  # (K, C)
    square: npt.NDArray[np.float64]  # (K, C)

    @classmethod
    def none(cls, classes: int, channels: int) -> Moments:
        return cls(np.zeros(classes), np.zeros((classes, channels)), np.zeros((classes, channels)))

    def plus(self, features: FloatArray, classes: npt.NDArray[np.intp]) -> Moments:
        hot = np.eye(len(self.count))[classes]  # (n, K)
        wide = features.astype(np.float64)
        return Moments(
            self.count + hot.sum(axis=0),
            self.total + hot.T @ wide,
            self.square + hot.T @ wide**2,
        )


class TinyApp:
    """Loads and trains `TinyModel`."""

    def load(self, request: LoadRequest) -> TinyModel:
        moments, values, axes, _ = _read(request.weights)
        if values != request.schema.values:
            raise UnsuitableInput(
                f"The weights know the values {values}, the schema has {request.schema.values}."
            )
        return TinyModel(moments, request.schema, axes, request.options)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        checkpoint = request.workspace / "checkpoint.npz"
        total = max(len(request.train), round(USUAL_STEPS * request.effort))
        notes: tuple[str, ...] = ()
        moments, step, axes = _start(request)
        if checkpoint.exists():
            moments, _, axes, step = _read(checkpoint)
            notes = (f"went on from step {step}",)
        watch.progress(Progress(step=step, total=total, message="counting intensities"))
        while step < total:
            _wait(float(_number(request.options, "step_seconds")), watch)
            _misbehave(str(request.options.get("fail_train", "")))
            case = request.train[step % len(request.train)]
            features, classes = _features_of(case, request.schema, (len(moments.total[0]), axes))
            chosen = np.random.default_rng((request.seed, step)).integers(
                len(classes), size=VOXELS_PER_STEP
            )
            moments = moments.plus(features[chosen], classes[chosen])
            step += 1
            _write(checkpoint, moments, request.schema, axes, step=step)
            watch.progress(Progress(step=step, total=total, losses={"spread": _spread(moments)}))
        return _finish(request, moments, axes, total, notes)


def _finish(
    request: TrainRequest, moments: Moments, axes: int, steps: int, notes: tuple[str, ...]
) -> Trained:
    failure = request.options.get("fail_train", "")
    if failure == "nan":
        moments = Moments(moments.count, moments.total * np.nan, moments.square)
    weights = request.workspace / ("absent.npz" if failure == "shape" else "weights.npz")
    if failure != "shape":
        _write(weights, moments, request.schema, axes)
    return Trained(
        weights=weights,
        plan={"axes": axes, "channels": int(moments.total.shape[1])},
        metrics={"spread": _spread(moments)},
        seed=request.seed,
        steps=steps,
        libraries={"numpy": np.__version__},
        notes=notes,
    )


class TinyModel:
    """Answers with the likeliest class of every voxel."""

    def __init__(
        self, moments: Moments, schema: LabelSchema, axes: int, options: Mapping[str, Json]
    ) -> None:
        self._moments = moments
        self._schema = schema
        self._axes = axes
        self._options = options

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        probabilities = self._probabilities(image)
        values = np.array(self._schema.values)
        kind = np.uint8 if values[-1] <= 255 else np.uint16
        array = values[probabilities.argmax(axis=0)].astype(kind)
        if self._failure(image) == "shape":
            array = array[..., :-1]
        return Prediction(
            answer=Mask(array=array, spacing=image.spacing, affine=image.affine),
            probabilities=probabilities if request.probabilities else None,
        )

    def describe(self, image: Image, request: PredictRequest) -> Described:
        wanted = PredictRequest(probabilities=True, seed=request.seed)
        full = self.predict(image, wanted)
        assert full.probabilities is not None
        box = None if request.region is None else _box(full.probabilities, request)
        if box is None:
            description = _describe(full.probabilities, image)
        else:
            within = full.probabilities[(slice(None), *box.slices)]
            description = replace(_describe(within, image), region=box)
        if not request.probabilities:
            full = Prediction(answer=full.answer)
        return Described(prediction=full, description=description)

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        by_case: dict[str, float] = {}
        by_class: dict[str, list[float]] = {name: [] for name in self._schema.names}
        for done, case in enumerate(cases):
            watch.progress(Progress(step=done, total=len(cases), message="measuring"))
            _wait(float(_number(self._options, "step_seconds")), watch)
            answer = self.predict(case.load_image(), PredictRequest()).answer
            label = _label_of(case, self._schema)
            assert isinstance(answer, Mask)
            if label.shape != answer.array.shape:
                raise UnsuitableInput(
                    f"The label of {case.id} has shape {label.shape}, its image "
                    f"{answer.array.shape}."
                )
            known = _known(case, label.shape)
            dice = _dice(answer.array[known], label[known], self._schema)
            by_case[case.id] = float(np.mean(list(dice.values()))) if dice else 1.0
            for name, score in dice.items():
                by_class[name].append(score)
        watch.progress(Progress(step=len(cases), total=len(cases), message="measuring"))
        return Evaluation(
            measure="dice",
            case_scores=by_case,
            class_scores={k: float(np.mean(v)) for k, v in by_class.items() if v},
        )

    def _failure(self, image: Image) -> str:
        only = self._options.get("fail_only", "")
        return str(self._options.get("fail", "")) if only in ("", image.name) else ""

    def _probabilities(self, image: Image) -> FloatArray:
        """(K, *spatial): the posterior of each class, float32."""
        time.sleep(float(_number(self._options, "predict_seconds")))
        _misbehave(self._failure(image))
        channels = self._moments.total.shape[1]
        _check(image, channels, self._axes)
        mean, deviation, prior = _gaussians(self._moments)
        x = _standardised(image).reshape(channels, -1)
        logits = np.repeat(np.log(prior)[:, None], x.shape[1], axis=1)
        for c in range(channels):
            distance = (x[c] - mean[:, c, None]) / deviation[:, c, None]
            logits -= distance**2 / 2 + np.log(deviation[:, c, None])
        powers = np.exp(logits - logits.max(axis=0))
        answer = (powers / powers.sum(axis=0)).astype(np.float32)
        if self._failure(image) == "nan":
            answer[:] = np.nan
        shaped: FloatArray = answer.reshape(len(mean), *image.shape)
        return shaped


def _box(probabilities: FloatArray, request: PredictRequest) -> Region:
    """The box of a coarse grid with the largest mean entropy, apart from what is labelled."""
    shape = probabilities.shape[1:]
    size = cut_to(request.region or (), shape)
    entropy = -(probabilities * np.log(np.clip(probabilities, 1e-12, 1))).sum(axis=0)
    starts = [
        sorted({*range(0, have - n, n), have - n}) for n, have in zip(size, shape, strict=True)
    ]
    boxes = [
        Region(start, tuple(a + n for a, n in zip(start, size, strict=True)))
        for start in product(*starts)
    ]
    free = [each for each in boxes if not any(each.overlaps(one) for one in request.labelled)]
    return max(free or boxes, key=lambda each: float(entropy[each.slices].mean()))


def _known(case: Case, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which voxels of a case are labelled (*spatial)."""
    if case.regions is None:
        return np.ones(shape, dtype=bool)
    if not all(each.lies_in(shape) for each in case.regions):
        raise UnsuitableInput(f"A region of {case.id} does not lie on its image of shape {shape}.")
    return inside(case.regions, shape)


def _describe(probabilities: FloatArray, image: Image) -> Description:
    """Entropy over ln K, as the mean of its upper twentieth: an object's size does not decide."""
    p = probabilities.reshape(len(probabilities), -1).astype(np.float64)
    entropy = -(p * np.log(np.clip(p, 1e-12, 1))).sum(axis=0) / np.log(len(p))
    upper = np.sort(entropy)[-max(1, entropy.size // 20) :]
    weighted = (p * entropy).sum(axis=1) / np.maximum(p.sum(axis=1), 1e-12)
    fractions = p.mean(axis=1)
    histogram, _ = np.histogram(np.clip(_standardised(image)[0], -3, 3), bins=8, range=(-3, 3))
    return Description(
        scores={"entropy": float(np.clip(upper.mean(), 0, 1))},
        class_scores=np.clip(weighted[1:], 0, 1).astype(np.float32),
        class_fractions=(fractions / fractions.sum()).astype(np.float32),
        embedding=(histogram / histogram.sum()).astype(np.float32),
    )


def _gaussians(moments: Moments) -> tuple[npt.NDArray[np.float64], ...]:
    """Mean (K, C), deviation (K, C) and prior (K,); a class never seen is next to impossible."""
    seen = np.maximum(moments.count, 1)[:, None]
    mean = moments.total / seen
    deviation = np.sqrt(np.maximum(moments.square / seen - mean**2, 1e-4))
    deviation[moments.count == 0] = 1.0
    prior = np.maximum(moments.count / max(moments.count.sum(), 1), 1e-9)
    return mean, deviation, prior / prior.sum()


def _spread(moments: Moments) -> float:
    return float(_gaussians(moments)[1].mean())


def _dice(
    answer: npt.NDArray[np.integer], label: npt.NDArray[np.integer], schema: LabelSchema
) -> dict[str, float]:
    """Dice of every class that is in the answer or in the label."""
    scores = {}
    for each in schema.classes:
        left, right = answer == each.value, label == each.value
        size = int(left.sum()) + int(right.sum())
        if size:
            scores[each.name] = 2 * int((left & right).sum()) / size
    return scores


def _features_of(
    case: Case, schema: LabelSchema, fit: tuple[int, int]
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Standardised intensities (voxels, C) and class indices (voxels,) of one case."""
    image, label = case.load_image(), _label_of(case, schema)
    try:
        _check(image, *fit)
    except UnsuitableInput as error:
        raise UnsuitableInput(f"Case {case.id} does not fit the others. {error}") from error
    if label.shape != image.shape:
        raise UnsuitableInput(
            f"The label of {case.id} has shape {label.shape}, its image {image.shape}."
        )
    features = _standardised(image).reshape(image.channels, -1).T
    known = _known(case, label.shape).ravel()
    return features[known], np.searchsorted(schema.values, label.ravel()[known])


def _label_of(case: Case, schema: LabelSchema) -> npt.NDArray[np.integer]:
    """The label of a case (*spatial), checked against the schema."""
    label = case.load_label()
    if not isinstance(label, Mask):
        raise UnsuitableInput(f"The label of {case.id} is a {type(label).__name__}, no mask.")
    known = label.array[_known(case, label.array.shape)]
    unknown = sorted(set(np.unique(known).tolist()) - set(schema.values))
    if unknown:
        raise UnsuitableInput(
            f"The label of {case.id} holds {unknown}; the schema has {schema.values}."
        )
    return label.array


def _standardised(image: Image) -> FloatArray:
    """(C, *spatial) float32 with mean 0 and deviation 1 in every channel."""
    array = image.array.astype(np.float32)
    axes = tuple(range(1, array.ndim))
    deviation = array.std(axis=axes, keepdims=True)
    return np.asarray(
        (array - array.mean(axis=axes, keepdims=True)) / np.where(deviation > 0, deviation, 1)
    )


def _check(image: Image, channels: int, axes: int) -> None:
    if image.channels != channels or len(image.shape) != axes or 0 in image.shape:
        raise UnsuitableInput(
            f"Image {image.name!r} has {image.channels} channels and shape {image.shape}; this "
            f"model takes {channels} channels and {axes} axes, none of them empty."
        )


def _start(request: TrainRequest) -> tuple[Moments, int, int]:
    """Moments of the parent, where it fits, counted as a single step; else none."""
    if not request.train:
        raise UnsuitableInput("There is no case to learn from; give at least one.")
    first = request.train[0].load_image()
    empty = Moments.none(len(request.schema.values), first.channels)
    if request.parent is not None:
        moments, values, axes, _ = _read(request.parent)
        if values == request.schema.values and moments.total.shape == empty.total.shape:
            share = VOXELS_PER_STEP / max(moments.count.sum(), 1)
            return (
                Moments(moments.count * share, moments.total * share, moments.square * share),
                0,
                axes,
            )
    return empty, 0, len(first.shape)


def _write(path: Path, moments: Moments, schema: LabelSchema, axes: int, step: int = 0) -> None:
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        format=np.array(FORMAT),
        count=moments.count,
        total=moments.total,
        square=moments.square,
        values=np.array(schema.values),
        axes=np.array(axes),
        step=np.array(step),
    )
    temporary.replace(path)


def _read(path: Path) -> tuple[Moments, tuple[int, ...], int, int]:
    """Moments, schema values, number of spatial axes and steps done."""
    try:
        # Opened here, because numpy leaves the file open when it is no archive after all.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["format"]) != FORMAT:
                raise UnsuitableInput(f"{path.name} was made by another version of this app.")
            moments = Moments(stored["count"], stored["total"], stored["square"])
            values = tuple(int(each) for each in stored["values"])
            return moments, values, int(stored["axes"]), int(stored["step"])
    except (OSError, ValueError, KeyError, EOFError, IndexError, TypeError, BadZipFile) as error:
        raise UnsuitableInput(f"{path.name} holds no weights of this app: {error}.") from error


def _number(options: Mapping[str, Json], name: str) -> float:
    value = options.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _wait(seconds: float, watch: Watch) -> None:
    """Wait in short pieces, listening to the watch; asks it at least once."""
    end = time.monotonic() + seconds
    while True:
        if watch.should_stop():
            raise Stopped("Stopped when told.")
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.02))


def _misbehave(how: str) -> None:
    if how == "raise":
        raise RuntimeError("This failure was asked for.")
    if how == "exit":
        os._exit(3)
    if how == "memory":
        np.empty(1 << 50)  # more than any address space holds: a true MemoryError
    eaten = []
    while how == "eat":
        eaten.append(np.ones(1 << 20))  # touched, so that it counts
    while how == "hang":
        time.sleep(0.05)
