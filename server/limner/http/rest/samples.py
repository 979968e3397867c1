"""Samples and their images."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from flask import Response

from limner.errors import NotFound
from limner.http.answers import answer, nothing
from limner.http.caching import file_answer
from limner.http.context import actor, service
from limner.http.rest.shapes import sample as shapes
from limner.http.rest.shapes.paths import ProjectPath, SamplePath
from limner.http.routes import Routes
from limner.http.urls import image_url, sample_url
from limner.images import IMAGE_SUFFIXES, image_suffix, media_type
from limner.records import rows

routes = Routes("Samples", "Images to label.")


@routes.get("/projects/<slug:project>/samples", answers=shapes.SamplePage)
def list_samples(path: ProjectPath, query: shapes.SamplesQuery) -> Response:
    """List a project's samples, all or those in one state or of one name."""
    page = service().samples.list(
        path.project, query.cursor, query.limit, state=query.state, name=query.name
    )
    return answer(
        shapes.SamplePage(
            items=[sample_shape(path.project, each) for each in page.items], next=page.next
        )
    )


@routes.post(
    "/projects/<slug:project>/samples",
    answers={201: shapes.Sample},
    also={409: "A file of that name is there already.", 507: "The disk is full."},
)
def add_sample(path: ProjectPath, form: shapes.NewSample) -> Response:
    """Upload an image into the project's folder. Nothing there is ever overwritten."""
    sample = service().samples.add(
        path.project, form.file.filename or "", cast(BinaryIO, form.file.stream), actor()
    )
    return answer(
        sample_shape(path.project, sample), 201, {"Location": sample_url(path.project, sample.id)}
    )


@routes.get("/projects/<slug:project>/samples/<id:sample>", answers=shapes.Sample)
def get_sample(path: SamplePath) -> Response:
    """Say what a sample is."""
    return answer(sample_shape(path.project, service().samples.get(path.project, path.sample)))


@routes.patch("/projects/<slug:project>/samples/<id:sample>", answers=shapes.Sample)
def change_sample(path: SamplePath, body: shapes.SampleChange) -> Response:
    """Set a sample aside, or make it ready again."""
    sample = service().samples.change(
        path.project, path.sample, state=body.state, note=body.note, actor=actor()
    )
    return answer(sample_shape(path.project, sample))


@routes.delete("/projects/<slug:project>/samples/<id:sample>", answers={204: None})
def delete_sample(path: SamplePath) -> Response:
    """Forget a sample without labels. Its file stays."""
    service().samples.delete(path.project, path.sample, actor())
    return nothing()


@routes.get(
    "/projects/<slug:project>/samples/<id:sample>/image",
    answers=dict.fromkeys(map(media_type, IMAGE_SUFFIXES), "The file itself, in its own format."),
    also={206: "The part that was asked for.", 304: "Nothing new.", 416: "No such part."},
)
def get_image(path: SamplePath, query: shapes.ImageQuery) -> Response:
    """Give a sample's image as it lies in the folder; parts of it on request (Range)."""
    sample = service().samples.get(path.project, path.sample)
    files = service().samples.image_paths(path.project, sample.id)
    if query.channel >= len(files):
        raise NotFound(
            f"Sample {sample.id} has {len(files)} files; there is no channel {query.channel}."
        )
    file = files[query.channel]
    return file_answer(
        file,
        media_type=media_type(image_suffix(file.name) or sample.format),
        name=PurePosixPath(sample.files[query.channel]).name,
        etag=_etag(file),
    )


def _etag(file: Path) -> str:
    """Tell contents apart by times and size: hashing gigabytes at every request would not do.

    The time of any change counts beside the one that the file says it was written at, which copying
    keeps and anybody can set.
    """
    try:
        found = file.stat()
    except OSError:
        raise NotFound("The sample's file is gone from the disk.") from None
    return f"{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{found.st_size:x}"


def sample_shape(project: str, sample: rows.Sample) -> shapes.Sample:
    """Show a sample."""
    fields = {name: getattr(sample, name) for name in _FIELDS}
    return shapes.Sample(**fields, image_url=image_url(project, sample.id))


_FIELDS = [name for name in shapes.Sample.model_fields if name != "image_url"]
