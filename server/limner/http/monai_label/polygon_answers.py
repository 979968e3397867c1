"""Outlines of pictures as polygons: for viewers of slides and for tools that draw no masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from limner.errors import Conflict
from limner.http.monai_label.annotations.asap import asap_xml
from limner.http.monai_label.annotations.dsa import dsa_json
from limner.http.monai_label.annotations.polygons import polygon_params
from limner.http.monai_label.annotations.regions import LEAST_AREA, Window, regions_of
from limner.http.monai_label.answers import download, form_answer, json_answer
from limner.http.monai_label.routes import Here
from limner.loop.predict import Answered
from limner.plugin import ClassScores

POLYGONS = ("asap", "dsa", "json")
"""What `output` in the parameters of a request may be, for polygons."""


def whole(answered: Answered) -> Window:
    """Return all of a picture as a window."""
    rows, columns = answered.header.shape
    return Window(x=0, y=0, width=columns, height=rows)


def polygon_file(
    here: Here,
    answered: Answered,
    output: str | None,
    *,
    window: Window,
    least_area: float = LEAST_AREA,
    seconds: float = 0.0,
) -> tuple[bytes | None, dict[str, Any]]:
    """Write the outlines of a picture: as a file (`asap`, `dsa`), and as parameters.

    Raises:
        Conflict: The answer has no outlines.
    """
    if isinstance(answered.answer, ClassScores):
        raise Conflict("Classes have no outlines; ask /infer for them.")
    regions = regions_of(answered.answer, answered.schema, least_area=least_area, window=window)
    place = [window.x, window.y, window.width, window.height]
    model = here.project.app
    named: dict[str, Any] = {
        "name": f"Limner Annotations - {model} for {place}",
        "description": f"Version {answered.version.number} of {here.name}",
        "model": model,
        "window": window,
    }
    latencies = {"total": round(seconds, 4), "infer": round(seconds, 4), "pre": 0.0, "post": 0.0}
    told = polygon_params(regions, **named, latencies=latencies)
    if output == "asap":
        return asap_xml(regions, **named), told
    if output == "dsa":
        return dsa_json(regions, **named, latencies=latencies), told
    return None, told


def polygon_answer(
    here: Here, answered: Answered, params: Mapping[str, Any], output: str
) -> Response:
    """Answer `/infer` with polygons."""
    content, told = polygon_file(here, answered, params.get("output"), window=whole(answered))
    if content is None or output == "json":
        return json_answer(told)
    name = "tmp_annotations" + (".xml" if params.get("output") == "asap" else ".json")
    return download(content, name) if output == "image" else form_answer(told, content, name)
