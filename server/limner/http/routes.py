"""How a resource declares its routes: the view, its documentation and its checks in one place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, get_type_hints

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from limner.http.arguments import body_shape, form_shape, path_shape, query_shape
from limner.http.idempotency import once
from limner.http.rest.shapes.headers import ActorHeader, KeyedHeaders

PREFIX = "/api/v1"

View: TypeAlias = Callable[..., Response]
V = TypeVar("V", bound=View)

Media: TypeAlias = Mapping[str, str]
"""Media types of an answer that is a file, each with a description."""

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


class Routes:
    """The routes of one resource.

    A view is a function whose arguments `path`, `query`, `body` and `form`, where it has them, are
    annotated with shapes: they are documented, and checked before the view is called. Its name is
    the operation's id.
    """

    def __init__(self, name: str, description: str, *, prefix: str = PREFIX) -> None:
        """Name the resource.

        Args:
            name: One word for people, such as `Samples`.
            description: One sentence.
            prefix: What every path begins with.
        """
        self.api = APIBlueprint(
            f"{prefix.strip('/').replace('/', '_') or 'root'}_{name.lower()}",
            __name__,
            url_prefix=prefix or None,
            abp_tags=[Tag(name=name, description=description)],
        )

    def get(
        self,
        rule: str,
        *,
        answers: type[BaseModel] | Media,
        also: Mapping[int, str] | None = None,
    ) -> Callable[[V], V]:
        """Declare a route that only reads."""
        return self._route("get", rule, {200: answers}, also or {})

    def post(
        self,
        rule: str,
        *,
        answers: Mapping[int, type[BaseModel] | Media | None],
        also: Mapping[int, str] | None = None,
        keyed: bool = True,
    ) -> Callable[[V], V]:
        """Declare a route that does something; `keyed` ones honour `Idempotency-Key`."""
        return self._route("post", rule, answers, also or {}, keyed=keyed)

    def patch(self, rule: str, *, answers: type[BaseModel]) -> Callable[[V], V]:
        """Declare a route that changes some fields."""
        return self._route("patch", rule, {200: answers}, {})

    def delete(
        self, rule: str, *, answers: Mapping[int, type[BaseModel] | None]
    ) -> Callable[[V], V]:
        """Declare a route that ends or removes something."""
        return self._route("delete", rule, answers, {})

    def _route(
        self,
        method: str,
        rule: str,
        answers: Mapping[int, type[BaseModel] | Media | None],
        also: Mapping[int, str],
        *,
        keyed: bool = False,
    ) -> Callable[[V], V]:
        def declare(view: V) -> V:
            responses: dict[str, Any] = {
                str(status): _documented(shape) for status, shape in answers.items()
            }
            responses |= {str(status): _problem(text) for status, text in also.items()}
            summary, _, more = inspect.cleandoc(view.__doc__ or "").partition("\n")
            register = getattr(self.api, method)(
                rule,
                operation_id=view.__name__,
                summary=summary,
                description=more.strip() or summary,
                responses=responses | _problems(),
            )
            handle = checked(view, keyed=keyed)
            if method != "get":
                # Seen by the documentation only.
                header = KeyedHeaders if keyed else ActorHeader
                handle.__annotations__ = {**view.__annotations__, "header": header}
            register(handle)
            return view

        return declare


def checked(view: View, *, keyed: bool = False) -> View:
    """Wrap a view so that its arguments are read from the request and checked."""
    hints = get_type_hints(view)
    readers: list[tuple[str, Callable[[type[BaseModel]], BaseModel], type[BaseModel]]] = [
        (name, reader, hints[name])
        for name, reader in (("query", query_shape), ("body", body_shape), ("form", form_shape))
        if name in hints
    ]
    path = hints.get("path")

    @functools.wraps(view)
    def handle(**parts: Any) -> Response:
        arguments: dict[str, Any] = {} if path is None else {"path": path_shape(path, parts)}
        for name, read, shape in readers:
            arguments[name] = read(shape)
        call = functools.partial(view, **arguments)
        return once(call) if keyed else call()

    # Tells flask-openapi3 that the checking is done here.
    handle.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return handle


def _documented(answer: type[BaseModel] | Media | None) -> Any:
    if answer is None or isinstance(answer, type):
        return answer
    return {
        "description": "; ".join(answer.values()),
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in answer
        },
    }


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": _PROBLEM}}}


def _problems() -> dict[str, Any]:
    return {
        "422": _problem("What was sent does not have the right shape or values."),
        "default": _problem("Any other problem (RFC 9457)."),
    }
