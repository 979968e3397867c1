"""Model versions."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from limner.http.answers import answer
from limner.http.context import actor, service
from limner.http.rest.shapes import model as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import ModelPath, ProjectPath
from limner.http.routes import Routes
from limner.records import models
from limner.records.rows import ModelVersion

routes = Routes("Models", "Model versions: what was trained, measured, and serves.")


@routes.get("/projects/<slug:project>/models", answers=shapes.ModelPage)
def list_models(path: ProjectPath, query: PageQuery) -> Response:
    """List a project's model versions, newest first."""
    page = service().models.list(path.project, query.cursor, query.limit)
    return answer(shapes.ModelPage(items=_shown(page.items), next=page.next))


@routes.get("/projects/<slug:project>/models/<id:number>", answers=shapes.ModelVersion)
def get_model(path: ModelPath) -> Response:
    """Say what a model version is, where it comes from and what was decided of it."""
    return _answered(service().models.get(path.project, path.number))


@routes.post(
    "/projects/<slug:project>/models/<id:number>/promote",
    answers={200: shapes.ModelVersion},
    also={409: "Its weights were let go."},
)
def promote_model(path: ModelPath) -> Response:
    """Let a version serve, whatever was decided of it. With an older one this is a rollback."""
    return _answered(service().models.promote(path.project, path.number, actor()))


@routes.post("/projects/<slug:project>/models/<id:number>/pin", answers={200: shapes.ModelVersion})
def pin_model(path: ModelPath, body: shapes.PinRequest) -> Response:
    """Keep a version's weights for good, or no longer."""
    return _answered(service().models.pin(path.project, path.number, body.pinned, actor()))


def _answered(version: ModelVersion) -> Response:
    return answer(_shown([version])[0])


def _shown(versions: Sequence[ModelVersion]) -> list[shapes.ModelVersion]:
    numbers = {each.id: each.number for each in versions}
    absent = {each.parent_id for each in versions if each.parent_id is not None} - numbers.keys()
    if absent:
        with service().records.read() as tx:
            found = [models.find(tx, parent) for parent in sorted(absent)]
        numbers |= {each.id: each.number for each in found if each is not None}
    return [_shape(each, numbers.get(each.parent_id or 0)) for each in versions]


def _shape(version: ModelVersion, parent: int | None) -> shapes.ModelVersion:
    fields = {name: getattr(version, name) for name in _FIELDS}
    return shapes.ModelVersion(
        **fields,
        id=version.number,
        parent=parent,
        has_weights=version.weights_sha256 is not None,
    )


_FIELDS = [
    name for name in shapes.ModelVersion.model_fields if name not in {"id", "parent", "has_weights"}
]
