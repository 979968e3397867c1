"""`limner openapi`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.terminal import out

Target = Annotated[
    Path | None, typer.Option("--out", help="File to write (the terminal).", metavar="FILE")
]


def openapi(target: Target = None) -> None:
    """Print the OpenAPI 3.1 document of the REST interface; starts no server and no worker."""
    from limner.http.app import openapi_document

    text = json.dumps(openapi_document(), indent=2, ensure_ascii=False)
    if target is None:
        out.out(text, highlight=False)
    else:
        target.write_text(text + "\n", encoding="utf-8")
