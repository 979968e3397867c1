"""Parts of images."""

from __future__ import annotations

from pydantic import Field

from limner.http.rest.shapes.values import Answered


class Region(Answered):
    """A box of voxels, on the axes of the file."""

    start: list[int] = Field(description="The first voxel along each axis.")
    stop: list[int] = Field(description="One past the last voxel along each axis.")
