"""`limner openapi`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.terminal import out

Target = Annotated[
    Path | None, typer.Option("--out", help="File to write (the terminal).", metavar="FILE")
]


def openapi(target: Target = None) -> None:
    """Print the OpenAPI 3.1 document of the REST interface; starts no server and no worker."""
    from limner.cli.server_run import build
    from limner.http.app import create_app
    from limner.settings import Settings

    with tempfile.TemporaryDirectory(prefix="limner-openapi-") as home:
        service = build(Settings(home=Path(home)))
        try:
            document = create_app(service).api_doc
        finally:
            service.records.close()
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if target is None:
        out.out(text, highlight=False)
    else:
        target.write_text(text + "\n", encoding="utf-8")
