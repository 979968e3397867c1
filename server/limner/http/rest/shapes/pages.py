"""Lists come in pages: `{"items": […], "next": a cursor or null}`."""

from __future__ import annotations

from pydantic import Field

from limner.http.rest.shapes.values import Answered, Asked


class PageQuery(Asked):
    """Which part of a list."""

    cursor: str | None = Field(
        default=None,
        description="Where to go on: `next` of the page before, as it is.",
        max_length=512,
    )
    limit: int = Field(default=100, ge=1, le=1000, description="Most items on this page.")


class Page(Answered):
    """What every page has beside its items."""

    next: str | None = Field(description="Cursor of the next page; null on the last one.")
