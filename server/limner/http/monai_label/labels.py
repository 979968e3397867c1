"""`/datastore/label`: labels by tag. `final` is the label itself, any other tag is a draft.

What is given again is a new version; what is deleted is rejected, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from flask import Response, request

from limner.errors import InvalidRequest, NotFound
from limner.http.context import service
from limner.http.monai_label.answers import download, json_answer
from limner.http.monai_label.listing import FINAL, ORIGINAL, label_info
from limner.http.monai_label.reading import asked, form_object, needed_file
from limner.http.monai_label.routes import Here, Routes, annotator
from limner.http.monai_label.uploaded_labels import converted
from limner.loop.tags import Kept
from limner.records.rows import LabelState, Sample

routes = Routes()


@routes.route("/datastore/label", "PUT")
def put_label(here: Here) -> Response:
    """Take a label in; when this answers, it is on the disk."""
    sample = here.sample(asked("image"))
    tag = _tag()
    file = needed_file("label", "file")
    params = form_object("params")
    with converted(here, sample, file, params.get("label_info")) as (content, name):
        service().labels.submit(
            here.name,
            sample.id,
            file=content,
            filename=name,
            annotator=annotator(params.get("client_id")),
            state=LabelState.DRAFT if tag else LabelState.SUBMITTED,
            tag=tag,
            remarks=params,
        )
    return json_answer({"image": sample.name, "label": sample.name})


@routes.route("/datastore/label", "GET", "HEAD")
def get_label(here: Here) -> Response:
    """Give a label's file as it was submitted, or what the model drew (`original`)."""
    wanted = asked("label") or (asked("image") if request.method == "HEAD" else None)
    if request.method == "GET" and (wanted is None or asked("tag") is None):
        raise InvalidRequest("Name the label and its tag in the query: label=ID&tag=TAG.")
    sample, tag = here.sample(wanted), _tag()
    kept = service().tags.find(here.name, sample.id, tag)
    if kept is not None:
        path, label = service().labels.content(kept.label.id)
        return download(path, PurePosixPath(sample.name).name + label.format, etag=label.sha256)
    if tag == ORIGINAL:
        drawn = service().predictions.stored(here.name, sample.id)
        if drawn is not None:
            return download(drawn.data, PurePosixPath(sample.name).name + drawn.suffix)
    raise NotFound(f"Image {sample.name!r} has no label with the tag {tag or FINAL!r}.")


@routes.route("/datastore/label", "DELETE")
def delete_label(here: Here) -> Response:
    """Take back a label: every version with this tag is rejected. Nothing is thrown away."""
    try:
        sample = here.sample(asked("id") or asked("label"))
    except NotFound:
        return json_answer({})
    service().tags.withdraw(here.name, sample.id, _tag(), annotator(None))
    return json_answer({})


@routes.route("/datastore/label/info", "GET")
def get_label_info(here: Here) -> Response:
    """Say what is known of a label; an empty object where there is none."""
    try:
        sample, kept = _found(here)
    except NotFound:
        return json_answer({})
    return json_answer(label_info(kept, sample.name))


@routes.route("/datastore/label/info", "PUT")
def put_label_info(here: Here) -> Response:
    """Note something of a label, beside what is noted already."""
    return _noted(here, form_object("info"))


@routes.route("/datastore/updatelabelinfo", "PUT")
def update_label_info(here: Here) -> Response:
    """Do the same, as reviewers ask for it; who says approved approves the label."""
    return _noted(here, form_object("params"))


def _noted(here: Here, info: Mapping[str, Any]) -> Response:
    _, kept = _found(here)
    meta = info.get("segmentationMeta")
    reviewer = meta.get("approvedBy") if isinstance(meta, Mapping) else None
    who = annotator(reviewer or info.get("client_id"))
    service().tags.remark_label(kept.label.id, info, who)
    says_approved = isinstance(meta, Mapping) and meta.get("status") == "approved"
    if says_approved and not kept.label.tag:
        service().labels.review(kept.label.id, LabelState.APPROVED, who)
    return json_answer(None)


def _found(here: Here) -> tuple[Sample, Kept]:
    sample, tag = here.sample(asked("label")), _tag()
    kept = service().tags.find(here.name, sample.id, tag)
    if kept is None:
        raise NotFound(f"Image {sample.name!r} has no label with the tag {tag or FINAL!r}.")
    return sample, kept


def _tag() -> str:
    tag = asked("tag") or ""
    return "" if tag == FINAL else tag
