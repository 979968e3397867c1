"""The Digital Slide Archive's annotations, as its interface HistomicsUI shows them.

Format: https://github.com/girder/large_image, `girder_annotation`, its annotation schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from limner.http.monai_label.annotations.plain import points
from limner.http.monai_label.annotations.regions import Region, Window, colour_of

_LINE_WIDTH = 2.0


def dsa_json(
    regions: Sequence[Region],
    *,
    name: str,
    description: str,
    model: str,
    window: Window,
    latencies: Mapping[str, float],
) -> bytes:
    """Write regions as an annotation, an element a line; x and y in pixels of the whole picture.

    What the answer is about is JSON again, in the annotation's description. It has the second-last
    line for itself, where the archive's command line looks for it.

    Args:
        regions: Of a picture.
        name: Of the annotation.
        description: Of the annotation.
        model: Its name.
        window: The part of the picture that they are of.
        latencies: Seconds that the steps took, by name.
    """
    elements = [_line(region, contour) for region in regions for contour in region.contours]
    about = {
        "model": model,
        "desc": description,
        "location": [window.x, window.y],
        "size": [window.width, window.height],
        "count": len(elements),
        "latencies": dict(latencies),
    }
    lines = [
        "{",
        f' "name": {json.dumps(name)},',
        ' "elements": [',
        ",\n".join(f"  {json.dumps(each)}" for each in elements),
        " ],",
        f' "description": {json.dumps(json.dumps(about))}',
        "}",
    ]
    return "\n".join(lines).encode("ascii")


def _line(region: Region, contour: Any) -> dict[str, Any]:
    return {
        "group": region.name,
        "type": "polyline",
        "lineColor": "rgb({},{},{})".format(*colour_of(region.value)),
        "lineWidth": _LINE_WIDTH,
        "closed": True,
        "points": [[x, y, 0] for x, y in points(contour)],
        "label": {"value": region.name},
    }
