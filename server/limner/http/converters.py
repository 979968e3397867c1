"""What may stand in a URL. Anything else matches no route, so it is answered with 404."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter, IntegerConverter


class SlugConverter(BaseConverter):
    """A project's name, as `limner.settings.Name` has it."""

    regex = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"


class IdConverter(IntegerConverter):
    """A positive integer that fits into the database: at most 18 digits, no leading zero."""

    regex = r"[1-9][0-9]{0,17}"


class KindConverter(BaseConverter):
    """What a plugin is."""

    regex = r"app|strategy"


def install(app: Flask) -> None:
    """Make `<slug:…>`, `<id:…>` and `<kind:…>` known to an application's routes."""
    app.url_map.converters["slug"] = SlugConverter
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["kind"] = KindConverter
    app.url_map.merge_slashes = False  # `//` is no way to say `/`: no redirects
