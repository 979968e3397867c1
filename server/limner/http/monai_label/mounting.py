"""Mounting the dialect: at the root for one project, under `/monai/{project}` for each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WsgiResponse

from limner.errors import LimnerError, NotFound
from limner.http import errors
from limner.http.context import service
from limner.http.monai_label.answers import detail_answer
from limner.http.monai_label.origins import is_preflight
from limner.http.monai_label.routes import Here, Routes, Rule, View
from limner.records.rows import Project

PREFIX = "/monai/<slug:project>"
_ROOT, _NAMED = "monai_label_root", "monai_label"


def mount(app: Flask) -> None:
    """Add the dialect's routes to an application, twice."""
    blueprint = Blueprint(_NAMED, __name__)
    opened: set[str] = set()
    for number, rule in enumerate(_rules()):
        name = f"{rule.view.__name__}_{number}"
        blueprint.add_url_rule(
            rule.path,
            name,
            _located(rule.view),
            methods=[rule.method],
            strict_slashes=False,
        )
        if rule.is_open:
            opened |= {f"{_ROOT}.{name}", f"{_NAMED}.{name}"}
    blueprint.register_error_handler(LimnerError, _in_short(errors.answer_known))
    blueprint.register_error_handler(HTTPException, _in_short(errors.answer_http))
    blueprint.register_error_handler(OSError, _in_short(errors.answer_system))
    blueprint.register_error_handler(Exception, _in_short(errors.answer_unexpected))
    app.register_blueprint(blueprint, name=_ROOT, url_defaults={"project": None})
    app.register_blueprint(blueprint, name=_NAMED, url_prefix=PREFIX)
    app.extensions[_NAMED] = frozenset(opened)


def needs_no_token(app: Flask) -> bool:
    """Tell whether the present request is one of the dialect's that is answered without a token.

    A browser asks without one whether it may ask with one.
    """
    if request.endpoint in app.extensions.get(_NAMED, ()):
        return True
    return is_preflight() and (request.blueprint or "") in {_ROOT, _NAMED}


def _rules() -> Iterator[Rule]:
    from limner.http.monai_label import (
        active_learning,
        batch,
        datastore,
        images,
        infer,
        info,
        labels,
        login,
        logs,
        model_files,
        ohif,
        proxy,
        scoring,
        sessions,
        training,
        wsi,
    )

    every: tuple[Routes, ...] = (
        info.routes,
        login.routes,
        wsi.routes,
        infer.routes,
        batch.routes,
        training.routes,
        active_learning.routes,
        scoring.routes,
        datastore.routes,
        images.routes,
        labels.routes,
        sessions.routes,
        model_files.routes,
        logs.routes,
        proxy.routes,
        ohif.routes,
    )
    for routes in every:
        yield from routes.rules


def _located(view: View) -> View:
    """Look the project up before a view is called."""

    @functools.wraps(view)
    def handle(project: str | None, **parts: Any) -> WsgiResponse:
        found = _root_project() if project is None else service().projects.get(project)
        return view(Here(found), **parts)

    return handle


def _root_project() -> Project:
    """Return the project at the root: the one that the settings name, or the only one there is."""
    settings = service().settings
    if settings.monai_label.project is not None:
        return service().projects.get(settings.monai_label.project)
    names = [each.name for each in settings.projects]
    if len(names) == 1:
        return service().projects.get(names[0])
    if not names:
        there = service().projects.list(limit=2).items
        if len(there) == 1:
            return there[0]
        names = [each.name for each in there]
    told = f"; there are {', '.join(names)}" if names else ""
    raise NotFound(
        "No project is served here: name one as monai_label.project in the settings, or use "
        f"/monai/PROJECT as the server's address{told}."
    )


def _in_short(answer: Callable[[Any], WsgiResponse]) -> Callable[[Exception], WsgiResponse]:
    """Turn a problem into the one line that these clients read, with its status and headers."""

    def handle(error: Exception) -> WsgiResponse:
        problem = answer(error)
        if not isinstance(problem, Response) or not problem.is_json:
            return problem
        document = problem.get_json()
        short = detail_answer(document.get("detail") or document["title"], problem.status_code)
        for name in ("Retry-After", "WWW-Authenticate", "Allow"):
            if name in problem.headers:
                short.headers[name] = problem.headers[name]
        return short

    return handle
