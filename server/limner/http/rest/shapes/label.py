"""Labels, as they are submitted and shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.region import Region
from limner.http.rest.shapes.values import (
    Answered,
    Asked,
    Instant,
    Line,
    PersonName,
    Upload,
)


class _Given(Asked):
    """What goes with a label in any shape."""

    annotator: PersonName = Field(description="Who drew it.")
    assignment: int | None = Field(
        default=None, ge=1, lt=10**18, description="The assignment that it answers."
    )
    seconds: float | None = Field(
        default=None, ge=0, le=10_000_000, description="How long drawing took."
    )
    state: Literal["draft", "submitted"] = Field(
        default="submitted", description="A draft is kept, but neither counts nor trains."
    )


class NewLabel(_Given):
    """A label to hand in as a file, in a multipart form."""

    file: Upload = Field(
        description="The mask or instance map with the image's own geometry, instances as COCO "
        'JSON, or classes as JSON, such as `{"classes": ["pneumonia"]}`; the file name says the '
        "format."
    )
    region: Line | None = Field(
        default=None,
        description="The part of the image that it is of, as JSON as the assignment shows it: "
        '`{"start": [0, 0, 4], "stop": [64, 64, 9]}`. Elsewhere the sample\'s label stays as it '
        "is. Left out, the label is of the whole image, whatever part was asked for.",
    )


class NewClasses(_Given):
    """A label to hand in as JSON: the classes of an image."""

    classes: list[Line] = Field(
        max_length=65_535,
        description="Names of the image's classes: one where classes exclude each other, else "
        "any number, none too.",
    )


class Label(Answered):
    """One answer of an annotator for one sample."""

    id: int = Field(description="Its id.")
    sample_id: int = Field(description="The sample that it is drawn on.")
    version: int = Field(description="1, 2, … within the sample.")
    state: str = Field(description="`draft`, `submitted`, `approved` or `rejected`.")
    author: str = Field(description="Who drew it; `adopted` where it was found in a folder.")
    seconds: float | None = Field(description="How long drawing took.")
    sha256: str = Field(
        description="Of its file: as it was submitted, or joined with the label before where it "
        "was submitted for a part."
    )
    size_bytes: int = Field(description="Size of the file.")
    format: str = Field(description="File name suffix.")
    assignment_id: int | None = Field(description="The assignment that it answers.")
    note: str = Field(description="What was odd about it when it was handed in.")
    tag: str = Field(
        description="Name that a client keeps a draft under; empty for the label itself."
    )
    compared_with: int | None = Field(
        description="Number of the model version whose prediction the annotator was offered; null "
        "where none was, or it is not kept any more."
    )
    agreement: float | None = Field(
        description="How far the label leaves that prediction as it was, from 0 to 1: mean Dice or "
        "panoptic quality over the classes in either; of classes 1 where they are the same. "
        "Computed soon after the label is handed in; null until then."
    )
    adopted_from: str | None = Field(description="The file that it was adopted from.")
    region: Region | None = Field(
        description="The part that was handed in; null for the whole image."
    )
    regions: list[Region] | None = Field(
        description="All parts that it is of by now; null for the whole image."
    )
    submitted_sha256: str | None = Field(
        description="Of the file as it was handed in for a part; null where that is the label's."
    )
    content_url: str = Field(description="Where its file is.")
    created_at: Instant = Field(description="When it was handed in.")


class LabelAnswer(Answered):
    """A label that was handed in or reviewed."""

    label: Label = Field(description="The label as it stands now.")


class LabelPage(Page):
    """Labels of a sample."""

    items: list[Label] = Field(description="Newest first.")
