"""Taking the labels elsewhere."""

from __future__ import annotations

from flask import Response

from limner.http.context import service
from limner.http.rest.shapes.paths import ExportQuery, ProjectPath
from limner.http.routes import Routes
from limner.loop.export import export_formats

routes = Routes("Export", "Taking images and labels elsewhere.")


@routes.get(
    "/projects/<slug:project>/export",
    answers={"application/zip": "Images and labels in the layout that was asked for."},
)
def export_project(path: ProjectPath, query: ExportQuery) -> Response:
    """Give every labelled image with its newest submitted label as a zip file, streamed."""
    project = service().projects.get(path.project)
    format = query.format or export_formats(service().projects.task(project))[0]
    body = service().exports.stream(project.name, format)
    response = Response(body, content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{project.name}-{format}.zip"'
    response.headers["Cache-Control"] = "no-store"
    return response
