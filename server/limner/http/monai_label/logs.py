"""`/logs/`: the end of the server's log, and what the graphics card does; and `/reload`."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections import deque
from pathlib import Path

from flask import Response, g
from werkzeug.exceptions import Forbidden

from limner.errors import NotFound
from limner.http.context import service
from limner.http.monai_label.answers import json_answer
from limner.http.monai_label.reading import asked_flag, asked_number
from limner.http.monai_label.routes import Here, Routes

routes = Routes()

_FILE = "limner.log"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Limner's log</title>{refresh}</head>
<body><pre>{text}</pre></body></html>
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_SMI_S = 10.0


@routes.route("/logs/", "GET")
def get_logs(here: Here) -> Response:
    """Give the last lines of the log: as a page, or as plain text."""
    count = asked_number("lines", default=300, most=1_000_000)
    refresh = asked_number("refresh", default=0, most=86_400)
    text = _tail(service().settings.home / "logs" / _FILE, count)
    if asked_flag("text") or not asked_flag("html", default=True):
        return Response(text, content_type="text/plain; charset=utf-8")
    again = f'<meta http-equiv="refresh" content="{max(3, refresh)}">' if refresh else ""
    page = Response(_PAGE.format(refresh=again, text=html.escape(text)), content_type="text/html")
    page.headers["Content-Security-Policy"] = _POLICY
    return page


@routes.route("/logs/gpu", "GET")
def get_gpu(here: Here) -> Response:
    """Give what `nvidia-smi` says."""
    command = shutil.which("nvidia-smi")
    if command is None:
        raise NotFound("There is no nvidia-smi on this machine, so nothing is known of a GPU.")
    try:
        said = subprocess.run([command], capture_output=True, timeout=_SMI_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFound(f"nvidia-smi did not answer: {type(error).__name__}.") from error
    return Response(said.stdout, content_type="text/plain; charset=utf-8")


@routes.route("/reload", "POST")
def reload(here: Here) -> Response:
    """Look at the project's folder again; only for who has a token.

    Raises:
        Forbidden: The server has no token, or the request carries none.
    """
    is_known = g.get("limner_token", (False, False, False))[1]
    if not is_known:
        raise Forbidden("Only who sends the server's token may have it look again.")
    service().ingest.look_again(here.name)
    return json_answer({})


def _tail(path: Path, count: int) -> str:
    """Return the last lines of a file; all of them for 0."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, maxlen=count or None))
    except OSError:
        raise NotFound(f"Log File {path.name} NOT Found") from None
