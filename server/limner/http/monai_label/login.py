"""`/auth/`: how clients that ask for a name and a password come to the server's token.

The password is the token. Whoever gives it gets it back, as the token to send from then on.
"""

from __future__ import annotations

from flask import Response, request

from limner.errors import InvalidRequest, Unauthorised
from limner.http.auth import accepted_tokens, carries
from limner.http.context import service
from limner.http.monai_label.answers import json_answer
from limner.http.monai_label.routes import Here, Routes

routes = Routes()

_ROLES = ("monailabel-admin", "monailabel-reviewer", "monailabel-annotator", "monailabel-user")


@routes.route("/", "GET", is_open=True)
def get_root(here: Here) -> Response:
    """Say that the server is there: reviewers look before anything else."""
    return json_answer({"name": here.name, "info": "info/"})


@routes.route("/auth/", "GET", is_open=True)
def get_auth(here: Here) -> Response:
    """Say whether a token is needed."""
    if service().settings.token is None:
        return json_answer({"enabled": False})
    realm = f"{request.host_url}auth/"
    return json_answer({"enabled": True, "client_id": "limner", "realm": realm})


@routes.route("/auth/token", "POST", is_open=True)
def post_token(here: Here) -> Response:
    """Give the token to who has it as a password.

    Raises:
        Unauthorised: The password is another one.
        InvalidRequest: Name or password are missing, or no token is needed.
    """
    name, password = request.form.get("username"), request.form.get("password")
    if not name or not password:
        raise InvalidRequest("Send username and password as a form; the password is the token.")
    accepted = accepted_tokens(service().settings)
    if not accepted:
        raise InvalidRequest("This server asks for no token; leave the login out.")
    matches = [carries(f"Bearer {password}", each) for each in accepted]
    if not any(matches):
        raise Unauthorised("The password is wrong; it is the server's token.")
    return json_answer({"access_token": password, "token_type": "bearer"})


@routes.route("/auth/token/valid", "GET")
def get_valid(here: Here) -> Response:
    """Say who asks, to who sends the token."""
    return json_answer({"username": "limner", "email": "", "name": "Limner", "roles": list(_ROLES)})
