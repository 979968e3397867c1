"""Options of the commands that talk to a running server."""

from __future__ import annotations

from typing import Annotated

import typer

Url = Annotated[str, typer.Option(envvar="LIMNER_URL", help="The server's root.")]
Token = Annotated[
    str | None, typer.Option(envvar="LIMNER_TOKEN", help="Token, where the server asks for one.")
]

DEFAULT_URL = "http://127.0.0.1:8000"
ATTEMPTS = 2
"""A person is waiting: one more try, then say so."""
