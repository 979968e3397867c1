"""A loaded model version: predicts, describes, explains and measures itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from limner.plugin import (
    Case,
    ClassScores,
    Described,
    Description,
    Evaluation,
    FloatArray,
    Image,
    LabelSchema,
    Prediction,
    PredictRequest,
    Progress,
    Stopped,
    UnsuitableInput,
    Watch,
)
from limner_apps.classification.evaluation import evaluation_of
from limner_apps.classification.gradcam import RESOLUTION, class_activation, scaled
from limner_apps.classification.inference import Inference
from limner_apps.classification.labels import read_label
from limner_apps.classification.network import build_network
from limner_apps.classification.plan import Plan
from limner_apps.classification.preprocess import preprocess, unfit
from limner_apps.classification.uncertainty import (
    class_fractions,
    class_uncertainty,
    point_scores,
    sampled_scores,
)
from limner_apps.classification.weights import Weights


class ClassificationModel:
    """One model version on one device.

    Args:
        weights: The version.
        schema: The project's classes.
        device: Where it runs.
        samples: Predictions with dropped features that a description makes.
    """

    def __init__(
        self, weights: Weights, schema: LabelSchema, device: torch.device, samples: int
    ) -> None:
        network = build_network(weights.plan, len(schema.classes))
        try:
            network.load_state_dict(weights.state)
        except RuntimeError as error:
            raise UnsuitableInput(
                "The weights do not fit their own plan; the file is damaged. Train again."
            ) from error
        self._plan = weights.plan
        self._schema = schema
        self._temperatures = torch.tensor(weights.temperatures, dtype=torch.float64)
        self._samples = samples
        self._kinds = weights.kinds
        self._inference = Inference(network, weights.plan, device)

    @property
    def plan(self) -> Plan:
        """What the model was planned for."""
        return self._plan

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Say how probable each class is; see `limner.plugin.Predicts`.

        The probabilities are those of equally frequent classes, unless the option `imbalance` is
        `none`, then those of the frequencies among the labels.
        """
        return _prediction(self._probabilities(self._inference.logits(self._embed(image)))[0])

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Predict and say how sure the model is; see `limner.plugin.Describes`.

        Scores: `entropy`, `margin` and `least_confidence`, as `uncertainty` says, and of
        predictions with dropped features, where the option `samples` asks for some, `bald`,
        `variation_ratio` and `variance`. A class's score is the entropy of whether the image has
        it. The embedding is what the last linear layer sees.
        """
        return self._described(self._embed(image), request)

    def describe_together(
        self, images: Sequence[Image], request: PredictRequest
    ) -> Sequence[Described]:
        """Describe several images in one pass; see `limner.plugin.DescribesTogether`."""
        arrays = np.stack([self._preprocess(each) for each in images])
        embeddings = self._inference.embed(torch.from_numpy(arrays))
        return [self._described(each[None], request) for each in embeddings]

    def explain(self, image: Image, value: int) -> FloatArray:
        """Show what speaks for a class, by Grad-CAM; see `limner.plugin.Explains`."""
        if value not in self._schema.values[1:]:
            raise UnsuitableInput(
                f"No class has the value {value}; the schema has "
                f"{', '.join(f'{each.value} ({each.name})' for each in self._schema.classes)}."
            )
        array = torch.from_numpy(self._preprocess(image))
        index = self._schema.values.index(value) - 1
        features, gradients = self._inference.explain(array, index, RESOLUTION)
        activation = class_activation(features, gradients)
        canvas = _resized(activation, self._plan.shape)
        explanation: FloatArray = scaled(unfit(canvas, image.shape, image.spacing)).numpy()
        return explanation

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure log-loss, ROC curves, recall, precision and calibration.

        See `limner.plugin.Evaluates` and `evaluation.evaluation_of`.
        """
        rows, truths = [], []
        for index, case in enumerate(cases):
            if watch.should_stop():
                raise Stopped(f"The evaluation was told to stop after {index} cases.")
            watch.progress(Progress(step=index, total=len(cases), message="evaluating"))
            truths.append(read_label(case.load_label(), self._schema, f"Case {case.id}"))
            image = preprocess(case.load_image(), self._plan, f"Case {case.id}")
            embedding = self._inference.embed(torch.from_numpy(image)[None])
            rows.append(self._probabilities(self._inference.logits(embedding))[0])
        watch.progress(Progress(step=len(cases), total=len(cases), message="evaluated"))
        if not cases:
            raise UnsuitableInput("There is no case to evaluate on; label an image first.")
        ids = [case.id for case in cases]
        probabilities, labels = np.stack(rows), np.stack(truths)
        return evaluation_of(ids, probabilities, labels, self._schema, kinds=self._kinds)

    def _preprocess(self, image: Image) -> FloatArray:
        return preprocess(image, self._plan, image.name or "This image")

    def _embed(self, image: Image) -> Tensor:
        """Return the averaged features of one image, (1, d)."""
        return self._inference.embed(torch.from_numpy(self._preprocess(image))[None])

    def _described(self, embedding: Tensor, request: PredictRequest) -> Described:
        """Describe an image by its averaged features, (1, d)."""
        probabilities = self._probabilities(self._inference.logits(embedding))[0]
        scores = point_scores(probabilities, self._schema.exclusive)
        if self._samples:
            sampled = [
                self._probabilities(self._inference.logits(embedding, request.seed * 1_009 + index))
                for index in range(self._samples)
            ]
            scores |= sampled_scores(np.concatenate(sampled), self._schema.exclusive)
        description = Description(
            scores=scores,
            class_scores=class_uncertainty(probabilities),
            class_fractions=class_fractions(probabilities, self._schema.exclusive),
            embedding=embedding[0].numpy(),
        )
        return Described(prediction=_prediction(probabilities), description=description)

    def _probabilities(self, logits: Tensor) -> FloatArray:
        """Return (n, classes) calibrated probabilities of logits."""
        cooled = logits.double() / self._temperatures
        answers = cooled.softmax(dim=1) if self._schema.exclusive else cooled.sigmoid()
        probabilities: FloatArray = answers.float().numpy()
        return probabilities


def _prediction(probabilities: FloatArray) -> Prediction:
    return Prediction(answer=ClassScores(probabilities=probabilities))


def _resized(activation: Tensor, shape: Sequence[int]) -> Tensor:
    mode = "bilinear" if activation.dim() == 2 else "trilinear"
    return torch.nn.functional.interpolate(
        activation[None, None], size=list(shape), mode=mode, align_corners=False
    )[0, 0]
