"""Headers that requests may carry."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ActorHeader(BaseModel):
    """Of every request that changes something."""

    actor: str | None = Field(
        default=None,
        alias="Limner-Actor",
        max_length=200,
        description="Who asks, for the audit trail; the server takes the caller's word for it.",
    )


class KeyedHeaders(ActorHeader):
    """Of posts that are carried out once under a key."""

    key: str | None = Field(
        default=None,
        alias="Idempotency-Key",
        max_length=255,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
        description="Sent again with the same key and the same request, a post is not carried out "
        "again: its first answer comes back, with `Idempotency-Replayed: true`. Kept for a day.",
    )
