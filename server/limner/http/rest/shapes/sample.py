"""Samples, as they are listed, changed and uploaded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from limner.http.rest.shapes.pages import Page, PageQuery
from limner.http.rest.shapes.values import Answered, Asked, Instant, Line, Upload

_STATE = "`ready`, `labelled`, `unreadable`, `set_aside`, `vanished` or `removed`."


class SamplesQuery(PageQuery):
    """Which samples."""

    state: Literal["ready", "labelled", "unreadable", "set_aside", "vanished", "removed"] | None = (
        Field(default=None, description="Only those in this state.")
    )
    name: str | None = Field(
        default=None,
        max_length=1024,
        description="Only those whose name begins so, in the order of their names.",
    )


class SampleChange(Asked):
    """What to change of a sample."""

    state: Literal["ready", "set_aside"] | None = Field(
        default=None, description="Hand it out again, or not any more."
    )
    note: Line | None = Field(default=None, description="Why; kept as the sample's `reason`.")


class NewSample(Asked):
    """A file to take in as a sample."""

    file: Upload = Field(description="The image; its file name gives name and format.")


class ImageQuery(Asked):
    """Which file of a sample."""

    channel: int = Field(
        default=0, ge=0, le=1023, description="Of a sample with one file a channel: which, from 0."
    )


class Sample(Answered):
    """One image to label."""

    id: int = Field(description="Its id.")
    name: str = Field(description="Path inside the folder, without suffix.")
    state: str = Field(description=_STATE)
    reason: str = Field(description="Why it is unreadable or set aside.")
    files: list[str] = Field(description="Paths inside the folder, one a channel file.")
    shape: list[int] | None = Field(description="Spatial shape, axes as in the file.")
    spacing_mm: list[float] | None = Field(description="Size of a voxel along each axis.")
    channels: int | None = Field(description="Number of channels.")
    format: str = Field(description="File name suffix.")
    size_bytes: int = Field(description="Size of its files.")
    is_validation: bool = Field(description="Whether it was drawn for the validation set.")
    label_id: int | None = Field(description="Its newest submitted or approved label.")
    readings: int = Field(description="How many annotators have submitted a label.")
    skips: int = Field(description="How often it was skipped.")
    image_url: str = Field(description="Where its image is.")
    created_at: Instant = Field(description="When it was taken in.")


class SamplePage(Page):
    """Samples."""

    items: list[Sample] = Field(description="In the order they were taken in, or of their names.")
