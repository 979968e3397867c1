"""What a model answers: predictions, descriptions and evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limner.plugin.images import Answer, FloatArray
from limner.plugin.regions import Region
from limner.plugin.schema import LabelSchema
from limner.plugin.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """Ask an app to make a trained model ready to work."""

    weights: Path
    """The file that `Trained.weights` named, stored unchanged."""
    schema: LabelSchema
    """The project's classes."""
    device: str = "cpu"
    """`cpu`, `cuda:N` or `mps`."""
    threads: int = 1
    """How many processor threads the model may use."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """The app's options as the project sets them, defaults filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """How to predict one image."""

    probabilities: bool = False
    """Whether `Prediction.probabilities` is wanted; it costs memory."""
    seed: int = 0
    """For a model that samples; the same seed gives the same answer."""
    region: tuple[int, ...] | None = None
    """Of `describe` alone: the size in voxels, one for each spatial axis of the image, of the part
    that is to be labelled; each is at least 1 and cut to the image. None asks for no part. Only an
    app with the ability `regions` is asked for one."""
    labelled: tuple[Region, ...] = ()
    """What of this image is labelled already, where a part is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """The answer of one model for one image."""

    answer: Answer
    """In the image's own geometry."""
    probabilities: FloatArray | None = None
    """(1 + classes, *spatial) for a mask, background first, summing to one along the first axis
    within 1e-3; None when not asked for or when the task has none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Description:
    """What strategies may know of one image, as the current model sees it.

    Larger scores mean: label this first. Every number is finite.
    """

    scores: Mapping[str, float]
    """Summary scores by name. `entropy`, in [0, 1], is expected of every app: predictive entropy
    over ln of the number of classes, aggregated so that an object's size does not decide. An app
    documents its others."""
    class_scores: FloatArray
    """(classes,), in [0, 1]: the same uncertainty for each class of the schema, background left
    out."""
    class_fractions: FloatArray
    """(1 + classes,), background first, summing to one: how much of the image each class is
    predicted to cover."""
    embedding: FloatArray | None = None
    """(d,), the same d for every image of a model; None when the model has none. Of the whole image
    always."""
    region: Region | None = None
    """Where `PredictRequest.region` asks for a part: the box of that size that is worth most to
    label. It overlaps nothing of `PredictRequest.labelled` as long as there is room for that. The
    scores, class scores and class fractions are then those of the box."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Described:
    """One image's prediction and description, made in one pass."""

    prediction: Prediction
    description: Description


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How well a model does on labelled cases. Higher is better in `case_scores`."""

    measure: str
    """Name of the score that decides promotion, for example `dice`."""
    case_scores: Mapping[str, float]
    """That score in [0, 1] for each case, by `Case.id`."""
    case_weights: Mapping[str, float] = field(default_factory=dict)
    """How much each case counts in the mean of their scores, above 0, by `Case.id`: such as more
    where its class is rare. Empty where all count alike."""
    class_scores: Mapping[str, float]
    """A score in [0, 1] for each class name, of the cases where it is defined: the mean of the
    score above, or a measure that only several cases have, such as the area under a ROC curve. No
    class's may fall when a version is promoted."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further figures by name, such as `hd95_mm` or `nll`; units in the name."""
    class_tolerances: Mapping[str, float] = field(default_factory=dict)
    """By class name, a fall of `class_scores` that so few cases cannot tell from noise, such as how
    far a single case can move an area under a ROC curve. Promotion looks past it."""
    is_one_sided: bool = False
    """Whether these cases cannot tell better from worse, such as when all have the same label and
    the model knows others. Then versions are compared by cross-validation over all labels."""
    chance: float = 0.0
    """What guessing has by `measure` on these cases, in [0, 1]: a first version must have more."""
