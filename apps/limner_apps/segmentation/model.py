"""A loaded model version: predicts, describes and measures itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import (
    Case,
    Described,
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
from limner_apps.segmentation import metrics
from limner_apps.segmentation.inference import Inference
from limner_apps.segmentation.labelled import IGNORED, known_indices
from limner_apps.segmentation.maps import DescriptionMaps
from limner_apps.segmentation.options import Options
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.preprocess import preprocess
from limner_apps.segmentation.sampling import sampled
from limner_apps.segmentation.survey import load_pair
from limner_apps.segmentation.weights import Weights, build_network

_PATCH_SHARE = 0.25
"""Size of the box in which uncertainty is averaged, as a share of the median image."""
_SMALLEST_PATCH = 4


class SegmentationModel:
    """One model version on one device.

    Args:
        weights: The version.
        schema: The project's classes.
        device: Where it runs.
        options: How it describes.
    """

    def __init__(
        self, weights: Weights, schema: LabelSchema, device: torch.device, options: Options
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
        self._temperature = weights.temperature
        self._options = options
        self._inference = Inference(network, weights.plan, device)
        self._values = np.asarray(
            schema.values, dtype=np.uint8 if schema.values[-1] <= 255 else np.uint16
        )

    @property
    def plan(self) -> Plan:
        """What the model was planned for."""
        return self._plan

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Outline every class in an image; see `limner.plugin.Predicts`."""
        return self._predict(image, request, lambda *_: None, 1)[0]

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Outline and say how sure the model is; see `limner.plugin.Describes`.

        Scores: `entropy`, `margin` and `least_confidence`, and where the option `samples` asks for
        sampled predictions also `bald`, `variation_ratio`, `variance` and `dice_disagreement`;
        aggregated as the option `aggregation` says. Where a part of the image is asked for, it is
        the box with the largest mean entropy, and every score is the mean over it of what is not
        labelled yet.
        """
        shape, classes = tuple(image.shape), len(self._schema.classes)
        maps = DescriptionMaps(shape, classes)
        prediction, embedding = self._predict(image, request, maps.add, maps.block)
        box = maps.best_box(request.region, request.labelled) if request.region else None
        more: dict[str, FloatArray] = {}
        extra = {}
        if self._options.samples:
            more, extra["dice_disagreement"] = sampled(
                self._inference,
                preprocess(image, self._plan, image.name or "This image"),
                shape,
                classes,
                maps.block,
                samples=self._options.samples,
                way=self._options.sampling,
                mirrored=self._plan.mirrored,
                temperature=self._temperature,
                seed=request.seed,
                within=(slice(None),) * len(shape) if box is None else box.slices,
            )
        if box is not None:
            description = maps.describe_box(box, request.labelled, embedding, more, extra)
            return Described(prediction=prediction, description=description)
        patch = [
            max(_SMALLEST_PATCH, round(_PATCH_SHARE * size * planned / own))
            for size, planned, own in zip(
                self._plan.median_shape, self._plan.spacing, image.spacing, strict=True
            )
        ]
        description = maps.describe(patch, embedding, self._options.aggregation, more, extra)
        return Described(prediction=prediction, description=description)

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure Dice, surface distance and calibration; see `limner.plugin.Evaluates`.

        A class that is in neither label nor prediction of any case has no class score. Of a case
        that is labelled in part only that part counts, and no distance: where a part ends there is
        no surface.
        """
        dice, distances, likelihoods, errors = [], [], [], []
        classes = len(self._schema.classes)
        for index, case in enumerate(cases):
            if watch.should_stop():
                raise Stopped(f"The evaluation was told to stop after {index} cases.")
            watch.progress(Progress(step=index, total=len(cases), message="evaluating"))
            image, label = load_pair(case)
            try:
                truth = known_indices(case, label.array, self._schema)
            except UnsuitableInput as error:
                raise UnsuitableInput(f"Case {case.id}: {error}") from error
            predicted, likelihood, gap = self._measure(image, truth)
            predicted[truth == IGNORED] = IGNORED
            dice.append(metrics.class_dice(predicted, truth, classes))
            distances.append(
                metrics.class_hd95(predicted, truth, classes, image.spacing)
                if case.regions is None
                else np.full(classes, np.nan)
            )
            likelihoods.append(likelihood)
            errors.append(gap)
        watch.progress(Progress(step=len(cases), total=len(cases), message="evaluated"))
        case_scores = {
            case.id: metrics.case_dice(scores) for case, scores in zip(cases, dice, strict=True)
        }
        names = self._schema.names
        figures = {"nll": _mean(likelihoods), "ece": _mean(errors), "hd95_mm": _mean(distances)}
        hd95 = _by_class(names, distances)
        figures |= {f"hd95_mm_{name}": distance for name, distance in hd95.items()}
        return Evaluation(
            measure="dice",
            case_scores=case_scores,
            class_scores=_by_class(names, dice),
            metrics={name: value for name, value in figures.items() if np.isfinite(value)},
        )

    def _predict(
        self,
        image: Image,
        request: PredictRequest,
        look: Callable[[int, int, int, FloatArray], None],
        multiple: int,
    ) -> tuple[Prediction, FloatArray]:
        """Answer, showing each slab's probabilities to `look`; also return the embedding."""
        shape = tuple(image.shape)
        answer = np.zeros(shape, dtype=self._values.dtype)
        kept = None
        if request.probabilities:
            kept = np.empty((len(self._values), *shape), dtype=np.float32)

        def visit(axis: int, first: int, last: int, logits: Tensor) -> None:
            rows = (slice(None),) * axis + (slice(first, last),)
            probabilities: FloatArray = (logits / self._temperature).softmax(dim=0).numpy()
            answer[rows] = self._values[probabilities.argmax(axis=0)]
            if kept is not None:
                kept[(slice(None), *rows)] = probabilities
            look(axis, first, last, probabilities)

        who = image.name or "This image"
        embedding = self._inference.run(preprocess(image, self._plan, who), shape, visit, multiple)
        mask = Mask(array=answer, spacing=image.spacing, affine=image.affine)
        return Prediction(answer=mask, probabilities=kept), embedding

    def _measure(
        self, image: Image, truth: npt.NDArray[np.uint16]
    ) -> tuple[npt.NDArray[np.uint16], float, float]:
        """Return the predicted class indices, and likelihood and calibration near the label."""
        near = metrics.near_foreground(truth)
        predicted = np.zeros(truth.shape, dtype=np.uint16)
        parts: list[FloatArray] = []
        truths: list[npt.NDArray[np.uint16]] = []

        def look(axis: int, first: int, last: int, probabilities: FloatArray) -> None:
            rows = (slice(None),) * axis + (slice(first, last),)
            predicted[rows] = probabilities.argmax(axis=0)
            parts.append(probabilities[:, near[rows]])
            truths.append(truth[rows][near[rows]])

        self._predict(image, PredictRequest(), look, 1)
        probabilities, true = np.concatenate(parts, axis=1), np.concatenate(truths)
        return (
            predicted,
            metrics.negative_log_likelihood(probabilities, true),
            metrics.calibration_error(probabilities, true),
        )


def _mean(values: Sequence[Any]) -> float:
    """Return the mean of what is not NaN; NaN when there is nothing."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    flat = flat[~np.isnan(flat)]
    return float(flat.mean()) if len(flat) else float("nan")


def _by_class(names: Sequence[str], rows: Sequence[npt.NDArray[np.float64]]) -> dict[str, float]:
    """Average (cases, classes) over the cases where a class has a value."""
    means = {name: _mean([row[index] for row in rows]) for index, name in enumerate(names)}
    return {name: mean for name, mean in means.items() if not np.isnan(mean)}
