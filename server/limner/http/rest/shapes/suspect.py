"""Labels that look wrong, as they are listed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from limner.http.rest.shapes.label import Label
from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.sample import Sample
from limner.http.rest.shapes.values import Answered, Instant


class Suspect(Answered):
    """A label that looks wrong to a model that has not learnt from it."""

    sample: Sample = Field(description="What was labelled.")
    label: Label = Field(description="The version of the label that is suspect.")
    score: float = Field(description="How good it looks, from 0 to 1; the smaller, the worse.")
    reason: str = Field(description="Why, in words.")
    model_says: dict[str, Any] = Field(
        description="What the model says instead. Of classes: `classes` and `probabilities`. Of a "
        "mask: `differs_at`, a number of voxels, and `confusions`, the most frequent. Of objects: "
        "how many were `overlooked`, `badly_located` and `swapped`, and how many `objects` the "
        "model sees."
    )
    job_id: int = Field(description="The review that found it.")
    created_at: Instant = Field(description="When it was found.")


class SuspectPage(Page):
    """Suspect labels of a project."""

    items: list[Suspect] = Field(description="Worst first.")
