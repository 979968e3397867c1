"""A loaded model version: predicts, describes and measures itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from limner.plugin import (
    Case,
    Described,
    Evaluation,
    Image,
    Instances,
    LabelSchema,
    Prediction,
    PredictRequest,
    Progress,
    Stopped,
    UnsuitableInput,
    Watch,
)
from limner_apps.instances.average_precision import AveragePrecision
from limner_apps.instances.detections import Detections
from limner_apps.instances.heads import UNSURE
from limner_apps.instances.inference import Found, Inference
from limner_apps.instances.maskal import maskal_score
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.options import Options
from limner_apps.instances.panoptic import (
    class_qualities,
    image_quality,
    partition_disagreement,
)
from limner_apps.instances.plan import Plan
from limner_apps.instances.preprocess import preprocess
from limner_apps.instances.survey import check_values, load_pair
from limner_apps.instances.uncertainty import describe, empty_score
from limner_apps.instances.weights import Weights


class InstancesModel:
    """One model version on one device.

    Args:
        weights: The version.
        schema: The project's classes.
        device: Where it runs.
        options: The project's.
    """

    def __init__(
        self, weights: Weights, schema: LabelSchema, device: torch.device, options: Options
    ) -> None:
        network = InstanceNetwork(weights.plan, len(schema.classes))
        try:
            network.load_state_dict(weights.state)
        except RuntimeError as error:
            raise UnsuitableInput(
                "The weights do not fit their own plan; the file is damaged. Train again."
            ) from error
        self._plan = weights.plan
        self._schema = schema
        self._least = options.score_threshold or weights.score_threshold
        self._samples = options.samples
        self._inference = Inference(network, weights.plan, len(schema.classes), device)

    @property
    def plan(self) -> Plan:
        """What the model was planned for."""
        return self._plan

    @property
    def score_threshold(self) -> float:
        """The least score of an object that is answered."""
        return self._least

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Find and outline every object in an image; see `limner.plugin.Predicts`."""
        return Prediction(answer=self._answer(self._find(image, (None,)).detections[0]))

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Find the objects and say how sure the model is; see `limner.plugin.Describes`.

        Scores: `entropy`, `margin` and `least_confidence`, aggregated as `uncertainty` says;
        `expected_instances`, the sum of all detections' scores; and of predictions with dropped
        features, where the option `samples` asks for some, `maskal` and `partition_disagreement`.
        """
        seeds = [request.seed * 1_009 + sample for sample in range(self._samples)]
        found = self._find(image, (None, *seeds))
        detections, sampled = found.detections[0], found.detections[1:]
        answer = self._answer(detections)
        extra = {}
        if sampled:
            empty = empty_score(detections.objectness)
            extra["maskal"] = maskal_score(sampled, self._least, empty)
            answers = [self._answer(each) for each in sampled]
            extra["partition_disagreement"] = partition_disagreement(
                answers, self._schema.values[1:]
            )
        shape = tuple(image.shape)
        return Described(
            prediction=Prediction(answer=answer),
            description=describe(detections, answer, shape, self._schema, found.embedding, extra),
        )

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Measure panoptic quality, average precision and counts; see `limner.plugin.Evaluates`.

        Panoptic quality and counts are of what the model answers; average precision is of all
        detections. A class that is in neither label nor answer of any case has no class score.
        """
        values = self._schema.values[1:]
        qualities: list[npt.NDArray[np.float64]] = []
        counts: list[tuple[int, int]] = []
        precision = AveragePrecision(values)
        for index, case in enumerate(cases):
            _listen(watch, index)
            watch.progress(Progress(step=index, total=len(cases), message="evaluating"))
            image, label = load_pair(case)
            check_values(label.classes.tolist(), self._schema, f"Case {case.id}")
            found = self._find(image, (None,), partial(_listen, watch, index))
            answer = self._answer(found.detections[0])
            qualities.append(class_qualities(answer, label, values))
            counts.append((len(answer.boxes), len(label.boxes)))
            everything = found.detections[0].answer(self._schema, UNSURE)
            precision.add(everything, label, (image.shape[0], image.shape[1]))
        watch.progress(Progress(step=len(cases), total=len(cases), message="evaluated"))
        metrics = {
            f"{kind}_{name}": value
            for kind, of in (("mask", "segm"), ("box", "bbox"))
            for name, value in precision.measure(of).items()
        }
        if counts:
            found_count, labelled = np.asarray(counts, np.float64).T
            metrics["count_error"] = float(np.abs(found_count - labelled).mean())
            metrics["objects_found"] = float(found_count.sum())
            metrics["objects_labelled"] = float(labelled.sum())
        return Evaluation(
            measure="pq",
            case_scores={
                case.id: image_quality(each) for case, each in zip(cases, qualities, strict=True)
            },
            class_scores=_by_class(self._schema.names, qualities),
            metrics=metrics,
        )

    def _find(
        self,
        image: Image,
        draws: Sequence[int | None],
        pause: Callable[[], None] = lambda: None,
    ) -> Found:
        array = preprocess(image, self._plan, image.name or "This image")
        return self._inference.run(array, (image.shape[0], image.shape[1]), draws, pause)

    def _answer(self, detections: Detections) -> Instances:
        return detections.answer(self._schema, self._least)


def _listen(watch: Watch, done: int) -> None:
    if watch.should_stop():
        raise Stopped(f"The evaluation was told to stop after {done} cases.")


def _by_class(names: Sequence[str], rows: Sequence[npt.NDArray[np.float64]]) -> dict[str, float]:
    """Average (cases, classes) over the cases where a class has a value."""
    means = {}
    for index, name in enumerate(names):
        values = [float(row[index]) for row in rows if not np.isnan(row[index])]
        if values:
            means[name] = float(np.mean(values))
    return means
