"""A tiny app for separate objects: the intensity of each class, then what hangs together.

Every class, and what lies between the objects, is a Gaussian over the intensities of a pixel. A
pixel takes the likeliest class, and the connected pixels of one class are one object. All in numpy,
so training takes milliseconds and works in 2D and 3D; objects of one class that touch become one.
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
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    Instances,
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
    from_instance_map,
    window,
)

USUAL_STEPS = 20
PIXELS_PER_STEP = 4096
FORMAT = "tiny-instances-1"

manifest = AppManifest(
    name="tiny-instances",
    version="1.0.0",
    factory=":TinyInstances",
    task=Task.INSTANCES,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE}),
    title="Connected pixels of one class",
    licence="Apache-2.0",
    options={
        "step_seconds": Option(default=0.0, help="Extra seconds of every step.", minimum=0),
    },
)


@dataclass(frozen=True)
class Knowledge:
    """Sums over the pixels seen, by class (K = 1 + classes) and channel (C), and how far it is."""

    count: npt.NDArray[np.float64]  # (K,)
    total: npt.NDArray[np.float64]  # (K, C)
    square: npt.NDArray[np.float64]  # (K, C)
    values: tuple[int, ...]  # of the schema, background first
    axes: int
    smallest: int  # pixels of the smallest object seen, 0 for none
    step: int = 0

    @classmethod
    def none(cls, schema: LabelSchema, image: Image) -> Knowledge:
        sums = np.zeros((len(schema.values), image.channels))
        return cls(np.zeros(len(sums)), sums, sums.copy(), schema.values, len(image.shape), 0)

    @property
    def channels(self) -> int:
        return int(self.total.shape[1])

    def plus(self, intensities: FloatArray, places: npt.NDArray[np.intp]) -> Knowledge:
        hot = np.eye(len(self.count))[places]  # (n, K)
        wide = intensities.astype(np.float64)
        return replace(
            self,
            count=self.count + hot.sum(axis=0),
            total=self.total + hot.T @ wide,
            square=self.square + hot.T @ wide**2,
        )

    def faded(self, count: float) -> Knowledge:
        """What is known, with the weight of so many pixels."""
        share = count / max(float(self.count.sum()), 1.0)
        return replace(
            self, count=self.count * share, total=self.total * share, square=self.square * share
        )

    def gaussians(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and deviation, (K, C) each."""
        seen = np.maximum(self.count, 1e-9)[:, None]
        mean = self.total / seen
        return mean, np.sqrt(np.maximum(self.square / seen - mean**2, 1.0))


class TinyInstances:
    """Loads and trains `TinyInstancesModel`."""

    def load(self, request: LoadRequest) -> TinyInstancesModel:
        known = _read(request.weights)
        if known.values != request.schema.values:
            raise UnsuitableInput(
                f"The weights know the values {known.values}, the schema has "
                f"{request.schema.values}."
            )
        return TinyInstancesModel(known, request.schema, _seconds(request.options))

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        checkpoint = request.workspace / "checkpoint.npz"
        total = max(len(request.train), round(USUAL_STEPS * request.effort))
        notes: tuple[str, ...] = ()
        known = _start(request)
        if checkpoint.exists():
            known = _read(checkpoint)
            notes = (f"went on from step {known.step}",)
        watch.progress(Progress(step=known.step, total=total, message="counting intensities"))
        for step in range(known.step, total):
            _wait(_seconds(request.options), watch)
            known = _learn(known, request.train[step % len(request.train)], (request.seed, step))
            known = replace(known, step=step + 1)
            _write(checkpoint, known)
            losses = {"spread": float(known.gaussians()[1].mean())}
            watch.progress(Progress(step=step + 1, total=total, losses=losses))
        weights = request.workspace / "weights.npz"
        _write(weights, known)
        return Trained(
            weights=weights,
            plan={"axes": known.axes, "channels": known.channels, "smallest": known.smallest},
            metrics={"spread": float(known.gaussians()[1].mean())},
            seed=request.seed,
            steps=total,
            libraries={"numpy": np.__version__},
            notes=notes,
        )


