"""The application: every part put in its place, and no rule of its own."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import RequestURITooLarge

from limner.http import auth, converters, docs_page, errors, logs, monai_label
from limner.http.context import Parts, attach
from limner.http.metrics import Metrics
from limner.http.monai_label.origins import Origins
from limner.http.requests import INCOMING, StrictRequest
from limner.http.rest import health, resources
from limner.http.rest import metrics as metrics_routes
from limner.http.rest.shapes.problem import Problem
from limner.http.spool import FOLDER
from limner.http.sse import Streams
from limner.settings import Settings

if TYPE_CHECKING:
    from limner.loop.service import Service

MAX_TARGET = 8192
"""Longest path with query, in characters."""


def create_app(service: Service) -> OpenAPI:
    """Make the application for a service; it works with any WSGI server."""
    settings = service.settings
    app = _bare_app(settings)
    metrics = Metrics(service)
    # A stream holds a thread for as long as it lasts; two in three stay for short requests.
    attach(app, Parts(service, Streams(max(1, settings.threads // 3)), metrics))
    logs.register(app)
    metrics.register(app)
    origins = Origins(settings)
    auth.guard(
        app,
        settings,
        is_open=lambda: monai_label.needs_no_token(app),
        is_trusted=origins.trusts_request,
    )
    app.before_request(_check_target)
    errors.register(app)
    _add_routes(app)
    monai_label.mount(app)
    origins.register(app)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the interface's description (OpenAPI 3.1) without a server."""
    app = _bare_app(Settings(home=Path()))
    _add_routes(app)
    return cast(dict[str, Any], app.api_doc)


def _bare_app(settings: Settings) -> OpenAPI:
    app = OpenAPI(
        "limner",
        info=Info(
            title="Limner",
            version=version("limner"),
            description="Hands out the next image worth labelling, draws the outline first, and "
            "learns from the correction.",
        ),
        security_schemes={
            "token": {"type": "http", "scheme": "bearer"},
            "admin_token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The admin token, which does what the ordinary one does and more.",
            },
        },
        openapi_extensions={
            "security": [{"token": []}] if settings.token else [{}, {"token": []}],
        },
        validation_error_model=Problem,
        doc_ui=False,
        static_folder=None,
    )
    app.request_class = StrictRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.limits.max_body_bytes
    app.config[INCOMING] = settings.home / FOLDER
    converters.install(app)
    return app


def _add_routes(app: OpenAPI) -> None:
    for routes in resources():
        app.register_api(routes.api)
    docs_page.register(app)
    # Where those who watch servers look first.
    app.add_url_rule("/health/live", "live", health.get_live)
    app.add_url_rule("/health/ready", "ready", health.get_ready)
    app.add_url_rule("/metrics", "metrics", metrics_routes.get_metrics)


def _check_target() -> None:
    if len(request.full_path) > MAX_TARGET:
        raise RequestURITooLarge(f"Path and query have at most {MAX_TARGET} characters.")
