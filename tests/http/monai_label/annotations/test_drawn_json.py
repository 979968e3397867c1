"""Outlines as JSON: the parameters of pathology models, and the Digital Slide Archive's file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from limner.http.monai_label.annotations.dsa import dsa_json
from limner.http.monai_label.annotations.polygons import polygon_params
from limner.http.monai_label.annotations.regions import Region, Window, colour_of

TRIANGLE = np.array([[1, 2], [3.5, 2], [3.5, 40]], np.float32)
SQUARE = np.array([[0, 0], [9, 0], [9, 9], [0, 9.125]], np.float32)
REGIONS = [
    Region(name='a<b & "c"\n', value=1, contours=(TRIANGLE, SQUARE), score=None),
    Region(name="Tumör", value=4, contours=(SQUARE,), score=0.5),
    Region(name="Tumör", value=4, contours=(TRIANGLE,), score=0.25),
]
WINDOW = Window(x=10, y=20, width=30, height=40)
LATENCIES = {"infer": 0.25}


def test_the_archive_gets_a_line_for_each_outline() -> None:
    content = dsa_json(
        REGIONS, name='"n"', description="d", model="m", window=WINDOW, latencies=LATENCIES
    )
    found = json.loads(content)
    assert list(found) == ["name", "elements", "description"]
    assert found["name"] == '"n"'
    assert len(found["elements"]) == 4
    colour = ",".join(map(str, colour_of(1)))
    assert found["elements"][0] == {
        "group": 'a<b & "c"\n',
        "type": "polyline",
        "lineColor": f"rgb({colour})",
        "lineWidth": 2.0,
        "closed": True,
        "points": [[1, 2, 0], [3.5, 2, 0], [3.5, 40, 0]],
        "label": {"value": 'a<b & "c"\n'},
    }


@pytest.mark.parametrize("regions", [REGIONS, []])
def test_the_second_last_line_is_the_description(regions: list[Region]) -> None:
    content = dsa_json(
        regions, name="n", description='a "d"\n', model="m", window=WINDOW, latencies=LATENCIES
    )
    *_, line, last = content.decode().splitlines()
    assert last == "}"
    assert json.loads(json.loads(f"{{{line}}}")["description"]) == {
        "model": "m",
        "desc": 'a "d"\n',
        "location": [10, 20],
        "size": [30, 40],
        "count": 4 if regions else 0,
        "latencies": {"infer": 0.25},
    }
    assert len(json.loads(content)["elements"]) == (4 if regions else 0)


def test_parameters_have_an_element_for_each_region() -> None:
    params = polygon_params(
        REGIONS, name="n", description="d", model="m", window=WINDOW, latencies=LATENCIES
    )
    (only,) = params.pop("annotations")
    assert params == {
        "name": "n",
        "description": "d",
        "model": "m",
        "location": [10, 20],
        "size": [30, 40],
        "latencies": {"infer": 0.25},
    }
    annotation = only["annotation"]
    assert (annotation["location"], annotation["size"]) == ([10, 20], [30, 40])
    assert annotation["elements"][0] == {
        "label": 'a<b & "c"\n',
        "contours": [
            [[1, 2], [3.5, 2], [3.5, 40]],
            [[0, 0], [9, 0], [9, 9], [0, 9.125]],
        ],
    }
    assert [each["label"] for each in annotation["elements"][1:]] == ["Tumör", "Tumör"]
    assert annotation["labels"] == {
        'a<b & "c"\n': list(colour_of(1)),
        "Tumör": list(colour_of(4)),
    }
    json.dumps(params)
