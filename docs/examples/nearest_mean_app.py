"""An app in one file: every voxel takes the class whose mean intensity is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
        size = len(request.schema.values)
        sums, counts = np.zeros(size), np.zeros(size)
        for step, case in enumerate(request.train):
            if watch.should_stop():
                raise Stopped("Training was stopped.")
            grey, label = normalised(case.load_image()), mask_of(case).array
            for index, value in enumerate(request.schema.values):
                sums[index] += grey[label == value].sum()
                counts[index] += (label == value).sum()
            watch.progress(Progress(step=step + 1, total=len(request.train)))
        # A class that no label holds yet gets a mean that nothing is near to.
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 1e6)
        weights = request.workspace / "means.npy"
        np.save(weights, means)
        return Trained(
            weights=weights,
            plan={"normalisation": "z-score of each image"},
            metrics={},
            seed=request.seed,
            steps=len(request.train),
            libraries={"numpy": np.__version__},
        )

    def load(self, request: LoadRequest) -> NearestMeanModel:
        """Read the means back."""
        return NearestMeanModel(read_means(request.weights, request.schema), request.schema)


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
            prediction=Prediction(answer=self.mask(image, maps)),
            description=Description(
                scores={"entropy": float(hardest)},
                class_scores=(p * entropy).mean(axis=1)[1:].astype(np.float32),
                class_fractions=p.mean(axis=1).astype(np.float32),
            ),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure the Dice coefficient of each case and each class."""
        dice = np.ones((len(cases), len(self.schema.classes)))
        for row, case in enumerate(cases):
            if watch.should_stop():
                raise Stopped("Evaluation was stopped.")
            image = case.load_image()
            answer, label = self.mask(image, self.probabilities(image)).array, mask_of(case).array
            for column, each in enumerate(self.schema.classes):
                found, true = answer == each.value, label == each.value
                if found.any() or true.any():
                    dice[row, column] = 2 * (found & true).sum() / (found.sum() + true.sum())
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
    """Return the first channel with mean 0 and standard deviation 1."""
    if image.array.size == 0:
        raise UnsuitableInput(f"Image {image.name!r} has no voxels; give one that has.")
    grey = image.array[0].astype(np.float32)
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-6), dtype=np.float32)


def mask_of(case: Case) -> Mask:
    """Read a case's label."""
    label = case.load_label()
    if not isinstance(label, Mask):
        raise UnsuitableInput(f"The label of {case.id!r} is no mask; this app learns from masks.")
    return label


def read_means(path: Path, schema: LabelSchema) -> FloatArray:
    """Read a weights file and check that it fits the schema."""
    try:
        means = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnsuitableInput(f"{path.name} is no weights file of this app: {error}") from error
    if means.shape != (len(schema.values),):
        raise UnsuitableInput(
            f"These weights know {len(means) - 1} classes, the schema has {len(schema.classes)}."
        )
    return np.asarray(means, dtype=np.float32)
