"""Jobs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.values import Answered, Asked, Instant, Line


class NewJob(Asked):
    """Heavy work to start."""

    kind: Literal["train", "score", "review"] = Field(
        description="Train a version, rescan the pool, or look for labels that may be wrong."
    )
    effort: float | None = Field(
        default=None,
        gt=0,
        le=4,
        description="Of a training or review: fraction of the app's usual number of steps.",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=10,
        description="Of a review: how many models are trained, each without the labels that it "
        "judges; 3 where nothing is said. Twice as many labels are needed.",
    )
    from_scratch: bool | None = Field(
        default=None, description="Of a training: begin anew, not from the serving version."
    )
    strategy: Line | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Of a rescan: the strategy that fills the queue this once, with its default "
        "options unless it is the project's own. The next queue is the project's strategy's again.",
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> NewJob:
        if self.kind == "score" and self.effort is not None:
            raise ValueError("effort is for trainings and reviews only; leave it out")
        if self.kind != "train" and self.from_scratch is not None:
            raise ValueError("from_scratch is for trainings only; leave it out")
        if self.kind != "review" and self.folds is not None:
            raise ValueError("folds is for reviews only; leave it out")
        if self.kind != "score" and self.strategy is not None:
            raise ValueError("strategy is for rescans only; leave it out")
        return self


class Job(Answered):
    """Heavy work that outlives a request."""

    id: int = Field(description="Its id.")
    project: str = Field(description="Name of the project.")
    kind: str = Field(description="`train`, `score`, `predict`, `review` or `trial`.")
    state: str = Field(
        description="`queued`, `running`, `succeeded`, `failed` or `cancelled`. A running job goes "
        "back to queued when the server restarts or more urgent work comes."
    )
    priority: int = Field(description="Larger goes first.")
    params: dict[str, Any] = Field(description="What it was asked.")
    progress: dict[str, Any] = Field(
        description="`step` of `total`, `losses`, `message` and `eta_s`, once it has begun."
    )
    result: dict[str, Any] = Field(description="What came of it.")
    error: dict[str, Any] | None = Field(description="`type` and `detail` of why it failed.")
    cancel_requested: bool = Field(description="Whether it was told to end.")
    attempts: int = Field(description="How often it was begun.")
    created_at: Instant = Field(description="When it was asked for.")
    started_at: Instant | None = Field(description="When it was first begun.")
    finished_at: Instant | None = Field(description="When it ended.")
    events_url: str = Field(description="Where its events are.")


class JobPage(Page):
    """Jobs of a project."""

    items: list[Job] = Field(description="Newest first.")
