"""`/ohif`: a built OHIF viewer from the folder that the settings name."""

from __future__ import annotations

from flask import Response, send_from_directory
from werkzeug.exceptions import NotFound as NoSuchFile

from limner.errors import NotFound
from limner.http.context import service
from limner.http.monai_label.routes import Here, Routes

routes = Routes()

_START = "index.html"


@routes.route("/ohif/", "GET")
def get_start(here: Here) -> Response:
    """Give the viewer's page."""
    return get_file(here, _START)


@routes.route("/ohif/<path:path>", "GET")
def get_file(here: Here, path: str) -> Response:
    """Give a file of the viewer; its page for its own paths, which are no files."""
    folder = service().settings.monai_label.ohif
    if folder is None or not (folder / _START).is_file():
        raise NotFound(
            "Resource NOT Found: no built OHIF viewer is configured; name its folder as "
            "monai_label.ohif in the settings."
        )
    try:
        return send_from_directory(folder.absolute(), path)
    except NoSuchFile:
        return send_from_directory(folder.absolute(), _START)
