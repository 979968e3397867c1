"""How a resource declares its routes: the view, its documentation and its checks in one place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, get_args, get_type_hints

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.schema import Schema
from flask_openapi3.models.tag import Tag
from flask_openapi3.utils import parse_form
from pydantic import BaseModel

from limner.http.arguments import body_shape, form_shape, path_shape, query_shape
from limner.http.context import actor
from limner.http.idempotency import once
from limner.http.rest.shapes.headers import ActorHeader, KeyedHeaders
from limner.http.rights import MEANINGS, Right, demand

PREFIX = "/api/v1"

View: TypeAlias = Callable[..., Response]
V = TypeVar("V", bound=View)

Media: TypeAlias = Mapping[str, str | type[BaseModel]]
"""Media types of an answer: each with a description where it is a file, with its shape where it is
JSON."""

_COMPONENTS = "#/components/schemas"
_PROBLEM = {"$ref": f"{_COMPONENTS}/Problem"}
_BODIES = ("body", "form")
_ARGUMENTS = ("path", "query", *_BODIES)


class Routes:
    """The routes of one resource.

    A view is a function whose arguments `path`, `query`, `body` and `form`, where it has them, are
    annotated with shapes: they are documented, and checked before the view is called. One that has
    both body and form takes either, by the request's media type, and gets None for the other. Its
    name is the operation's id.
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
        right: Right | None = None,
    ) -> Callable[[V], V]:
        """Declare a route that does something; `keyed` ones honour `Idempotency-Key`.

        Where a `right` is named, only a token that carries it is answered.
        """
        return self._route("post", rule, answers, also or {}, keyed=keyed, right=right)

    def patch(self, rule: str, *, answers: type[BaseModel]) -> Callable[[V], V]:
        """Declare a route that changes some fields."""
        return self._route("patch", rule, {200: answers}, {})

    def delete(
        self,
        rule: str,
        *,
        answers: Mapping[int, type[BaseModel] | None],
        also: Mapping[int, str] | None = None,
        right: Right | None = None,
    ) -> Callable[[V], V]:
        """Declare a route that ends or removes something; `right` is as in `post`."""
        return self._route("delete", rule, answers, also or {}, right=right)

    def _route(
        self,
        method: str,
        rule: str,
        answers: Mapping[int, type[BaseModel] | Media | None],
        also: Mapping[int, str],
        *,
        keyed: bool = False,
        right: Right | None = None,
    ) -> Callable[[V], V]:
        security: list[dict[str, list[Any]]] | None = (
            None if right is None else [{"admin_token": []}]
        )
        if right is not None:
            also = {**_right_refusals(right), **also}

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
                security=security,
            )
            handle = checked(view, keyed=keyed, right=right, changes=method != "get")
            hints = _shapes(view)
            alternative = hints.pop("form") if {"body", "form"} <= set(hints) else None
            if method != "get":
                hints["header"] = KeyedHeaders if keyed else ActorHeader
            handle.__annotations__ = hints  # seen by the documentation only
            register(handle)
            if alternative is not None:
                self._document_form(method, view.__name__, alternative)
            for shape in _json_shapes(answers.values()):
                self._document_shape(shape)
            return view

        return declare

    def _document_form(self, method: str, name: str, form: type[BaseModel]) -> None:
        """Let the documentation of a route with a body say that a form is taken in its place."""
        content, shapes = parse_form(form)
        self.api.components_schemas.update(shapes)
        for item in self.api.paths.values():
            operation = getattr(item, method)
            if operation is not None and operation.operationId == name:
                operation.requestBody.content.update(content)

    def _document_shape(self, shape: type[BaseModel]) -> None:
        schema = shape.model_json_schema(
            mode="serialization", ref_template=f"{_COMPONENTS}/{{model}}"
        )
        parts = schema.pop("$defs", {})
        for title, part in {**parts, shape.__name__: schema}.items():
            self.api.components_schemas[title] = Schema(**part)


def checked(
    view: View, *, keyed: bool = False, right: Right | None = None, changes: bool = False
) -> View:
    """Wrap a view so that its caller's right is checked, then its arguments are read and checked.

    Where the view `changes` something, who asks is checked too.
    """
    hints = _shapes(view)
    body = hints.get("body")
    takes_either = body is not None and "form" in hints
    if body is not None and not any(each.is_required() for each in body.model_fields.values()):
        # No body at all counts as `{}`; flask-openapi3 documents every body as needed.
        body.model_config["openapi_extra"] = {"required": False}
    readers: list[tuple[str, Callable[[type[BaseModel]], BaseModel], type[BaseModel]]] = [
        (name, reader, hints[name])
        for name, reader in (("query", query_shape), ("body", body_shape), ("form", form_shape))
        if name in hints
    ]
    path = hints.get("path")

    @functools.wraps(view)
    def handle(**parts: Any) -> Response:
        if right is not None:
            demand(right)
        if changes:
            actor()
        arguments: dict[str, Any] = {} if path is None else {"path": path_shape(path, parts)}
        is_form = request.mimetype == "multipart/form-data"
        for name, read, shape in readers:
            is_other = takes_either and is_form == (name == "body") and name in _BODIES
            arguments[name] = None if is_other else read(shape)
        call = functools.partial(view, **arguments)
        return once(call) if keyed else call()

    # Tells flask-openapi3 that the checking is done here.
    handle.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return handle


def _shapes(view: View) -> dict[str, Any]:
    """Return the shapes of a view's arguments; `X | None` stands for X."""
    hints = get_type_hints(view)
    return {name: _given_shape(hints[name]) for name in _ARGUMENTS if name in hints}


def _given_shape(hint: Any) -> Any:
    return next((each for each in get_args(hint) if each is not type(None)), hint)


def _json_shapes(
    answers: Iterable[type[BaseModel] | Media | None],
) -> Iterator[type[BaseModel]]:
    for answer in answers:
        if isinstance(answer, Mapping):
            yield from (shape for shape in answer.values() if isinstance(shape, type))


def _documented(answer: type[BaseModel] | Media | None) -> Any:
    if answer is None or isinstance(answer, type):
        return answer
    words = [inspect.getdoc(each) if isinstance(each, type) else each for each in answer.values()]
    return {
        "description": "; ".join(dict.fromkeys(each for each in words if each)),
        "content": {media_type: _media_schema(media_type, answer) for media_type in answer},
    }


def _media_schema(media_type: str, answer: Media) -> dict[str, Any]:
    # A stream of events is no file; OpenAPI 3.1 has no words for what is in one.
    if media_type == "text/event-stream":
        return {}
    shape = answer[media_type]
    if isinstance(shape, type):
        return {"schema": {"$ref": f"{_COMPONENTS}/{shape.__name__}"}}
    if media_type.endswith("json"):
        return {"schema": {"type": "object"}}
    return {"schema": {"type": "string", "format": "binary"}}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": _PROBLEM}}}


def _right_refusals(right: Right) -> dict[int, str]:
    return {
        401: "No token that this server knows was sent.",
        403: f"The token that was sent may not {MEANINGS[right]}, or no admin token is set.",
    }


def _problems() -> dict[str, Any]:
    return {
        "422": _problem("What was sent does not have the right shape or values."),
        "default": _problem("Any other problem (RFC 9457)."),
    }
