"""What a project offers these clients as models: the app itself, and its interactive ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.errors import LimnerError, NotFound
from limner.http.context import service
from limner.http.monai_label.routes import Here, spoken
from limner.images import IMAGE_SUFFIXES
from limner.plugin import Ability, AppManifest, PromptKind, Task
from limner.records.rows import ModelVersion

_TYPES: Mapping[Task, str] = {
    Task.SEGMENTATION: "segmentation",
    Task.INSTANCES: "detection",
    Task.CLASSIFICATION: "classification",
}
_INTERACTIVE: Mapping[str, tuple[PromptKind, str]] = {
    "deepedit": (PromptKind.POINTS, "Corrects the outline of every class by clicks."),
    "deepgrow": (PromptKind.POINTS, "Draws one class from clicks."),
    "scribbles": (PromptKind.SCRIBBLES, "Corrects the outline by scribbles."),
}
"""By the type that clients know: what it asks an app for, and a description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model as clients see it."""

    name: str
    type: str
    """What clients choose their tools by, such as `segmentation` or `deepedit`."""
    description: str
    is_interactive: bool = False
    boxes: bool = False
    """Of an interactive one: whether a box counts."""

    def as_json(self, here: Here, dimension: int, version: str) -> dict[str, Any]:
        """Write it as `/info/` shows it. Nothing in it is ever null: clients stumble over that."""
        return {
            "type": self.type,
            "labels": list(service().projects.schema(here.project).names),
            "dimension": dimension,
            "description": self.description,
            "config": {"device": devices()},
            "version": version,
            # Clients for slides list those models only that say they are for pictures.
            "pathology": dimension == 2,
            "nuclick": False,
        }


def entries(here: Here) -> list[Entry]:
    """List what the project's app offers, the app itself first; empty where it is not there."""
    manifest = app_of(here)
    if manifest is None:
        return []
    own = Entry(name=manifest.name, type=_TYPES[here.task], description=_sentence(manifest.title))
    if Ability.PROMPT not in manifest.abilities or here.task is not Task.SEGMENTATION:
        return [own]
    return [
        own,
        *(
            Entry(
                name=f"{manifest.name}-{kind}",
                type=kind,
                description=description,
                is_interactive=True,
                boxes=PromptKind.BOXES in manifest.prompts,
            )
            for kind, (needed, description) in _INTERACTIVE.items()
            if needed in manifest.prompts
        ),
    ]


def entry(here: Here, model: str) -> Entry:
    """Return what a client calls by this name.

    Raises:
        NotFound: The project offers no such model; the message lists those it does.
    """
    offered = entries(here)
    for each in offered:
        if each.name == spoken(model):
            return each
    names = ", ".join(each.name for each in offered) or "none"
    raise NotFound(f"Project {here.name} has no model {model[:64]!r}; it has {names}.")


def app_of(here: Here) -> AppManifest | None:
    """Return the manifest of the project's app; None where it is not there any more."""
    try:
        return service().projects.app(here.project.app)
    except LimnerError:
        return None


def dimension_of(here: Here) -> int:
    """Return how many axes the project's images have: 3 where nothing says otherwise."""
    manifest = app_of(here)
    if manifest is not None and len(manifest.dimensions) == 1:
        return min(manifest.dimensions)
    kinds = {
        IMAGE_SUFFIXES.get(each.format, "volume")
        for each in service().samples.list(here.name, limit=1).items
    }
    return 2 if kinds == {"picture"} else 3


def serving(here: Here) -> ModelVersion | None:
    """Return the version that serves the project."""
    return service().models.serving(here.name)


def devices() -> list[str]:
    """Name the devices that workers run on; at least one."""
    found = {each.device for each in service().engine.status() if each.device}
    return sorted(found) or ["cpu"]


def _sentence(title: str) -> str:
    return title if title.endswith(".") else f"{title}."
