"""The loaded model: predicts, describes and measures itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_unet.network import Plan, device_of
from keras_unet.slices import fitted, grained, read_classes, restacked, slices_of
from limner.plugin import (
    Case,
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    LabelSchema,
    Mask,
    Prediction,
    PredictRequest,
    Progress,
    Stopped,
    UnsuitableInput,
    Watch,
)

AT_ONCE = 16
"""Slices that go through the network together."""

HARDEST = 0.02
"""Share of the pixels, the most uncertain ones, that the entropy of an image is the mean of."""


class KerasUnetModel:
    """Answers slice by slice, with the likeliest class of every pixel."""

    def __init__(self, network: Any, plan: Plan, schema: LabelSchema, device: str) -> None:
        """Hold a network with its weights."""
        self._plan = plan
        self._schema = schema
        self._device = device
        self._answer = tf.function(
            lambda pixels: network(pixels, training=False),
            input_signature=[tf.TensorSpec((None, None, None, plan.channels), tf.float32)],
        )

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Answer in the image's own geometry; see `limner.plugin.Predicts`."""
        probabilities, _ = self._look(image)
        return self._prediction(image, probabilities, request)

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Say how unsure the model is; see `limner.plugin.Describes`."""
        probabilities, features = self._look(image)
        p = probabilities.reshape(len(probabilities), -1)
        entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0) / np.log(len(p))
        hardest = np.sort(entropy)[-max(1, round(HARDEST * entropy.size)) :]
        fractions = p.mean(axis=1, dtype=np.float64)
        of_class = (p * entropy).sum(axis=1) / np.maximum(p.sum(axis=1), 1e-12)
        return Described(
            prediction=self._prediction(image, probabilities, request),
            description=Description(
                scores={"entropy": float(np.clip(hardest.mean(), 0, 1))},
                class_scores=np.clip(of_class[1:], 0, 1).astype(np.float32),
                class_fractions=(fractions / fractions.sum()).astype(np.float32),
                embedding=features.mean(axis=0),
            ),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure Dice, 2|A∩B| / (|A| + |B|); see `limner.plugin.Evaluates`."""
        by_case: dict[str, float] = {}
        by_class: dict[str, list[float]] = {name: [] for name in self._schema.names}
        for done, case in enumerate(cases, start=1):
            if watch.should_stop():
                raise Stopped("The evaluation was told to stop.")
            image = case.load_image()
            found = self._look(image)[0].argmax(axis=0)
            dice = dice_of(found, read_classes(case, image, self._schema), self._schema)
            by_case[case.id] = float(np.mean(list(dice.values()))) if dice else 1.0
            for name, score in dice.items():
                by_class[name].append(score)
            watch.progress(Progress(step=done, total=len(cases), message="measuring"))
        return Evaluation(
            measure="dice",
            case_scores=by_case,
            class_scores={name: float(np.mean(each)) for name, each in by_class.items() if each},
        )

    def _look(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Return the probabilities (1 + classes, *spatial) and the features (slices, n)."""
        if image.channels != self._plan.channels:
            raise UnsuitableInput(
                f"Image {image.name!r} has {image.channels} channels; this model was trained on "
                f"{self._plan.channels}."
            )
        slices = slices_of(image)
        rows, columns = slices.shape[1:3]
        padded = fitted(slices, grained(rows), grained(columns))
        logits, features = [], []
        with device_of(self._device):
            for start in range(0, len(padded), AT_ONCE):
                found, low = self._answer(tf.constant(padded[start : start + AT_ONCE]))
                logits.append(found.numpy())
                features.append(low.numpy())
        cut = fitted(np.concatenate(logits), rows, columns)
        powers = np.exp(cut - cut.max(axis=-1, keepdims=True))
        probabilities = powers / powers.sum(axis=-1, keepdims=True)
        return restacked(probabilities, image), np.concatenate(features)

    def _prediction(
        self, image: Image, probabilities: FloatArray, request: PredictRequest
    ) -> Prediction:
        values = np.array(self._schema.values)
        kind = np.uint8 if values[-1] <= 255 else np.uint16
        return Prediction(
            answer=Mask(
                array=values[probabilities.argmax(axis=0)].astype(kind),
                spacing=image.spacing,
                affine=image.affine,
            ),
            probabilities=probabilities if request.probabilities else None,
        )


def dice_of(
    found: npt.NDArray[np.integer], true: npt.NDArray[np.integer], schema: LabelSchema
) -> dict[str, float]:
    """Return the Dice of every class that is in one of two arrays of places in the schema."""
    scores = {}
    for place, name in enumerate(schema.names, start=1):
        left, right = found == place, true == place
        size = int(left.sum()) + int(right.sum())
        if size:
            scores[name] = 2 * int((left & right).sum()) / size
    return scores
