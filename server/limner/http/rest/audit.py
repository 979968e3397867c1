"""The audit trail."""

from __future__ import annotations

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import ProjectPath
from limner.http.rest.shapes.project import AuditEntry, AuditPage
from limner.http.routes import Routes
from limner.loop.page import number_cursor, page_of
from limner.records import audit

routes = Routes("Audit", "Who did what and when.")


@routes.get("/projects/<slug:project>/audit", answers=AuditPage)
def list_audit(path: ProjectPath, query: PageQuery) -> Response:
    """List who did what in a project, newest first."""
    project = service().projects.get(path.project)
    with service().records.read() as tx:
        before = number_cursor(query.cursor)
        found = audit.page(tx, project.id, before=before, limit=query.limit + 1)
    page = page_of(found, query.limit, lambda each: each.id)
    return answer(
        AuditPage(items=[AuditEntry.model_validate(each) for each in page.items], next=page.next)
    )
