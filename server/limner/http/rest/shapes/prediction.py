"""What a model says of a sample, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from limner.http.rest.shapes.values import Answered, Asked, Line


class PredictQuery(Asked):
    """What to say of a sample."""

    explain: Line | None = Field(
        default=None,
        max_length=64,
        description="Of a classification: the class whose map is wanted, an image of what speaks "
        "for it. An `Accept` that names images only asks for the map of the likeliest class.",
    )


class RunLengths(Answered):
    """A mask of the whole image as COCO writes it: run lengths down the columns, compressed."""

    size: list[int] = Field(description="Rows and columns of the image.")
    counts: str = Field(description="The run lengths.")


class InstanceAnswer(Answered):
    """One object."""

    name: str = Field(description="Its class.")
    value: int = Field(description="That class's value.")
    score: float = Field(description="How sure the model is, from 0 to 1.")
    box: list[float] = Field(
        description="First row, first column, last row, last column, in pixels; the last ones are "
        "one past the end."
    )
    mask: RunLengths | None = Field(description="Its outline; null where only the box is known.")


class InstancesAnswer(Answered):
    """Separate objects."""

    task: Literal["instances"] = Field(description="Kind of answer.")
    model_version: int = Field(description="Number of the version that answers.")
    shape: list[int] = Field(description="Rows and columns of the image.")
    instances: list[InstanceAnswer] = Field(description="The objects, the surest first.")


class ClassificationAnswer(Answered):
    """A probability for every class."""

    task: Literal["classification"] = Field(description="Kind of answer.")
    model_version: int = Field(description="Number of the version that answers.")
    probabilities: dict[str, float] = Field(
        description="Calibrated, by the classes' names; they sum to one where classes exclude each "
        "other."
    )
    classes: list[str] = Field(description="What would be handed in to accept the answer.")


class PredictionAnswer(
    RootModel[Annotated[InstancesAnswer | ClassificationAnswer, Field(discriminator="task")]]
):
    """What the model says, by task."""
