"""A tiny app that sorts images: the class whose mean features are nearest, in numpy alone.

Features are the mean intensity of every channel, its deviation, and how much it changes over one,
two, four and eight pixels: enough to tell textures apart. A softmax over distances (Mahalanobis)
gives probabilities; where an image may have several classes, each is weighed against its absence.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    Ability,
    AppManifest,
    Case,
    ClassScores,
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    Json,
    LabelSchema,
    LoadRequest,
    Option,
    Prediction,
    PredictRequest,
    Progress,
    Stopped,
    Task,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)

USUAL_STEPS = 20
LAGS = (1, 2, 4, 8)
NOISE = 0.02
FORMAT = "tiny-classifier-1"

Array = npt.NDArray[np.float64]

manifest = AppManifest(
    name="tiny-classifier",
    version="1.0.0",
    factory=":TinyClassifier",
    task=Task.CLASSIFICATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset(Ability) - {Ability.PROMPT, Ability.REGIONS},
    title="Nearest mean of a few features",
    licence="Apache-2.0",
    options={
        "step_seconds": Option(default=0.0, help="Extra seconds of every step.", minimum=0),
    },
)


@dataclass(frozen=True)
class Knowledge:
    """Sums of features (F) over the images seen, with and without each class (K), and the step."""

    count: Array  # (2, K): of images without it, with it
    total: Array  # (2, K, F)
    square: Array  # (F, F), products of every two features, over all images
    values: tuple[int, ...]  # of the schema, background first
    exclusive: bool
    axes: int
    channels: int
    step: int = 0

    @classmethod
    def none(cls, schema: LabelSchema, image: Image) -> Knowledge:
        classes, features = len(schema.classes), image.channels * (2 + len(LAGS))
        return cls(
            np.zeros((2, classes)),
            np.zeros((2, classes, features)),
            np.zeros((features, features)),
            schema.values,
            schema.exclusive,
            len(image.shape),
            image.channels,
        )

    def plus(self, features: Array, present: npt.NDArray[np.bool_]) -> Knowledge:
        sides = np.stack([~present, present]).astype(np.float64)
        return replace(
            self,
            count=self.count + sides,
            total=self.total + sides[:, :, None] * features,
            square=self.square + np.outer(features, features),
        )

    def faded(self, images: float) -> Knowledge:
        """What is known, with the weight of so many images."""
        share = images / max(float(self.count[:, 0].sum()), 1.0)
        return replace(
            self, count=self.count * share, total=self.total * share, square=self.square * share
        )

    def means(self) -> Array:
        """(2, K, F)."""
        return self.total / np.maximum(self.count, 1e-9)[:, :, None]

    def covariance(self) -> Array:
        """(F, F), over all images; with a little on its diagonal, so that it can be inverted."""
        images = max(float(self.count[:, 0].sum()), 1e-9)
        mean = self.total[:, 0].sum(axis=0) / images
        return np.asarray(self.square / images - np.outer(mean, mean) + 1e-3 * np.eye(len(mean)))

    def spread(self) -> float:
        """Mean deviation of the features."""
        return float(np.sqrt(np.diag(self.covariance())).mean())

    def probabilities(self, features: Array) -> FloatArray:
        """(K,): summing to one where classes are exclusive."""
        away = features - self.means()
        whitened = np.linalg.solve(self.covariance(), away[..., None])[..., 0]
        distance = (away * whitened).sum(axis=2) / 2  # (2, K), of Mahalanobis
        distance[self.count == 0] = np.inf
        if not self.exclusive:
            distance = np.minimum(distance, 1e6)  # of a class that is everywhere or nowhere
            return np.asarray(1 / (1 + np.exp(np.clip(distance[1] - distance[0], -50, 50))), "f4")
        powers = np.exp(distance[1].min() - distance[1])
        return np.asarray(powers / powers.sum(), np.float32)


class TinyClassifier:
    """Loads and trains `TinyClassifierModel`."""

    def load(self, request: LoadRequest) -> TinyClassifierModel:
        known = _read(request.weights)
        schema = request.schema
        if (known.values, known.exclusive) != (schema.values, schema.exclusive):
            raise UnsuitableInput(
                f"The weights know the values {known.values}, exclusive: {known.exclusive}; the "
                f"schema has {schema.values}, exclusive: {schema.exclusive}."
            )
        return TinyClassifierModel(known, schema, _seconds(request.options))

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        checkpoint = request.workspace / "checkpoint.npz"
        total = max(len(request.train), round(USUAL_STEPS * request.effort))
        notes: tuple[str, ...] = ()
        known = _start(request)
        if checkpoint.exists():
            known = _read(checkpoint)
            notes = (f"went on from step {known.step}",)
        watch.progress(Progress(step=known.step, total=total, message="measuring textures"))
        for step in range(known.step, total):
            _wait(_seconds(request.options), watch)
            case = request.train[step % len(request.train)]
            known = replace(_learn(known, case, (request.seed, step)), step=step + 1)
            _write(checkpoint, known)
            losses = {"spread": known.spread()}
            watch.progress(Progress(step=step + 1, total=total, losses=losses))
        weights = request.workspace / "weights.npz"
        _write(weights, known)
        return Trained(
            weights=weights,
            plan={"axes": known.axes, "channels": known.channels},
            metrics={"spread": known.spread()},
            seed=request.seed,
            steps=total,
            libraries={"numpy": np.__version__},
            notes=notes,
        )


class TinyClassifierModel:
    """Answers with the nearness of an image's features to those of each class."""

    def __init__(self, known: Knowledge, schema: LabelSchema, step_seconds: float) -> None:
        self._known = known
        self._schema = schema
        self._step_seconds = step_seconds

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return Prediction(answer=ClassScores(probabilities=self._probabilities(image)))

    def describe(self, image: Image, request: PredictRequest) -> Described:
        probabilities = self._probabilities(image)
        return Described(
            prediction=Prediction(answer=ClassScores(probabilities=probabilities)),
            description=_described(probabilities, self._schema, _features(image)),
        )

    def explain(self, image: Image, value: int) -> FloatArray:
        """How near each pixel's intensity is to the mean of the images that have the class."""
        self._check(image)
        if value not in self._schema.values[1:]:
            raise UnsuitableInput(
                f"The schema has no class of value {value}, only {self._schema.values[1:]}."
            )
        index = self._schema.values.index(value) - 1
        if not self._known.count[1, index]:
            return np.zeros(image.shape, np.float32)
        grey = image.array[0].astype(np.float32)
        wanted = self._known.means()[1, index, 0]
        return np.asarray(np.exp(-np.square((grey - wanted) / (grey.std() + 1)) / 2), np.float32)

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        truths = np.zeros((len(cases), len(self._schema.classes)), np.bool_)
        answers = truths.copy()
        for row, case in enumerate(cases):
            watch.progress(Progress(step=row, total=len(cases), message="measuring"))
            _wait(self._step_seconds, watch)
            truths[row] = _label_of(case, self._schema.values, self._schema.exclusive)
            scores = self._probabilities(case.load_image())
            if self._schema.exclusive:
                answers[row, scores.argmax()] = True
            else:
                answers[row] = scores >= 0.5
        watch.progress(Progress(step=len(cases), total=len(cases), message="measuring"))
        right = answers == truths
        hits = right.all(axis=1) if self._schema.exclusive else right.mean(axis=1)
        recalls = {
            name: float(right[truths[:, column], column].mean())
            for column, name in enumerate(self._schema.names)
            if truths[:, column].any()
        }
        return Evaluation(
            measure="accuracy",
            case_scores={case.id: float(hit) for case, hit in zip(cases, hits, strict=True)},
            class_scores=recalls,
            metrics={"balanced_accuracy": float(np.mean(list(recalls.values())))}
            if self._schema.exclusive and recalls
            else {},
            chance=_chance(truths, self._schema.exclusive),
        )

    def _check(self, image: Image) -> None:
        _check(image, self._known.channels, self._known.axes)

    def _probabilities(self, image: Image) -> FloatArray:
        self._check(image)
        return self._known.probabilities(_features(image))


