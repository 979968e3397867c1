"""Model versions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.values import Answered, Asked, Instant


class PinRequest(Asked):
    """Whether to keep a version's weights for good."""

    pinned: bool = Field(default=True, description="False lets them be pruned like others'.")


class ModelVersion(Answered):
    """Weights, where they come from, and what was decided of them."""

    id: int = Field(description="What URLs call it: its number.")
    number: int = Field(description="1, 2, … within the project.")
    state: str = Field(description="`candidate`, `serving`, `retired` or `refused`.")
    pinned: bool = Field(description="Whether its weights are kept for good.")
    has_weights: bool = Field(description="Whether its weights are still there.")
    weights_sha256: str | None = Field(description="Of its weights.")
    weights_bytes: int = Field(description="Size of its weights.")
    parent: int | None = Field(description="Number of the version that it was trained from.")
    job_id: int | None = Field(description="The job that made it.")
    app: str = Field(description="The app that made it.")
    app_version: str = Field(description="Version of that app.")
    seed: int = Field(description="What decided everything random.")
    label_count: int = Field(description="How many labels it was trained on.")
    plan: dict[str, Any] = Field(description="What the app planned from the data.")
    options: dict[str, Any] = Field(description="Options of the app.")
    metrics: dict[str, Any] = Field(description="On the validation set, and of the training.")
    decision: dict[str, Any] = Field(description="Of the gate: outcome, test, numbers.")
    libraries: dict[str, str] = Field(description="Versions of the libraries.")
    notes: list[str] = Field(description="What a person should know.")
    created_at: Instant = Field(description="When it was trained.")
    promoted_at: Instant | None = Field(description="When it last began to serve.")


class ModelPage(Page):
    """Model versions of a project."""

    items: list[ModelVersion] = Field(description="Newest first.")
