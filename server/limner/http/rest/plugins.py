"""Apps and strategies."""

from __future__ import annotations

from typing import Any

from flask import Response

from limner.http.answers import answer, nothing
from limner.http.context import actor, service
from limner.http.rest.shapes import server as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import PluginPath
from limner.http.routes import Routes
from limner.loop.page import encode_cursor, number_cursor
from limner.loop.plugins import Listed
from limner.plugin import AppManifest, Manifest, StrategyManifest
from limner.records.rows import PluginState
from limner.registry import APPS, STRATEGIES

routes = Routes("Plugins", "Apps and strategies that the server found.")


@routes.get("/plugins", answers=shapes.PluginPage)
def list_plugins(query: PageQuery) -> Response:
    """List every app and strategy, those that cannot be used with all their problems."""
    found = service().plugins.every()
    start = max(0, number_cursor(query.cursor) or 0)
    page = found[start : start + query.limit]
    more = start + query.limit < len(found)
    return answer(
        shapes.PluginPage(
            items=[_shape(each) for each in page],
            next=encode_cursor(start + query.limit) if more else None,
        )
    )


@routes.post(
    "/plugins",
    answers={201: shapes.Registered, 200: shapes.Registered},
    also={404: "No such plugin is installed.", 409: "A name is taken, or projects would break."},
    right="plugins",
)
def register_plugin(body: shapes.NewPlugin) -> Response:
    """Register a plugin, or anew one whose code has changed, without a restart.

    Its code is run and checked in a process of its own first. 201 says that it is new, 200 that it
    was there: changed code has a revision one higher, and what runs ends on the code it began with.
    """
    plugins = service().plugins
    if body.path is not None:
        made = plugins.register_path(body.path, actor())
    else:
        group = APPS if body.kind == "app" else STRATEGIES
        made = plugins.register_installed(group, body.name or "", actor())
    listed = [_shape(Listed(each, PluginState.ACTIVE)) for each in made.plugins]
    shown = shapes.Registered(change=made.change, items=listed)
    return answer(shown, 201 if made.change == "registered" else 200)


@routes.delete(
    "/plugins/<kind:kind>/<slug:name>",
    answers={204: None},
    also={404: "There is no such plugin.", 409: "Projects use it."},
    right="plugins",
)
def retire_plugin(path: PluginPath) -> Response:
    """Retire a plugin that no project uses; its file stays where it is."""
    service().plugins.retire(APPS if path.kind == "app" else STRATEGIES, path.name, actor())
    return nothing()


def _shape(listed: Listed) -> shapes.Plugin:
    found = listed.found
    manifest = found.manifest
    return shapes.Plugin(
        name=found.source.name,
        kind="app" if found.source.group == APPS else "strategy",
        group=found.source.group,
        location=found.source.location,
        state="active" if listed.state == PluginState.ACTIVE else "retired",
        revision=found.source.revision,
        python=found.source.python or None,
        usable=found.is_usable,
        problems=list(found.problems),
        **_said(manifest, is_usable=found.is_usable),
    )


def _said(manifest: Manifest | None, *, is_usable: bool) -> dict[str, Any]:
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
        "options": {
            name: shapes.PluginOption.model_validate(option)
            for name, option in manifest.options.items()
        }
        if manifest is not None and is_usable
        else {},
        "needs": [] if strategy is None else sorted(map(str, strategy.needs)),
    }


def _text(manifest: Manifest | None, field: str) -> str | None:
    return None if manifest is None else str(getattr(manifest, field))
