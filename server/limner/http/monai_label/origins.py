"""Which web pages may ask: viewers come from other origins than this server's.

Without a token anybody's page, open in a browser on this machine, could read images. So pages of
this machine may, and those that the settings name; with a token any page that has it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request

from limner.http.auth import is_loopback
from limner.settings import Settings

_OWN = ("/api/", "/docs", "/openapi.json", "/health/", "/metrics", "/problems/")
"""What is no part of the dialect: Limner's own interface is for pages of its own origin."""


class Origins:
    """Says which origins may ask, and tells browsers so."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        listed = settings.monai_label.origins
        self._any = settings.token is not None or "*" in listed
        self._listed = frozenset(each.rstrip("/") for each in listed)

    def allows(self, origin: str) -> bool:
        """Tell whether pages of an origin may ask."""
        if self._any or origin in self._listed:
            return True
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            return False
        return host is not None and is_loopback(host)

    def trusts_request(self) -> bool:
        """Tell whether the present request is one to the dialect from a page that may ask."""
        origin = request.headers.get("Origin")
        return origin is not None and is_dialect(request.path) and self.allows(origin)

    def register(self, app: Flask) -> None:
        """Say in every answer of the dialect, errors too, who may read it."""
        app.after_request(self._say)

    def _say(self, response: Response) -> Response:
        if not is_dialect(request.path):
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is None or not self.allows(origin):
            return response
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "Content-Disposition, Content-Length, ETag"
        if is_preflight():
            wanted = request.headers.get("Access-Control-Request-Headers")
            headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
            headers["Access-Control-Allow-Headers"] = wanted or "Content-Type, Authorization"
            headers["Access-Control-Max-Age"] = "600"
        return response


def is_preflight() -> bool:
    """Tell whether a browser asks what it may ask."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def is_dialect(path: str) -> bool:
    """Tell whether a path belongs to the dialect."""
    return not path.startswith(_OWN)
