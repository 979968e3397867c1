"""Who may ask: a bearer token where one is set, and no stranger's web page where none is.

Without a token only this machine may connect (`check_exposure`). A web page from elsewhere, open
in a browser on this machine, could still try: by a host name that suddenly points to 127.0.0.1 (DNS
rebinding), or by a form that posts across sites. Both give themselves away in headers that a page
cannot forge: `Host`, `Origin` and `Sec-Fetch-Site` (W3C Fetch Metadata).
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import Forbidden

from limner.errors import SettingsError, Unauthorised
from limner.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset(
    {"/health/live", "/health/ready", "/api/v1/health/live", "/api/v1/health/ready"}
)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine alone."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without a token.

    Raises:
        SettingsError: No token, or an empty one, for an address that others can reach.
    """
    if settings.token is not None and not settings.token.get_secret_value().strip():
        raise SettingsError("The token is empty; give one of at least a few characters, or none.")
    if settings.token is None and not is_loopback(settings.host):
        raise SettingsError(
            f"Listening on {settings.host} lets others reach this server: set a token "
            "(--token, or token in the settings), or listen on 127.0.0.1."
        )


def guard(app: Flask, settings: Settings) -> None:
    """Check every request to an application before anything else does."""
    if settings.token is not None:
        token = settings.token.get_secret_value().encode()

        def check() -> None:
            if request.path not in _OPEN_PATHS:
                check_token(request.headers.get("Authorization"), token)

    else:
        own = frozenset({settings.host.strip("[]").lower()})

        def check() -> None:
            check_host(request.headers.get("Host", ""), own)
            if request.method not in _SAFE_METHODS:
                check_site()

    app.before_request(check)


def check_token(header: str | None, token: bytes) -> None:
    """Compare in constant time.

    Raises:
        Unauthorised: Missing or wrong; the answer does not say which part.
    """
    scheme, _, given = (header or "").partition(" ")
    # Header text is Latin-1 by WSGI; back to the bytes that were sent.
    sent = given.strip().encode("latin-1", "replace")
    matches = hmac.compare_digest(sent, token)
    if scheme.lower() != "bearer" or not matches:
        raise Unauthorised(
            "This server asks for its token: send the header 'Authorization: Bearer TOKEN'."
        )


def check_host(header: str, own: frozenset[str]) -> None:
    """Refuse a request that was sent to some other name than this machine's.

    Raises:
        Forbidden: The host is neither loopback nor one of `own`.
    """
    host = _host(header)
    if not is_loopback(host) and host not in own:
        raise Forbidden(
            "This server answers to localhost only. To reach it by another name, listen there "
            "with a token."
        )


def check_site() -> None:
    """Refuse a change that a page of another site asks for.

    Raises:
        Forbidden: The browser says that the request comes from elsewhere.
    """
    site = request.headers.get("Sec-Fetch-Site", "none").lower()
    origin = request.headers.get("Origin")
    foreign = origin is not None and _netloc(origin) != request.headers.get("Host", "")
    if site not in {"none", "same-origin"} or foreign:
        raise Forbidden("Pages of other sites may not change anything on this server.")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
