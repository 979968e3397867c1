"""`/datastore/image`: images, uploaded, downloaded and noted upon."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from flask import Response, request
from werkzeug.datastructures import FileStorage

from limner.errors import Conflict, LimnerError, NotFound, UnsupportedFormat
from limner.http.context import service
from limner.http.monai_label.active_learning import image_info
from limner.http.monai_label.answers import download, json_answer
from limner.http.monai_label.reading import (
    asked,
    form_object,
    needed_file,
    plain_name,
)
from limner.http.monai_label.routes import Here, Routes, annotator
from limner.images import IMAGE_SUFFIXES, image_suffix

routes = Routes()

_CHUNK = 1 << 20


@routes.route("/datastore/", "PUT")
@routes.route("/datastore/image", "PUT")
def put_image(here: Here) -> Response:
    """Take an image in. The very file that is there already is that one; no other takes its id."""
    file = needed_file("file")
    params = form_object("params")
    name = plain_name(file.filename)
    suffix = image_suffix(name)
    if suffix is None:
        raise UnsupportedFormat(
            f"{name[:200]!r} is no image that is read; send one of {', '.join(IMAGE_SUFFIXES)}."
        )
    image_id = asked("image")
    if image_id is not None:
        name = image_id + suffix
    who = annotator(params.get("client_id"))
    try:
        added = service().samples.add(here.name, name, cast(BinaryIO, file.stream), who)
        sample_id, image_id = added.id, added.name
    except Conflict:
        sample_id, image_id = _same(here, name[: -len(suffix)], file)
    service().tags.remark_sample(here.name, sample_id, {**params, "user": who})
    return json_answer({"image": image_id})


@routes.route("/datastore/image", "GET", "HEAD")
def get_image(here: Here) -> Response:
    """Give an image as it lies in the store; `HEAD` tells whether it is there."""
    sample = here.sample(asked("image"))
    path = service().samples.image_paths(here.name, sample.id)[0]
    if not path.is_file():
        raise NotFound(f"Image {sample.name!r} is gone from the disk.")
    wanted = asked("check_sum")
    if request.method == "HEAD" and wanted and not _has_sum(path, wanted):
        raise NotFound(f"Image {sample.name!r} has another checksum.")
    return download(path, PurePosixPath(sample.files[0]).name)


@routes.route("/datastore/", "DELETE")
@routes.route("/datastore/image", "DELETE")
def delete_image(here: Here) -> Response:
    """Take an image without labels out; its file stays."""
    sample = here.sample(asked("id") or asked("image"))
    service().samples.delete(here.name, sample.id, annotator(None))
    return json_answer({})


@routes.route("/datastore/image/info", "GET")
def get_image_info(here: Here) -> Response:
    """Say what is known of an image; an empty object where there is none."""
    try:
        sample = here.sample(asked("image"))
    except NotFound:
        return json_answer({})
    return json_answer(image_info(here, sample))


@routes.route("/datastore/image/info", "PUT")
def put_image_info(here: Here) -> Response:
    """Note something of an image, beside what is noted already."""
    sample = here.sample(asked("image"))
    info = form_object("info")
    who = annotator(info.get("client_id"))
    service().tags.remark_sample(here.name, sample.id, {**info, "user": who})
    return json_answer(None)


def _same(here: Here, name: str, file: FileStorage) -> tuple[int, str]:
    """Return the image of this name when it is the very file that was sent.

    Raises:
        Conflict: It is another one; nothing is ever overwritten.
    """
    try:
        sample = service().samples.named(here.name, name)
        path = service().samples.image_paths(here.name, sample.id)[0]
        with open(path, "rb") as there:
            present = hashlib.file_digest(there, "sha256").digest()
    except (LimnerError, OSError):
        present = None
    file.stream.seek(0)
    sent = hashlib.sha256()
    while chunk := file.stream.read(_CHUNK):
        sent.update(chunk)
    if present != sent.digest():
        raise Conflict(
            f"There is another image {name[:200]!r} already; send this one under another id."
        )
    return sample.id, sample.name


def _has_sum(path: Path, wanted: str) -> bool:
    kind, _, digits = wanted.rpartition(":")
    name = (kind or "sha256").lower().replace("-", "")
    if name not in {"sha256", "sha512", "md5"}:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, name).hexdigest() == digits.lower()
