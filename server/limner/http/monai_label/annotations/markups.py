"""Boxes of objects: the regions of interest that 3D Slicer shows, and the values beside them.

Slicer wants LPS+ millimetres, x to the left, y to the back and z to the head; an image's affine
leads to RAS+. A picture has no affine: Slicer lays it at the origin with pixels of one millimetre,
x along the columns and y along the rows, and one millimetre thick.

Format: `markups-schema-v1.0.3.json` of https://github.com/Slicer/Slicer.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.http.monai_label.annotations.plain import number
from limner.images import Header
from limner.images.geometry import lps_to_ras
from limner.plugin import Affine, Instances, LabelSchema

SCHEMA_URL = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)

_DIRECTION_DIGITS = 9


def markups_json(instances: Instances, header: Header, schema: LabelSchema) -> bytes:
    """Write the box of each object as a region of interest, named after its class.

    Where voxels are sheared no box fits them; it is then turned as little as can be.

    Args:
        instances: Objects of a picture or a volume.
        header: Of the image.
        schema: The classes.
    """
    affine = _to_lps(header)
    orientation = _orientation(affine)
    names = _names(schema)
    markups = [
        _region(box, affine, orientation, names.get(value, str(value)), value)
        for box, value in zip(_boxes(instances), instances.classes.tolist(), strict=True)
    ]
    return json.dumps({"@schema": SCHEMA_URL, "markups": markups}, indent=1).encode("ascii")


def detection_params(instances: Instances, schema: LabelSchema) -> dict[str, Any]:
    """Return the objects as JSON values.

    Returns:
        `box`: of each its first corner and then its last, one past the end, in pixels or voxels:
        x, y, x, y of a picture, with x along the columns; i, j, k, i, j, k of a volume. `label`:
        their class values. `label_names`: the value of each class by its name. `score`: in [0, 1].
    """
    axes = instances.boxes.shape[1] // 2
    boxes = _boxes(instances)
    corners = np.concatenate([boxes[:, 0, :axes], boxes[:, 1, :axes]], axis=1)
    return {
        "box": [[number(each) for each in row] for row in corners],
        "label": instances.classes.tolist(),
        "label_names": {each.name: each.value for each in schema.classes},
        "score": [round(float(score), 6) for score in instances.scores],
    }


def _boxes(instances: Instances) -> npt.NDArray[np.float64]:
    """Return boxes as (n, 2, 3): first and last corner, x y z; a picture is one pixel deep."""
    count, axes = len(instances.boxes), instances.boxes.shape[1] // 2
    corners = instances.boxes.astype(np.float64).reshape(count, 2, axes)
    if axes == 3:
        return corners
    deep = np.broadcast_to(np.array([[0.0], [1.0]]), (count, 2, 1))
    return np.concatenate([corners[:, :, ::-1], deep], axis=2)


def _to_lps(header: Header) -> Affine:
    """Return the way from x, y, z of `_boxes` to LPS+ millimetres."""
    return np.eye(4) if header.affine is None else lps_to_ras(header.affine)


def _orientation(affine: Affine) -> list[float]:
    """Return the directions of a box, a column for each axis, row by row; a rotation."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    # The rotation or reflection nearest to them (orthogonal Procrustes problem).
    left, _, right = np.linalg.svd(directions)
    nearest = left @ right
    # A box looks the same from both ends of an axis, and Slicer expects no mirrored ones.
    if np.linalg.det(nearest) < 0:
        nearest[:, 2] *= -1
    return [round(float(each), _DIRECTION_DIGITS) + 0.0 for each in nearest.ravel()]


def _region(
    box: npt.NDArray[np.float64], affine: Affine, orientation: list[float], name: str, value: int
) -> dict[str, Any]:
    # Voxel 0 reaches from -0.5 to 0.5 in the indices of an affine, and from 0 to 1 in a box.
    middle = box.mean(axis=0) - 0.5
    center = [float(each) for each in (affine @ [*middle, 1.0])[:3]]
    sides = np.linalg.norm(affine[:3, :3], axis=0) * (box[1] - box[0])
    point = {
        "id": "1",
        "label": name,
        "description": "",
        "associatedNodeID": "",
        "position": center,
        "orientation": orientation,
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "defined",
    }
    return {
        "name": name,
        "type": "ROI",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": 1,
        "roiType": "Box",
        "center": center,
        "orientation": orientation,
        "size": sides.tolist(),
        "insideOut": False,
        "label": {"value": value},
        "controlPoints": [point],
        "measurements": [
            {"name": "volume", "enabled": False, "units": "cm3", "printFormat": "%-#4.4g%s"}
        ],
    }


def _names(schema: LabelSchema) -> dict[int, str]:
    return {each.value: each.name for each in schema.classes}
