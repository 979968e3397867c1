"""JSON answers."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response
from pydantic import BaseModel


def answer(
    shape: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a shape as JSON. What is not finite becomes null: JSON has no NaN."""
    return Response(
        shape.model_dump_json(by_alias=True),
        status=status,
        headers=dict(headers or {}),
        content_type="application/json",
    )


def nothing() -> Response:
    """Answer 204: done, and there is nothing to say."""
    return Response(status=204)
