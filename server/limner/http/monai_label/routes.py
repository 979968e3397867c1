"""How the dialect declares its routes: collected here, mounted twice by `mounting`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import request
from werkzeug.wrappers import Response

from limner.errors import InvalidRequest
from limner.http.context import ACTOR_HEADER, actor, service
from limner.loop.texts import checked_annotator
from limner.plugin import Task
from limner.records.rows import Project, Sample

View = Callable[..., Response]
V = TypeVar("V", bound=View)

NOBODY = "monai-label"
"""Annotator of what a client sends without saying who it is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One route: its view is called with `here`, then with what the path holds."""

    path: str
    method: str
    view: View
    is_open: bool
    """Whether it is answered without a token."""


@dataclass(frozen=True, slots=True)
class Here:
    """The project that a request is about."""

    project: Project

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @property
    def task(self) -> Task:
        """The kind of label that the project collects."""
        return service().projects.task(self.project)

    def sample(self, image_id: str | None) -> Sample:
        """Return the sample that a client calls by this id: its name.

        Raises:
            InvalidRequest: No id is given.
            NotFound: There is none of that name.
        """
        if not image_id:
            raise InvalidRequest("No image is named: give its id in the query, as image=ID.")
        return service().samples.named(self.name, image_id)


class Routes:
    """Some routes of the dialect."""

    def __init__(self) -> None:
        """Start with none."""
        self.rules: list[Rule] = []

    def route(self, path: str, *methods: str, is_open: bool = False) -> Callable[[V], V]:
        """Declare a view for a path; both forms, with and without a slash at the end, are meant."""

        def declare(view: V) -> V:
            self.rules += [Rule(path, method, view, is_open) for method in methods]
            return view

        return declare


def annotator(client_id: object) -> str:
    """Return who an annotator is: the id that a client gives itself, or the header's name.

    Raises:
        InvalidRequest: It cannot be a name.
    """
    if client_id is None or client_id == "":
        return actor() if request.headers.get(ACTOR_HEADER) else NOBODY
    if not isinstance(client_id, str):
        raise InvalidRequest(f"client_id is {str(client_id)[:50]!r}; it is a text.")
    return checked_annotator(client_id)


def waiting_client(client_id: object = None) -> str:
    """Name who waits for a worker, so that clients take turns."""
    return str(client_id or request.remote_addr or "")[:200]


def spoken(name: str) -> str:
    """Return a name in a path as it was meant: clients write a space as a plus sign there."""
    return name.replace("+", " ")
