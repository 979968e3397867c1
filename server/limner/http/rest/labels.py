"""Labels."""

from __future__ import annotations

import json
from io import BytesIO
from typing import BinaryIO, cast

from flask import Response

from limner.errors import InvalidRequest
from limner.http.answers import answer
from limner.http.caching import file_answer
from limner.http.context import actor, service
from limner.http.rest.shapes import label as shapes
from limner.http.rest.shapes.paths import LabelPath, SamplePath
from limner.http.routes import Routes
from limner.http.urls import label_url
from limner.images import MASK_TYPES, media_type
from limner.plugin import Region
from limner.records.rows import Label, LabelState

routes = Routes("Labels", "Answers of annotators. A correction is a new version.")


@routes.post(
    "/projects/<slug:project>/samples/<id:sample>/labels",
    answers={201: shapes.LabelAnswer, 200: shapes.LabelAnswer},
    also={409: "The sample or the assignment does not allow it.", 507: "The disk is full."},
)
def submit_label(
    path: SamplePath,
    form: shapes.NewLabel | None = None,
    body: shapes.NewClasses | None = None,
) -> Response:
    """Hand in a label: a file in a form, or the classes of an image as JSON.

    When this answers, it is on the disk. The same bytes for the same sample by the same annotator
    are one label: sent again, they are answered with 200.
    """
    given, file, filename = _given(form, body)
    submitted = service().labels.submit(
        path.project,
        path.sample,
        file=file,
        filename=filename,
        annotator=given.annotator,
        assignment_id=given.assignment,
        seconds=given.seconds,
        state=given.state,
        region=None if form is None else _region(form.region),
    )
    label = submitted.label
    return answer(
        shapes.LabelAnswer(label=label_shape(label)),
        201 if submitted.created else 200,
        {"Location": label_url(label.id)},
    )


def _region(text: str | None) -> Region | None:
    """Read a region as the assignment shows it."""
    if text is None:
        return None
    try:
        found = json.loads(text)
        start, stop = found["start"], found["stop"]
        return Region(tuple(start), tuple(stop))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        told = str(error) if isinstance(error, ValueError) and "region" in str(error) else ""
        raise InvalidRequest(
            f"region cannot be used: {told or 'it is no JSON of start and stop.'} Give it as the "
            'assignment shows it, such as {"start": [0, 0, 4], "stop": [64, 64, 9]}.'
        ) from error


def _given(
    form: shapes.NewLabel | None, body: shapes.NewClasses | None
) -> tuple[shapes.NewLabel | shapes.NewClasses, BinaryIO, str]:
    """Return what was handed in with the label's file; the same classes make the same bytes."""
    if form is not None:
        return form, cast(BinaryIO, form.file.stream), form.file.filename or ""
    assert body is not None  # noqa: S101 - one of the two was read
    document = json.dumps({"classes": body.classes}, ensure_ascii=False).encode()
    return body, BytesIO(document), "classes.json"


@routes.get("/projects/<slug:project>/samples/<id:sample>/labels", answers=shapes.LabelPage)
def list_labels(path: SamplePath) -> Response:
    """List a sample's labels, every version of everybody."""
    found = service().labels.list(path.project, path.sample)
    return answer(shapes.LabelPage(items=[label_shape(each) for each in found], next=None))


@routes.get(
    "/labels/<id:label>/content",
    answers=dict.fromkeys(
        [*map(media_type, MASK_TYPES.values()), "application/json"],
        "The file exactly as it was submitted.",
    ),
    also={206: "The part that was asked for.", 304: "Nothing new.", 416: "No such part."},
)
def get_label_content(path: LabelPath) -> Response:
    """Give a label's file: byte for byte as it was submitted, unless it is of parts."""
    file, label = service().labels.content(path.label)
    return file_answer(
        file,
        media_type=media_type(label.format),
        name=f"label-{label.id}{label.format}",
        etag=label.sha256,
        revalidate=False,
    )


@routes.get(
    "/labels/<id:label>/submitted",
    answers=dict.fromkeys(
        [*map(media_type, MASK_TYPES.values()), "application/json"],
        "The file exactly as it was submitted.",
    ),
    also={206: "The part that was asked for.", 304: "Nothing new.", 416: "No such part."},
)
def get_label_submitted(path: LabelPath) -> Response:
    """Give the file that was handed in, before it was joined where it is of a part."""
    file, sha256, suffix = service().labels.submitted_content(path.label)
    return file_answer(
        file,
        media_type=media_type(suffix),
        name=f"label-{path.label}-submitted{suffix}",
        etag=sha256,
        revalidate=False,
    )


@routes.post("/labels/<id:label>/approve", answers={200: shapes.LabelAnswer})
def approve_label(path: LabelPath) -> Response:
    """Say that a submitted label is right."""
    label = service().labels.review(path.label, LabelState.APPROVED, actor())
    return answer(shapes.LabelAnswer(label=label_shape(label)))


@routes.post("/labels/<id:label>/reject", answers={200: shapes.LabelAnswer})
def reject_label(path: LabelPath) -> Response:
    """Say that a submitted label is wrong; the sample waits for another one."""
    label = service().labels.review(path.label, LabelState.REJECTED, actor())
    return answer(shapes.LabelAnswer(label=label_shape(label)))


def label_shape(label: Label) -> shapes.Label:
    """Show a label."""
    fields = {name: getattr(label, name) for name in _FIELDS}
    return shapes.Label(**fields, content_url=label_url(label.id))


_FIELDS = [name for name in shapes.Label.model_fields if name != "content_url"]