def _chance(truths: npt.NDArray[np.bool_], exclusive: bool) -> float:
    """Accuracy of who always says what is most frequent."""
    if not len(truths):
        return 0.0
    share = truths.mean(axis=0)
    return float(share.max() if exclusive else np.maximum(share, 1 - share).mean())


def _described(probabilities: FloatArray, schema: LabelSchema, features: Array) -> Description:
    """Entropy over ln K where one class is right, else the mean entropy of yes and no over ln 2."""
    p = probabilities.astype(np.float64)
    sides = np.clip(np.stack([p, 1 - p]), 1e-12, 1)
    doubts = np.clip(-(sides * np.log(sides)).sum(axis=0) / np.log(2), 0, 1)
    whole = -(p * np.log(np.clip(p, 1e-12, 1))).sum() / np.log(max(len(p), 2))
    background = 0.0 if schema.exclusive else float(np.prod(1 - p))
    shares = p / max(float(p.sum()), 1e-12) * (1 - background)
    shares[-1] += 1 - background - shares.sum()  # where no class has any share
    return Description(
        scores={"entropy": float(np.clip(whole if schema.exclusive else doubts.mean(), 0, 1))},
        class_scores=doubts.astype(np.float32),
        class_fractions=np.append(background, np.maximum(shares, 0)).astype(np.float32),
        embedding=features.astype(np.float32),
    )


