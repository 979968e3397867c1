"""The interface's description, for machines (`/openapi.json`) and people (`/docs`).

The page works without a network: its scripts and styles come with the package
`flask-openapi3-swagger`. Nothing is fetched from elsewhere, and the page's own policy forbids it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, current_app, send_from_directory
from flask_openapi3.openapi import OpenAPI

from limner.http.errors import KINDS, slug

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Limner's interface</title>
<link rel="icon" href="docs/assets/images/swagger.svg">
<link rel="stylesheet" href="docs/assets/css/swagger-ui.css">
</head>
<body>
<div id="interface"></div>
<script src="docs/assets/js/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """"use strict";
window.addEventListener("load", function () {
  window.SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#interface",
    deepLinking: true,
    displayOperationId: true,
    validatorUrl: null,
  });
});
"""


def register(app: OpenAPI) -> None:
    """Add the pages to an application."""
    app.add_url_rule("/", "home", page)
    app.add_url_rule("/docs", "docs", page)
    app.add_url_rule("/docs/start.js", "docs_start", start)
    app.add_url_rule("/docs/assets/<path:name>", "docs_asset", asset)
    app.add_url_rule("/openapi.json", "openapi_document", document)
    app.add_url_rule("/problems/<name>", "problem_kind", problem_kind)


def page() -> Response:
    """Answer with the documentation's page."""
    response = Response(_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def start() -> Response:
    """Answer with the script that starts the page."""
    return Response(_START, content_type="text/javascript; charset=utf-8")


def asset(name: str) -> Response:
    """Answer with a script or style of the page."""
    return send_from_directory(_assets(), name, max_age=86_400)


def document() -> Response:
    """Answer with the interface's description: OpenAPI 3.1."""
    return Response(json.dumps(description(current_app)), content_type="application/json")


def problem_kind(name: str) -> Response:
    """Say in plain text what a problem's type means."""
    for error, kind in KINDS.items():
        if slug(error) == name:
            text = f"{kind.title} ({kind.status})\n\n{error.__doc__ or ''}\n"
            return Response(text, content_type="text/plain; charset=utf-8")
    return Response("There is no such type of problem.\n", 404, content_type="text/plain")


def description(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    return cast(dict[str, Any], cast(OpenAPI, app).api_doc)


def _assets() -> Path:
    import flask_openapi3_swagger  # type: ignore[import-untyped]

    return Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
