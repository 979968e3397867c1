"""`/infer/wsi/{model}`: outlines of a part of a picture, as polygons.

Slides that only OpenSlide reads are no images of Limner; pictures are, whatever their size.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response

from limner.errors import InvalidRequest
from limner.http.context import service
from limner.http.monai_label.annotations.regions import LEAST_AREA, Window
from limner.http.monai_label.answers import download, json_answer
from limner.http.monai_label.entries import Entry, entry
from limner.http.monai_label.inputs import Input, given_image
from limner.http.monai_label.polygon_answers import polygon_file, whole
from limner.http.monai_label.prompts import prompts_of
from limner.http.monai_label.reading import asked_choice, form_object, json_object
from limner.http.monai_label.routes import Here, Routes, waiting_client
from limner.loop.predict import Answered

routes = Routes()

_SUFFIXES = {"asap": ".xml", "dsa": ".json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Which part of a picture is asked for."""

    location: tuple[int, int]
    size: tuple[int, int]
    least_area: float
    params: Mapping[str, Any]

    def window(self, answered: Answered, *, is_uploaded: bool) -> Window:
        """Return the part as a window of the picture; an uploaded patch is all of it."""
        everything = whole(answered)
        if is_uploaded or self.size == (0, 0):
            return everything
        x, y = self.location
        width, height = self.size
        if x >= everything.width or y >= everything.height:
            raise InvalidRequest(
                f"location is {[x, y]}, outside of the picture of "
                f"{everything.width} × {everything.height} pixels."
            )
        return Window(
            x=x,
            y=y,
            width=min(width, everything.width - x),
            height=min(height, everything.height - y),
        )


@routes.route("/infer/wsi/<model>", "POST")
def infer_part(here: Here, model: str) -> Response:
    """Answer for a part of a stored picture; the body is JSON, said to be that or not."""
    return _outlined(here, model, json_object())


@routes.route("/infer/wsi_v2/<model>", "POST")
def infer_patch(here: Here, model: str) -> Response:
    """Answer for a patch that comes with the request, or for a part of a stored picture."""
    return _outlined(here, model, form_object("wsi"))


def _outlined(here: Here, model: str, fields: Mapping[str, Any]) -> Response:
    chosen, part = entry(here, model), _part(fields)
    output = asked_choice("output", "asap", "dsa", "json")
    with given_image(here) as given:
        if given.header(here).kind != "picture":
            raise InvalidRequest("The image is a volume; ask /infer for its outline.")
        began = time.perf_counter()
        answered = _answered(here, chosen, given, part)
        seconds = time.perf_counter() - began
        window = part.window(answered, is_uploaded=given.sample is None)
    content, told = polygon_file(
        here, answered, output, window=window, least_area=part.least_area, seconds=seconds
    )
    if content is not None and output is not None:
        return download(content, f"annotations{_SUFFIXES[output]}")
    place = [window.x, window.y, window.width, window.height]
    return json_answer({**told, "location": place})


def _answered(here: Here, chosen: Entry, given: Input, part: _Part) -> Answered:
    client = waiting_client(part.params.get("client_id"))
    prompts = None
    if chosen.is_interactive:
        schema = service().projects.schema(here.project)
        prompts = prompts_of(chosen, part.params, given.header(here), schema, None)
    return service().predictions.answer(here.name, given.image, prompts=prompts, client=client)


def _part(fields: Mapping[str, Any]) -> _Part:
    params = fields.get("params") or {}
    if not isinstance(params, Mapping):
        raise InvalidRequest("params is no JSON object.")
    level = fields.get("level", 0)
    if level not in (0, None):
        raise InvalidRequest(f"level is {str(level)[:20]!r}; a picture has level 0 only.")
    area = fields.get("min_poly_area", LEAST_AREA)
    if isinstance(area, bool) or not isinstance(area, int | float) or area < 0:
        raise InvalidRequest(f"min_poly_area is {str(area)[:20]!r}; take a number from 0 on.")
    return _Part(
        location=_pair(fields, "location"),
        size=_pair(fields, "size"),
        least_area=float(area),
        params=params,
    )


def _pair(fields: Mapping[str, Any], name: str) -> tuple[int, int]:
    value = fields.get(name) or [0, 0]
    is_sound = (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each < 2**31
            for each in value
        )
    )
    if not is_sound:
        raise InvalidRequest(f"{name} is {str(value)[:50]}; take two numbers from 0 on.")
    return int(value[0]), int(value[1])
