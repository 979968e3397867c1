"""What a request may do beyond what every caller may: the rights that its token carries."""

from __future__ import annotations

from typing import Literal

from flask import g
from werkzeug.exceptions import Forbidden

from limner.errors import Unauthorised

Right = Literal["plugins"]
"""Something that only some tokens allow; a route asks for it in its declaration."""

MEANINGS: dict[Right, str] = {"plugins": "register and retire plugins"}
"""What each right is for, in words."""

NO_ADMIN_TOKEN = "no admin token is set; start with --admin-token"  # noqa: S105 - no token itself


def grant(*, is_admin: bool, is_known: bool, admin_is_set: bool) -> None:
    """Note what the token of this request carries.

    Args:
        is_admin: It is the admin token.
        is_known: It is a token of this server's, admin's or not.
        admin_is_set: The server has an admin token at all.
    """
    g.limner_token = (is_admin, is_known, admin_is_set)


def demand(right: Right) -> None:
    """Refuse the present request unless its token carries a right.

    Raises:
        Unauthorised: It carries no token that this server knows.
        Forbidden: Its token does not carry the right, or no token could.
    """
    is_admin, is_known, admin_is_set = g.get("limner_token", (False, False, False))
    if not admin_is_set:
        raise Forbidden(f"Nobody may {MEANINGS[right]} here: {NO_ADMIN_TOKEN}.")
    if is_admin:
        return
    if not is_known:
        raise Unauthorised(
            f"To {MEANINGS[right]}, send the admin token: the header 'Authorization: Bearer TOKEN'."
        )
    raise Forbidden(f"The ordinary token may not {MEANINGS[right]}; send the admin token.")
