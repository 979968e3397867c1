"""From JSON to a frozen dataclass.

Fields that the class does not have are ignored, so that a client goes on working with a newer
server.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from limner.client.errors import UnexpectedAnswer

T = TypeVar("T")


def parse(kind: type[T], value: object) -> T:
    """Read a JSON object as a dataclass.

    Raises:
        UnexpectedAnswer: It is no object, or a field without a default is not there.
    """
    if not isinstance(value, Mapping):
        raise UnexpectedAnswer(
            f"The server was expected to answer a JSON object ({kind.__name__}), "
            f"not {type(value).__name__}. Is this a Limner server, and of this version?"
        )
    given: dict[str, Any] = {}
    missing = []
    for name, annotation, required in _fields(cast(Hashable, kind)):
        if name in value:
            given[name] = _value(annotation, value[name])
        elif required:
            missing.append(name)
    if missing:
        raise UnexpectedAnswer(
            f"The server's answer lacks {', '.join(missing)} of {kind.__name__}; it has "
            f"{', '.join(map(str, value)) or 'nothing'}. Is the server of another version?"
        )
    return kind(**given)


@cache
def _fields(kind: Hashable) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it must be there, of every field."""
    hints = get_type_hints(kind)
    return tuple(
        (
            each.name,
            hints[each.name],
            each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING,
        )
        for each in dataclasses.fields(cast("type[Any]", kind))
    )


def _value(annotation: Any, value: object) -> object:
    """Turn one JSON value into what the annotation says; only the shapes that answers use."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _value(inner[0], value)
    if origin is tuple and isinstance(value, list):
        inner_type = get_args(annotation)[0]
        return tuple(_value(inner_type, each) for each in value)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return parse(annotation, value)
    return value
