"""Handing out samples."""

from __future__ import annotations

from pydantic import Field

from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.region import Region
from limner.http.rest.shapes.values import Answered, Asked, Instant, Line, PersonName


class NextRequest(Asked):
    """Who asks for a sample."""

    annotator: PersonName = Field(description="Name of the annotator.")


class HeldQuery(PageQuery):
    """Whose assignments."""

    annotator: PersonName = Field(description="Name of the annotator.")


class SkipRequest(Asked):
    """Why a sample is skipped."""

    reason: Line = Field(default="", description="Why, in a few words.")


class LentSample(Answered):
    """The sample that is lent."""

    id: int = Field(description="Its id.")
    name: str = Field(description="Path inside the folder, without suffix.")
    shape: list[int] | None = Field(description="Spatial shape, axes as in the file.")
    spacing_mm: list[float] | None = Field(description="Size of a voxel along each axis.")
    image_url: str = Field(description="Where its image is.")


class Offered(Answered):
    """A prediction to begin with."""

    model_version: int = Field(description="Number of the version that serves.")
    ready: bool = Field(description="Whether it is drawn already; else that is done when asked.")
    url: str = Field(description="Where it is: GET or POST it.")


class Assignment(Answered):
    """A sample lent to one annotator until a time."""

    id: int = Field(description="Its id.")
    project: str = Field(description="Name of the project.")
    annotator: str = Field(description="Who holds it.")
    state: str = Field(description="`held`, `done`, `released`, `skipped` or `expired`.")
    purpose: str = Field(
        description="`training`, or `validation`: drawn at random, to measure models by."
    )
    expires_at: Instant = Field(description="Until when it is lent.")
    created_at: Instant = Field(description="Since when.")
    ended_at: Instant | None = Field(description="When it ended.")
    sample: LentSample = Field(description="The sample.")
    strategy: str = Field(description="Which strategy picked it.")
    arm: str = Field(
        description="Whose pick it is, where the strategy mixes several ways of picking; `random` "
        "where it was drawn to measure the others against. Empty where nothing is told apart."
    )
    score: float | None = Field(description="How much the strategy wanted it; larger is more.")
    reason: str = Field(description="Why it was picked.")
    region: Region | None = Field(
        description="The part that is to be labelled; null for all of it."
    )
    prediction: Offered | None = Field(description="A prediction to begin with, if there is one.")


class NextAnswer(Answered):
    """A sample to label, or why there is none."""

    assignment: Assignment | None = Field(description="What is lent; null when there is nothing.")
    reason: str | None = Field(description="Why there is nothing; null when there is something.")


class AssignmentPage(Answered):
    """Assignments that are held."""

    items: list[Assignment] = Field(description="Oldest first.")
    next: str | None = Field(description="Cursor of the next page; null on the last one.")
