"""Who may ask: a bearer token where one is set, and no stranger's web page where none is.

An admin token does all that the ordinary one does, and carries rights that some routes ask for
(`limner.http.rights`).

Without a token only this machine may connect (`check_exposure`). A web page from elsewhere, open
in a browser on this machine, could still try: by a host name that suddenly points to 127.0.0.1 (DNS
rebinding), or by a form that posts across sites. Both give themselves away in headers that a page
cannot forge: `Host`, `Origin` and `Sec-Fetch-Site` (W3C Fetch Metadata).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from flask import Flask, request
from pydantic import SecretStr
from werkzeug.exceptions import Forbidden

from limner.errors import SettingsError, Unauthorised
from limner.http.rights import grant
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
        SettingsError: No token, or an empty one, for an address that others can reach; or an
            admin token that is empty or the same as the ordinary one.
    """
    if settings.token is not None and not settings.token.get_secret_value().strip():
        raise SettingsError("The token is empty; give one of at least a few characters, or none.")
    admin = None if settings.admin_token is None else settings.admin_token.get_secret_value()
    if admin is not None and not admin.strip():
        raise SettingsError(
            "The admin token is empty; give one of at least a few characters, or none."
        )
    token = None if settings.token is None else settings.token.get_secret_value()
    if admin is not None and token is not None and admin.strip() == token.strip():
        raise SettingsError(
            "The admin token is the ordinary token; give another one, which only those know who "
            "may register plugins."
        )
    if settings.token is None and not is_loopback(settings.host):
        raise SettingsError(
            f"Listening on {settings.host} lets others reach this server: set a token "
            "(--token, or token in the settings), or listen on 127.0.0.1."
        )


def guard(
    app: Flask,
    settings: Settings,
    *,
    is_open: Callable[[], bool],
    is_trusted: Callable[[], bool],
) -> None:
    """Check every request to an application before anything else does.

    Args:
        app: The application.
        settings: Have the tokens.
        is_open: Tells whether the present request needs no token.
        is_trusted: Tells whether it comes from a page of another site that may ask for changes.
    """
    token, admin = _secret(settings.token), _secret(settings.admin_token)
    accepted = accepted_tokens(settings)
    own = frozenset({settings.host.strip("[]").lower()})

    def check() -> None:
        header = request.headers.get("Authorization")
        if not accepted:
            check_host(request.headers.get("Host", ""), own)
            if request.method not in _SAFE_METHODS and not is_trusted():
                check_site()
        elif request.path not in _OPEN_PATHS and not is_open():
            check_token(header, accepted)
        is_admin = carries(header, admin)
        grant(
            is_admin=is_admin,
            is_known=carries(header, token) or is_admin,
            admin_is_set=admin is not None,
        )

    app.before_request(check)


def accepted_tokens(settings: Settings) -> tuple[bytes, ...]:
    """Return the tokens one of which every request must carry; empty where none is needed."""
    both = (_secret(settings.token), _secret(settings.admin_token))
    return () if settings.token is None else tuple(each for each in both if each is not None)


def check_token(header: str | None, accepted: Sequence[bytes]) -> None:
    """Refuse a request that carries none of the accepted tokens; compares in constant time.

    Raises:
        Unauthorised: Missing or wrong; the answer does not say which part.
    """
    # Every one is compared, whichever matches: the time that it takes tells nothing.
    matches = [carries(header, token) for token in accepted]
    if not any(matches):
        raise Unauthorised(
            "This server asks for its token: send the header 'Authorization: Bearer TOKEN'."
        )


def carries(header: str | None, token: bytes | None) -> bool:
    """Tell whether an `Authorization` header carries a token; compares in constant time."""
    scheme, _, given = (header or "").partition(" ")
    # Header text is Latin-1 by WSGI; back to the bytes that were sent.
    sent = given.strip().encode("latin-1", "replace")
    matches = token is not None and hmac.compare_digest(sent, token)
    return matches and scheme.lower() == "bearer"


def _secret(token: SecretStr | None) -> bytes | None:
    return None if token is None else token.get_secret_value().encode()


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