def _features(image: Image, noise: Array | float = 0.0) -> Array:
    """(channels * (2 + lags),): channel by channel, mean, deviation, and change at each lag.

    Deviation and changes are logarithms, so that a texture's contrast only shifts them.
    """
    features: list[float] = []
    for channel in image.array.astype(np.float64):
        grey = channel + noise * channel.std()
        changes = [_change(grey, lag) for lag in LAGS]
        features += [grey.mean(), *np.log1p([grey.std(), *changes])]
    return np.array(features)


def _change(grey: Array, lag: int) -> float:
    """Mean absolute difference over a distance, along all axes that are long enough."""
    changes = [
        np.abs(np.moveaxis(grey, axis, 0)[lag:] - np.moveaxis(grey, axis, 0)[:-lag]).mean()
        for axis, size in enumerate(grey.shape)
        if size > lag
    ]
    return float(np.mean(changes)) if changes else 0.0


def _learn(known: Knowledge, case: Case, seed: tuple[int, int]) -> Knowledge:
    """Add a case, with a little noise that the seed decides."""
    image = case.load_image()
    try:
        _check(image, known.channels, known.axes)
    except UnsuitableInput as error:
        raise UnsuitableInput(f"Case {case.id} does not fit the others. {error}") from error
    present = _label_of(case, known.values, known.exclusive)
    noise = np.random.default_rng(seed).normal(0, NOISE, image.shape)
    return known.plus(_features(image, noise), present)


def _label_of(case: Case, values: tuple[int, ...], exclusive: bool) -> npt.NDArray[np.bool_]:
    """Which classes a case has, (K,), checked against the schema."""
    label = case.load_label()
    if not isinstance(label, ClassScores):
        raise UnsuitableInput(f"The label of {case.id} is a {type(label).__name__}, no classes.")
    given = label.probabilities
    if given.shape != (len(values) - 1,) or not np.isin(given, (0, 1)).all():
        raise UnsuitableInput(
            f"The label of {case.id} is {given.tolist()}; a 0 or 1 for each of the "
            f"{len(values) - 1} classes is wanted."
        )
    if exclusive and given.sum() != 1:
        raise UnsuitableInput(
            f"The label of {case.id} has {int(given.sum())} classes; the schema says exactly one."
        )
    return given > 0


def _check(image: Image, channels: int, axes: int) -> None:
    if image.channels != channels or len(image.shape) != axes or 0 in image.shape:
        raise UnsuitableInput(
            f"Image {image.name!r} has {image.channels} channels and shape {image.shape}; this "
            f"model takes {channels} channels and {axes} axes, none of them empty."
        )


def _start(request: TrainRequest) -> Knowledge:
    """What the parent knows, where it fits, counted as a single image; else nothing."""
    if not request.train:
        raise UnsuitableInput("There is no case to learn from; give at least one.")
    empty = Knowledge.none(request.schema, request.train[0].load_image())
    if request.parent is not None:
        known = _read(request.parent)
        fits = known.total.shape == empty.total.shape and known.axes == empty.axes
        if fits and (known.values, known.exclusive) == (empty.values, empty.exclusive):
            return replace(known.faded(1), step=0)
    return empty


def _write(path: Path, known: Knowledge) -> None:
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        format=np.array(FORMAT),
        count=known.count,
        total=known.total,
        square=known.square,
        values=np.array(known.values),
        numbers=np.array([known.exclusive, known.axes, known.channels, known.step]),
    )
    temporary.replace(path)


def _read(path: Path) -> Knowledge:
    try:
        # Opened here, because numpy leaves the file open when it is no archive after all.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["format"]) != FORMAT:
                raise UnsuitableInput(f"{path.name} was made by another version of this app.")
            exclusive, axes, channels, step = (int(each) for each in stored["numbers"])
            values = tuple(int(each) for each in stored["values"])
            sums = (stored["count"], stored["total"], stored["square"])
            return Knowledge(*sums, values, bool(exclusive), axes, channels, step)
    except (OSError, ValueError, KeyError, EOFError, IndexError, TypeError, BadZipFile) as error:
        raise UnsuitableInput(f"{path.name} holds no weights of this app: {error}.") from error


def _seconds(options: Mapping[str, Json]) -> float:
    value = options.get("step_seconds", 0.0)
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
