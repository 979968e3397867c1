"""What every refusal says."""

from __future__ import annotations

from pydantic import Field

from limner.http.rest.shapes.values import Answered


class Problem(Answered):
    """Problem details, as RFC 9457 has them."""

    type: str = Field(
        description="Which kind of problem: `about:blank` where the status says it all, else a "
        "path on this server that explains it.",
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(description="That kind in a few words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What was wrong this time, and what to do.")
    instance: str = Field(
        description="What was asked for.", json_schema_extra={"format": "uri-reference"}
    )
    request_id: str = Field(description="Under which the server's log has this request.")
    problems: list[str] | None = Field(
        default=None, description="Everything that was wrong, where there is more than one thing."
    )
