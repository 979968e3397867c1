"""What a client should know first."""

from __future__ import annotations

import time
from importlib.metadata import version

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.shapes import server as shapes
from limner.http.rest.shapes.values import rfc3339
from limner.http.routes import Routes
from limner.images import IMAGE_SUFFIXES, MASK_TYPES
from limner.loop.export import export_formats
from limner.plugin import CONTRACT_VERSION, Task

routes = Routes("Server", "The server itself.")


@routes.get("/info", answers=shapes.Info)
def get_info() -> Response:
    """Say which server this is and what it can read and write."""
    settings = service().settings
    return answer(
        shapes.Info(
            name="limner",
            version=version("limner"),
            api="v1",
            contract=CONTRACT_VERSION,
            time=rfc3339(time.time()),
            token_required=settings.token is not None,
            max_body_bytes=settings.limits.max_body_bytes,
            image_suffixes=list(IMAGE_SUFFIXES),
            mask_types=dict(MASK_TYPES),
            export_formats=[each for task in Task for each in export_formats(task)],
            workers=[shapes.Worker.model_validate(each) for each in service().engine.status()],
        )
    )
