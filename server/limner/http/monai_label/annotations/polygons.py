"""Outlines as plain values: the parameters that models of pathology answer with.

CVAT's functions read `elements`; other clients take the whole as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limner.http.monai_label.annotations.plain import points
from limner.http.monai_label.annotations.regions import Region, Window, colour_of


def polygon_params(
    regions: Sequence[Region],
    *,
    name: str,
    description: str,
    model: str,
    window: Window,
    latencies: Mapping[str, float],
) -> dict[str, Any]:
    """Return regions as JSON values, an element for each; x and y in pixels of the whole picture.

    Args:
        regions: Of a picture.
        name: Of the annotations.
        description: Of the annotations.
        model: Its name.
        window: The part of the picture that they are of; becomes `location` and `size`.
        latencies: Seconds that the steps took, by name.
    """
    place = {"location": [window.x, window.y], "size": [window.width, window.height]}
    annotation = {
        **place,
        "elements": [
            {"label": region.name, "contours": [points(each) for each in region.contours]}
            for region in regions
        ],
        "labels": {region.name: list(colour_of(region.value)) for region in regions},
    }
    return {
        "name": name,
        "description": description,
        "model": model,
        **place,
        "annotations": [{"annotation": annotation}],
        "latencies": dict(latencies),
    }
