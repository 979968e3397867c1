"""Projects, as they are created, changed and shown."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.server import PluginOption
from limner.http.rest.shapes.values import Answered, Asked, Instant, Line
from limner.settings import ProjectConfig, ProjectSettings


class NewProject(ProjectConfig):
    """A project to create: what a settings file says of one."""


class ProjectChange(Asked):
    """What to change of a project; what is left out stays."""

    title: Line | None = Field(default=None, max_length=200, description="Title for people.")
    app: Line | None = Field(
        default=None,
        max_length=64,
        description="Another app of the same task. It begins with its default options.",
    )
    settings: ProjectSettings | None = Field(
        default=None, description="Some of the project's settings; the others stay as they are."
    )


class LabelClass(Answered):
    """One class of a project's schema."""

    name: str = Field(description="Its name.")
    value: int = Field(description="Its value in masks; 0 is background.")


class Counts(Answered):
    """How many samples are in which state."""

    samples: int = Field(description="All whose file is there.")
    ready: int = Field(description="Waiting for a label.")
    labelled: int = Field(description="With as many submitted labels as the project asks for.")
    validation: int = Field(description="Labelled ones of the validation set.")
    unreadable: int = Field(description="Whose file cannot be read.")
    set_aside: int = Field(description="Skipped too often; waiting for somebody to look.")
    vanished: int = Field(description="Whose file is gone.")
    queued: int = Field(description="Picked by the strategy to be labelled next.")
    labels_since_training: int = Field(description="Submitted labels that no training has seen.")


class ProjectOption(PluginOption):
    """A setting of the project's app or strategy: what it is now, and what it may be."""

    value: object = Field(
        description="Value now; `settings.app_options` or `settings.strategy_options` changes it."
    )


class Project(Answered):
    """A labelling task."""

    id: str = Field(description="What URLs call it: its name.")
    name: str = Field(description="Its name.")
    title: str = Field(description="Title for people.")
    app: str = Field(description="App that draws and learns.")
    task: str = Field(description="Kind of label: `segmentation`, `instances`, `classification`.")
    app_options: dict[str, ProjectOption] = Field(
        description="Which model the app uses, and how: its settings by name; empty where it "
        "cannot be used."
    )
    strategy_options: dict[str, ProjectOption] = Field(
        description="How the strategy picks: its settings by name; empty where it cannot be used."
    )
    images: str = Field(description="Folder of images, on the server's machine.")
    labels: list[LabelClass] = Field(description="The classes, in the order of their values.")
    settings: dict[str, Any] = Field(description="How its loop runs.")
    round: int = Field(description="How many model versions were promoted.")
    model_version: int | None = Field(description="Number of the version that serves.")
    counts: Counts = Field(description="How many samples are in which state.")
    problems: list[str] = Field(
        description="What keeps its app and strategies from being used; empty when all is well."
    )
    notices: list[str] = Field(
        description="What follows from changes: that the serving version was made otherwise than "
        "the next one will be."
    )
    created_at: Instant = Field(description="When it was created.")


class ProjectPage(Page):
    """Projects."""

    items: list[Project] = Field(description="Oldest first.")


class StoreProblem(Answered):
    """Something in a project's folder that is no usable sample."""

    path: str = Field(description="Where, inside the folder.")
    problem: str = Field(description="What is wrong.")
    seen_at: Instant = Field(description="When it was last seen.")


class StoreProblemPage(Page):
    """Problems of a project's folder."""

    items: list[StoreProblem] = Field(description="Oldest first.")


class AuditEntry(Answered):
    """Who did what and when."""

    id: int = Field(description="Rises with every entry.")
    at: Instant = Field(description="When.")
    actor: str = Field(description="Who, as they named themselves; `server` for nobody.")
    action: str = Field(description="What, such as `label.submitted`.")
    subject: str = Field(description="To what, such as `label:17`.")
    details: dict[str, Any] = Field(description="Anything else worth knowing.")


class AuditPage(Page):
    """The audit trail."""

    items: list[AuditEntry] = Field(description="Newest first.")
