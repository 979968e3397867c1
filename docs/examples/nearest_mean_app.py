"""An app in one file: every voxel takes the class whose mean intensity is nearest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    AppManifest,
    Case,
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    LabelSchema,
    LoadRequest,
    Mask,
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

manifest = AppManifest(
    name="nearest-mean",
    version="1.0.0",
    factory=":NearestMean",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({"describe", "train", "evaluate"}),
    title="Nearest mean intensity",
    licence="Apache-2.0",
)


class NearestMean:
    """The app: trains and loads."""

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        """Average the normalised intensity of every class over all labels."""
        if not request.train:
            raise UnsuitableInput("There is no label to learn from; give at least one.")
        checkpoint = request.workspace / "checkpoint.json"
        # A run that was interrupted goes on where it was.
        state = read_json(checkpoint) if checkpoint.exists() else {}
        done = int(state.get("done", 0))
        size = len(request.schema.values)
        sums = np.array(state.get("sums", [0.0] * size))
        counts = np.array(state.get("counts", [0] * size))
        for step, case in enumerate(request.train[done:], start=done + 1):
            if watch.should_stop():
                raise Stopped("The training was told to stop.")
            image, label = read_case(case, request.schema)
            grey = normalised(image)
            for index, value in enumerate(request.schema.values):
                sums[index] += grey[label == value].sum()
                counts[index] += (label == value).sum()
            state = {"done": step, "sums": sums.tolist(), "counts": counts.tolist()}
            write_json(checkpoint, state)
            watch.progress(Progress(step=step, total=len(request.train)))
        # A class that no label holds yet gets a mean that nothing is near to.
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 1e6)
        weights = request.workspace / "weights.json"
        write_json(weights, {"means": means.tolist()})
        return Trained(
            weights=weights,
            plan={"normalisation": "z-score of each image"},
            metrics={},
            seed=request.seed,
            steps=len(request.train),
            libraries={"numpy": np.__version__},
        )

    def load(self, request: LoadRequest) -> NearestMeanModel:
        """Read the means back, and check that they fit the schema."""
        means = read_json(request.weights).get("means")
        if not isinstance(means, list) or len(means) != len(request.schema.values):
            raise UnsuitableInput(
                f"{request.weights.name} does not hold a mean for each of the schema's classes "
                f"{request.schema.names}; train a version for this schema."
            )
        return NearestMeanModel(np.array(means, dtype=np.float32), request.schema)


class NearestMeanModel:
    """The loaded model: predicts, describes and measures itself."""

    def __init__(self, means: FloatArray, schema: LabelSchema) -> None:
        self.means = means
        self.schema = schema

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Answer in the image's own geometry."""
        p = self.probabilities(image)
        return Prediction(
            answer=self.mask(image, p), probabilities=p if request.probabilities else None
        )

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Say how unsure the model is: high where two classes are equally near."""
        maps = self.probabilities(image)
        p = maps.reshape(len(self.means), -1)
        entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0) / np.log(len(p))
        hardest = np.sort(entropy)[-max(1, entropy.size // 50) :].mean()
        return Described(
            prediction=Prediction(
                answer=self.mask(image, maps), probabilities=maps if request.probabilities else None
            ),
            description=Description(
                scores={"entropy": float(np.clip(hardest, 0, 1))},
                class_scores=(p * entropy).mean(axis=1)[1:].astype(np.float32),
                class_fractions=p.mean(axis=1).astype(np.float32),
            ),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure the Dice coefficient of each case and each class."""
        dice = np.ones((len(cases), len(self.schema.classes)))
        for row, case in enumerate(cases):
            if watch.should_stop():
                raise Stopped("The evaluation was told to stop.")
            image, label = read_case(case, self.schema)
            answer = self.mask(image, self.probabilities(image)).array
            for column, each in enumerate(self.schema.classes):
                found, true = answer == each.value, label == each.value
                if found.any() or true.any():
                    dice[row, column] = 2 * (found & true).sum() / (found.sum() + true.sum())
            watch.progress(Progress(step=row + 1, total=len(cases)))
        return Evaluation(
            measure="dice",
            case_scores={
                case.id: float(score) for case, score in zip(cases, dice.mean(axis=1), strict=True)
            },
            class_scores={
                name: float(score)
                for name, score in zip(self.schema.names, dice.mean(axis=0), strict=True)
            },
        )

    def probabilities(self, image: Image) -> FloatArray:
        """Return (1 + classes, *spatial): a softmax over squared distances to the means."""
        means = self.means.reshape(-1, *[1] * len(image.shape))
        distance = np.square(normalised(image)[None] - means)
        likelihood = np.exp(-(distance - distance.min(axis=0)))
        return np.asarray(likelihood / likelihood.sum(axis=0), dtype=np.float32)

    def mask(self, image: Image, probabilities: FloatArray) -> Mask:
        """Return the most probable class of every voxel."""
        values = np.array(self.schema.values, dtype=np.uint16)
        return Mask(
            array=values[probabilities.argmax(axis=0)], spacing=image.spacing, affine=image.affine
        )


def normalised(image: Image) -> FloatArray:
    """Return the grey values with mean 0 and standard deviation 1."""
    if image.channels != 1 or len(image.shape) not in (2, 3) or image.array.size == 0:
        raise UnsuitableInput(
            f"Image {image.name!r} has {image.channels} channels and shape {image.shape}; this app "
            "takes one channel and 2 or 3 axes that are not empty."
        )
    grey = image.array[0].astype(np.float32)
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-6), dtype=np.float32)


def read_case(case: Case, schema: LabelSchema) -> tuple[Image, npt.NDArray[Any]]:
    """Read a case's image and mask, and refuse by name one that cannot be learnt from."""
    image, label = case.load_image(), case.load_label()
    if not isinstance(label, Mask) or label.array.shape != image.shape:
        raise UnsuitableInput(f"The label of case {case.id} is no mask of shape {image.shape}.")
    if not np.isin(label.array, schema.values).all():
        raise UnsuitableInput(
            f"The label of case {case.id} holds values other than {schema.values}."
        )
    if image.channels != 1:
        raise UnsuitableInput(f"The image of case {case.id} has {image.channels} channels, not 1.")
    return image, label.array


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; nothing in such a file can run code."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsuitableInput(f"{path.name} is no file of this app: {error}") from error
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write under another name first, so that a crash leaves no half file."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps(values), encoding="utf-8")
    half.replace(path)
