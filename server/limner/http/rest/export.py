"""Taking the labels elsewhere."""

from __future__ import annotations

from flask import Response

from limner.http.context import service
from limner.http.rest.shapes.paths import ExportQuery, ProjectPath
from limner.http.routes import Routes

routes = Routes("Export", "Taking images and labels elsewhere.")


@routes.get(
    "/projects/<slug:project>/export",
    answers={"application/zip": "Images and masks in the layout that was asked for."},
)
def export_project(path: ProjectPath, query: ExportQuery) -> Response:
    """Give every labelled image with its newest submitted label as a zip file, streamed."""
    project = service().projects.get(path.project)
    body = service().exports.stream(project.name, query.format)
    response = Response(body, content_type="application/zip")
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{project.name}-{query.format}.zip"'
    )
    response.headers["Cache-Control"] = "no-store"
    return response
