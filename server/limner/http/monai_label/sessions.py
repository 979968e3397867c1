"""`/session/`: images that a client brings to be predicted, and that are no samples."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from flask import Response, request

from limner.errors import InvalidRequest, NotFound
from limner.http.context import service
from limner.http.monai_label.answers import download, json_answer
from limner.http.monai_label.reading import asked_flag, asked_number, plain_name
from limner.http.monai_label.routes import Here, Routes
from limner.records.rows import Session

routes = Routes()


@routes.route("/session/", "PUT")
def create_session(here: Here) -> Response:
    """Keep the files of a form for a while."""
    sent = [each for each in request.files.getlist("files") if each.filename]
    if not sent:
        raise InvalidRequest("The form has no file 'files'; send at least one.")
    session = service().sessions.create(
        here.name,
        [(plain_name(each.filename), cast(BinaryIO, each.stream)) for each in sent],
        expiry_s=asked_number("expiry", default=0),
        unpack=asked_flag("uncompress"),
    )
    return json_answer({"session_id": session.id, "session_info": _info(session)})


@routes.route("/session/<session_id>", "GET")
def get_session(here: Here, session_id: str) -> Response:
    """Say what a session is, or give its image (`image=true`)."""
    session = service().sessions.get(here.name, session_id, touch=asked_flag("update_ts"))
    if not asked_flag("image"):
        return json_answer(_info(session))
    paths = service().sessions.paths(session)
    if len(paths) != 1:
        raise NotFound(f"Session ({session_id[:64]}) has {len(paths)} files and no single image.")
    return download(paths[0], paths[0].name)


@routes.route("/session/<session_id>", "DELETE")
def remove_session(here: Here, session_id: str) -> Response:
    """Let a session go."""
    return json_answer(_info(service().sessions.remove(here.name, session_id)))


def _info(session: Session) -> dict[str, Any]:
    paths = service().sessions.paths(session)
    place = service().sessions.place(session)
    return {
        "name": session.id,
        "path": str(place),
        "image": str(paths[0] if len(paths) == 1 else place),
        "meta": {},
        "create_ts": int(session.created_at),
        "last_access_ts": int(session.last_access_at),
        "expiry": int(session.expiry_s),
    }
