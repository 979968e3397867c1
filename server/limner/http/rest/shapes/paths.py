"""What stands in the paths."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from limner.http.rest.shapes.values import Asked

_SLUG = r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$"
_MOST = 10**18 - 1


class ProjectPath(Asked):
    """A project."""

    project: str = Field(description="Name of a project.", pattern=_SLUG)


class SamplePath(ProjectPath):
    """A sample of a project."""

    sample: int = Field(description="Id of a sample.", ge=1, le=_MOST)


class ModelPath(ProjectPath):
    """A model version of a project."""

    number: int = Field(description="Number of a model version.", ge=1, le=_MOST)


class AssignmentPath(Asked):
    """An assignment."""

    assignment: int = Field(description="Id of an assignment.", ge=1, le=_MOST)


class LabelPath(Asked):
    """A label."""

    label: int = Field(description="Id of a label.", ge=1, le=_MOST)


class JobPath(Asked):
    """A job."""

    job: int = Field(description="Id of a job.", ge=1, le=_MOST)


class PluginPath(Asked):
    """An app or a strategy."""

    kind: Literal["app", "strategy"] = Field(description="What it is.")
    name: str = Field(description="Its name.", pattern=_SLUG)


class ExportQuery(Asked):
    """How to export."""

    format: Literal["nnunet", "msd", "coco", "maps", "csv", "folders"] | None = Field(
        default=None,
        description="Layout of the zip file. Masks: `nnunet`, nnU-Net's, or `msd`, that of the "
        "Medical Segmentation Decathlon. Instances: `coco`, or `maps`, a numbered picture each. "
        "Classes: `csv`, or `folders`, one a class. The first of its task where none is named.",
    )