class TinyInstancesModel:
    """Answers with the connected pixels of each class."""

    def __init__(self, known: Knowledge, schema: LabelSchema, step_seconds: float) -> None:
        self._known = known
        self._schema = schema
        self._step_seconds = step_seconds

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return Prediction(answer=self._objects(self._posterior(image)))

    def describe(self, image: Image, request: PredictRequest) -> Described:
        posterior = self._posterior(image)
        return Described(
            prediction=Prediction(answer=self._objects(posterior)),
            description=_described(posterior, image),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        by_case: dict[str, float] = {}
        by_class: dict[str, list[float]] = {name: [] for name in self._schema.names}
        for done, case in enumerate(cases):
            watch.progress(Progress(step=done, total=len(cases), message="measuring"))
            _wait(self._step_seconds, watch)
            image = case.load_image()
            label = _label_of(case, image, self._schema.values)
            found = self._objects(self._posterior(image))
            quality = _panoptic_quality(found, label, self._schema)
            by_case[case.id] = float(np.mean(list(quality.values()))) if quality else 1.0
            for name, score in quality.items():
                by_class[name].append(score)
        watch.progress(Progress(step=len(cases), total=len(cases), message="measuring"))
        return Evaluation(
            measure="pq",
            case_scores=by_case,
            class_scores={name: float(np.mean(each)) for name, each in by_class.items() if each},
        )

    def _posterior(self, image: Image) -> FloatArray:
        """(K, *spatial): the posterior of each class with equal priors, float32."""
        known = self._known
        _check(image, known.channels, known.axes)
        mean, deviation = known.gaussians()
        x = image.array.astype(np.float64).reshape(known.channels, -1)
        distance = (x[None] - mean[:, :, None]) / deviation[:, :, None]  # (K, C, n)
        logits = -(distance**2 / 2 + np.log(deviation)[:, :, None]).sum(axis=1)
        logits[known.count == 0] = -np.inf
        powers = np.exp(logits - logits.max(axis=0))
        shaped = (powers / powers.sum(axis=0)).reshape(len(mean), *image.shape)
        return np.asarray(shaped, np.float32)

    def _objects(self, posterior: FloatArray) -> Instances:
        place = posterior.argmax(axis=0)
        numbered = np.zeros(place.shape, np.int64)
        classes: list[int] = []
        sizes: list[int] = []
        for index, value in enumerate(self._schema.values[1:], start=1):
            parts = connected(place == index)
            numbered = np.where(parts > 0, parts + len(classes), numbered)
            sizes += np.bincount(parts.ravel())[1:].tolist()
            classes += [value] * int(parts.max(initial=0))
        # Noise makes crumbs; what is far smaller than anything seen is one.
        large = np.array([0, *sizes]) >= max(1, self._known.smallest // 2)
        large[0] = False
        found = from_instance_map(
            np.where(large[numbered], numbered, 0), np.array(classes, np.int64)[large[1:]]
        )
        certainty = posterior.max(axis=0)
        scores = [
            certainty[window(box)][mask].mean()
            for box, mask in zip(found.boxes, found.masks, strict=True)
        ]
        return replace(found, scores=np.array(scores, np.float32))


def connected(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Number the parts of a mask that hang together along its axes, 1, 2, …; 0 outside.

    Every pixel takes the smallest index among its neighbours, and then that of the pixel with this
    index, until nothing changes.
    """
    outside = mask.size
    root = np.where(mask, np.arange(mask.size).reshape(mask.shape), outside)
    while True:
        before = root.copy()
        for axis in range(mask.ndim):
            ahead = np.moveaxis(root, axis, 0)
            np.minimum(ahead[1:], ahead[:-1], out=ahead[1:])
            np.minimum(ahead[:-1], ahead[1:], out=ahead[:-1])
            root[~mask] = outside
        root = np.append(root.ravel(), outside)[root]
        if np.array_equal(root, before):
            break
    numbers = np.zeros(mask.size + 1, np.int64)
    roots = np.unique(root[mask])
    numbers[roots] = np.arange(1, len(roots) + 1)
    return numbers[root]


def _described(posterior: FloatArray, image: Image) -> Description:
    """Entropy over ln K, as the mean of its upper twentieth: an object's size does not decide."""
    p = posterior.reshape(len(posterior), -1).astype(np.float64)
    entropy = -(p * np.log(np.clip(p, 1e-12, 1))).sum(axis=0) / np.log(len(p))
    upper = np.sort(entropy)[-max(1, entropy.size // 20) :]
    weighted = (p * entropy).sum(axis=1) / np.maximum(p.sum(axis=1), 1e-12)
    fractions = p.mean(axis=1)
    grey = image.array[0].astype(np.float64)
    standard = (grey - grey.mean()) / (grey.std() or 1.0)
    histogram, _ = np.histogram(np.clip(standard, -3, 3), bins=8, range=(-3, 3))
    return Description(
        scores={"entropy": float(np.clip(upper.mean(), 0, 1))},
        class_scores=np.clip(weighted[1:], 0, 1).astype(np.float32),
        class_fractions=(fractions / fractions.sum()).astype(np.float32),
        embedding=(histogram / histogram.sum()).astype(np.float32),
    )


def _panoptic_quality(found: Instances, label: Instances, schema: LabelSchema) -> dict[str, float]:
    """PQ of each class with an object in either: sum of the IoU of pairs over their mean number.

    The objects found do not overlap, so at most one of them has more than half in common with an
    object of the label, unless those overlap much themselves; the first then takes it.
    """
    scores = {}
    for each in schema.classes:
        mine = np.flatnonzero(found.classes == each.value)
        theirs = np.flatnonzero(label.classes == each.value)
        if not len(mine) + len(theirs):
            continue
        total, free = 0.0, set(mine.tolist())
        for row in theirs:
            overlaps = {at: _overlap(found, at, label, int(row)) for at in free}
            best = max(overlaps, key=lambda at: overlaps[at], default=-1)
            if best >= 0 and overlaps[best] > 0.5:
                total += overlaps[best]
                free.remove(best)
        scores[each.name] = total / ((len(mine) + len(theirs)) / 2)
    return scores


def _overlap(left: Instances, i: int, right: Instances, j: int) -> float:
    """Intersection over union of two objects."""
    ours, theirs = _filled(left, i), _filled(right, j)
    one, two = window(left.boxes[i]), window(right.boxes[j])
    first = [max(a.start, b.start) for a, b in zip(one, two, strict=True)]
    last = [min(a.stop, b.stop) for a, b in zip(one, two, strict=True)]
    if any(low >= high for low, high in zip(first, last, strict=True)):
        return 0.0
    cut_one, cut_two = (
        tuple(
            slice(low - each.start, high - each.start)
            for low, high, each in zip(first, last, place, strict=True)
        )
        for place in (one, two)
    )
    both = int((ours[cut_one] & theirs[cut_two]).sum())
    return both / max(int(ours.sum()) + int(theirs.sum()) - both, 1)


def _filled(instances: Instances, row: int) -> npt.NDArray[np.bool_]:
    """The object's mask, or its whole box where only that is known."""
    mask = instances.masks[row]
    if mask is not None:
        return mask
    return np.ones([each.stop - each.start for each in window(instances.boxes[row])], np.bool_)


def _learn(known: Knowledge, case: Case, seed: tuple[int, int]) -> Knowledge:
    """Add some pixels of a case."""
    image = case.load_image()
    try:
        _check(image, known.channels, known.axes)
    except UnsuitableInput as error:
        raise UnsuitableInput(f"Case {case.id} does not fit the others. {error}") from error
    label = _label_of(case, image, known.values)
    place, smallest = _places(label, image.shape, known.values)
    usable = np.flatnonzero(place.ravel() >= 0)
    chosen = np.random.default_rng(seed).choice(usable, size=PIXELS_PER_STEP)
    intensities = image.array.reshape(known.channels, -1).T[chosen].astype(np.float32)
    sizes = [size for size in (known.smallest, smallest) if size]
    known = known.plus(intensities, place.ravel()[chosen])
    return replace(known, smallest=min(sizes, default=0))


def _places(
    label: Instances, shape: tuple[int, ...], values: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], int]:
    """Place of the class at each pixel, -1 where it is not known; and the smallest object's size.

    Of an object of which only the box is known, the middle of the box is taken for it.
    """
    place = np.zeros(shape, np.intp)
    smallest = 0
    for row, box in enumerate(label.boxes):
        index = values.index(int(label.classes[row]))
        inside, mask = place[window(box)], label.masks[row]
        if mask is None:
            middle = tuple(slice(size // 4, size - size // 4) for size in inside.shape)
            inside[inside == 0] = -1
            inside[middle] = index
        else:
            inside[mask] = index
            smallest = min(smallest or mask.size, int(mask.sum()))
    return place, smallest


def _label_of(case: Case, image: Image, values: tuple[int, ...]) -> Instances:
    """The label of a case, checked against its image and the schema."""
    label = case.load_label()
    if not isinstance(label, Instances):
        raise UnsuitableInput(f"The label of {case.id} is a {type(label).__name__}, no instances.")
    axes = len(image.shape)
    if label.boxes.shape != (len(label.masks), 2 * axes):
        raise UnsuitableInput(
            f"The label of {case.id} has boxes of shape {label.boxes.shape} for {len(label.masks)} "
            f"objects in {axes} axes."
        )
    if (label.boxes[:, :axes] < 0).any() or (label.boxes[:, axes:] > image.shape).any():
        raise UnsuitableInput(
            f"The label of {case.id} has boxes outside its image of shape {image.shape}."
        )
    for row, (box, mask) in enumerate(zip(label.boxes, label.masks, strict=True)):
        wanted = tuple(each.stop - each.start for each in window(box))
        if mask is not None and mask.shape != wanted:
            raise UnsuitableInput(
                f"Mask {row} in the label of {case.id} has shape {mask.shape}, its box {wanted}."
            )
    unknown = sorted(set(label.classes.tolist()) - set(values[1:]))
    if unknown:
        raise UnsuitableInput(
            f"The label of {case.id} has objects of the classes {unknown}; the schema has "
            f"{values[1:]}."
        )
    return label


def _check(image: Image, channels: int, axes: int) -> None:
    if image.channels != channels or len(image.shape) != axes or 0 in image.shape:
        raise UnsuitableInput(
            f"Image {image.name!r} has {image.channels} channels and shape {image.shape}; this "
            f"model takes {channels} channels and {axes} axes, none of them empty."
        )


def _start(request: TrainRequest) -> Knowledge:
    """What the parent knows, where it fits, counted as a single step; else nothing."""
    if not request.train:
        raise UnsuitableInput("There is no case to learn from; give at least one.")
    empty = Knowledge.none(request.schema, request.train[0].load_image())
    if request.parent is not None:
        known = _read(request.parent)
        if known.values == empty.values and known.total.shape == empty.total.shape:
            return replace(known.faded(PIXELS_PER_STEP), axes=empty.axes, step=0)
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
        numbers=np.array([known.axes, known.smallest, known.step]),
    )
    temporary.replace(path)


def _read(path: Path) -> Knowledge:
    try:
        # Opened here, because numpy leaves the file open when it is no archive after all.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["format"]) != FORMAT:
                raise UnsuitableInput(f"{path.name} was made by another version of this app.")
            axes, smallest, step = (int(each) for each in stored["numbers"])
            values = tuple(int(each) for each in stored["values"])
            sums = (stored["count"], stored["total"], stored["square"])
            return Knowledge(*sums, values, axes, smallest, step)
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
