"""Apps and strategies."""

from __future__ import annotations

from typing import Any

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.shapes import server as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.routes import Routes
from limner.loop.page import encode_cursor, number_cursor
from limner.plugin import AppManifest, Manifest, StrategyManifest
from limner.registry import APPS, Found

routes = Routes("Plugins", "Apps and strategies that the server found.")


@routes.get("/plugins", answers=shapes.PluginPage)
def list_plugins(query: PageQuery) -> Response:
    """List every app and strategy, those that cannot be used with all their problems."""
    found = service().registry.found
    start = max(0, number_cursor(query.cursor) or 0)
    page = found[start : start + query.limit]
    more = start + query.limit < len(found)
    return answer(
        shapes.PluginPage(
            items=[_shape(each) for each in page],
            next=encode_cursor(start + query.limit) if more else None,
        )
    )


def _shape(found: Found) -> shapes.Plugin:
    manifest = found.manifest
    return shapes.Plugin(
        name=found.source.name,
        kind="app" if found.source.group == APPS else "strategy",
        group=found.source.group,
        location=found.source.location,
        usable=found.is_usable,
        problems=list(found.problems),
        **_said(manifest),
    )


def _said(manifest: Manifest | None) -> dict[str, Any]:
    """Return what the manifest says; it may be broken, so nothing is taken for granted."""
    app = manifest if isinstance(manifest, AppManifest) else None
    strategy = manifest if isinstance(manifest, StrategyManifest) else None
    return {
        "version": _text(manifest, "version"),
        "title": _text(manifest, "title"),
        "licence": _text(manifest, "licence"),
        "contract": _text(manifest, "contract"),
        "task": _text(app, "task"),
        "dimensions": [] if app is None else sorted(app.dimensions),
        "abilities": [] if app is None else sorted(map(str, app.abilities)),
        "options": {}
        if app is None
        else {
            name: shapes.PluginOption(
                default=option.default,
                help=option.help,
                choices=list(option.choices),
                minimum=option.minimum,
                maximum=option.maximum,
            )
            for name, option in app.options.items()
        },
        "needs": [] if strategy is None else sorted(map(str, strategy.needs)),
    }


def _text(manifest: Manifest | None, field: str) -> str | None:
    return None if manifest is None else str(getattr(manifest, field))
