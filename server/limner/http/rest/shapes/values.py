"""What several shapes are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    InstanceOf,
    StringConstraints,
    WithJsonSchema,
)
from werkzeug.datastructures import FileStorage


def rfc3339(seconds: float) -> str:
    """Write seconds since 1970 as a UTC time with milliseconds, such as `2026-01-02T03:04:05.678Z`.

    Example:
        >>> rfc3339(0)
        '1970-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _moment(value: object) -> object:
    return rfc3339(value) if isinstance(value, int | float) else value


Instant = Annotated[
    str, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time in UTC (RFC 3339)."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters and separators of lines and paragraphs: `limner.loop.texts` refuses them."""

Line = Annotated[str, StringConstraints(pattern=rf"^[^{_CONTROLS}]*$", max_length=500)]
"""Text of one line without control characters."""

PersonName = Annotated[
    str,
    StringConstraints(pattern=rf"^[^ {_CONTROLS}][^{_CONTROLS}]*$", min_length=1, max_length=200),
]
"""Name of an annotator: 1 to 200 characters, no control characters, no blank in front."""

Upload = Annotated[InstanceOf[FileStorage], WithJsonSchema({"type": "string", "format": "binary"})]
"""A file of a multipart form."""


class Asked(BaseModel):
    """What a client sends: fields that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answered(BaseModel):
    """What the server sends."""

    model_config = ConfigDict(from_attributes=True, ser_json_inf_nan="null")
