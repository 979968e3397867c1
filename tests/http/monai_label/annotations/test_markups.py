"""Boxes of objects lie in Slicer where the objects lie in the image."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.http.monai_label.annotations.markups import detection_params, markups_json
from limner.images import Header
from limner.plugin import Affine, Instances, LabelClass, LabelSchema, no_instances

SCHEMA = LabelSchema(
    classes=(LabelClass(name='a "b"', value=1), LabelClass(name="nodule", value=7))
)
FLIP = np.diag([-1.0, -1.0, 1.0])


def objects(*boxes: list[float]) -> Instances:
    return Instances(
        boxes=np.array(boxes, np.float32),
        masks=(None,) * len(boxes),
        classes=np.array([7, 1][: len(boxes)], np.int64),
        scores=np.array([0.1, 1][: len(boxes)], np.float32),
    )


def markups(instances: Instances, header: Header) -> list[dict[str, Any]]:
    found = json.loads(markups_json(instances, header, SCHEMA))
    assert found["@schema"].endswith("/markups-schema-v1.0.3.json#")
    return list(found["markups"])


def corners_of(markup: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Return the corners of a region of interest in RAS+ millimetres, sorted."""
    turn = np.array(markup["orientation"]).reshape(3, 3)
    halves = np.array(list(product([-0.5, 0.5], repeat=3))) * markup["size"]
    lps = np.array(markup["center"]) + halves @ turn.T
    ras = np.round(lps @ FLIP, 4) + 0.0
    return np.array(sorted(ras.tolist()))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000),
    sides=st.tuples(*[st.sampled_from([0.5, 1.0, 3.3])] * 3),
)
def test_a_region_covers_the_voxels_of_its_box(
    volume: Callable[[Affine], Header], seed: int, sides: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * sides
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    (markup,) = markups(objects([2, 3, 5, 6, 13, 9.5]), volume(affine))
    # A voxel reaches half a voxel to either side of its index.
    indices = np.array(list(product(*zip([1.5, 2.5, 4.5], [5.5, 12.5, 9.0], strict=True))))
    ras = np.round(indices @ affine[:3, :3].T + affine[:3, 3], 4) + 0.0
    np.testing.assert_allclose(corners_of(markup), sorted(ras.tolist()), atol=1e-3)
    turn = np.array(markup["orientation"]).reshape(3, 3)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_sheared_volume_still_gets_a_rotation(volume: Callable[[Affine], Header]) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 2] = 0.4
    (markup,) = markups(objects([2, 3, 5, 6, 13, 9]), volume(affine))
    turn = np.array(markup["orientation"]).reshape(3, 3)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)


def test_a_picture_lies_at_the_origin_one_millimetre_thick(
    picture: Callable[..., Header],
) -> None:
    first, second = markups(objects([2, 3, 12, 23], [0, 0, 1, 1]), picture())
    assert first["center"] == [12.5, 6.5, 0]
    assert first["size"] == [20, 10, 1]
    assert first["orientation"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert second["center"] == [0, 0, 0]


def test_a_region_has_the_fields_that_slicer_reads(picture: Callable[..., Header]) -> None:
    first, second = markups(objects([2, 3, 12, 23], [0, 0, 1, 1]), picture())
    assert [first["name"], second["name"]] == ["nodule", 'a "b"']
    assert [first["label"], second["label"]] == [{"value": 7}, {"value": 1}]
    for each in (first, second):
        assert (each["type"], each["roiType"]) == ("ROI", "Box")
        assert (each["coordinateSystem"], each["coordinateUnits"]) == ("LPS", "mm")
        (point,) = each["controlPoints"]
        assert point["position"] == each["center"]
        assert point["positionStatus"] == "defined"
        assert each["measurements"][0]["name"] == "volume"


@pytest.mark.parametrize("axes", [2, 3])
def test_no_object_is_no_region(
    axes: int, picture: Callable[..., Header], volume: Callable[[Affine], Header]
) -> None:
    header = picture() if axes == 2 else volume(np.eye(4))
    assert markups(no_instances(axes), header) == []
    assert detection_params(no_instances(axes), SCHEMA)["box"] == []


def test_boxes_are_x_first_and_first_corner_then_last() -> None:
    assert detection_params(objects([2, 3, 12, 23.5], [0, 0, 1, 1]), SCHEMA) == {
        "box": [[3, 2, 23.5, 12], [0, 0, 1, 1]],
        "label": [7, 1],
        "label_names": {'a "b"': 1, "nodule": 7},
        "score": [0.1, 1.0],
    }
    assert detection_params(objects([2, 3, 5, 6, 13, 9]), SCHEMA)["box"] == [[2, 3, 5, 6, 13, 9]]
