"""Average precision as COCO measures it, by pycocotools.

Lin et al. 2014 (arXiv 1405.0312): the mean over classes, recalls and overlaps from 0.5 to 0.95.
COCO looks at the hundred surest objects of an image; pictures of cells hold more, so all count
here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from limner.plugin import Instances, window

_MOST_PAIRS = 1_000_000
"""Detections times labelled objects of an image; pycocotools pairs them one by one in Python, so
images with more would take minutes each, and are left out."""
_NOT_DEFINED = -1.0
"""What COCO gives for a class without a labelled object."""


class AveragePrecision:
    """Collects predictions and labels, image by image, and measures them.

    Args:
        values: The schema's class values.
    """

    def __init__(self, values: Sequence[int]) -> None:
        self._categories = [{"id": int(value), "name": str(value)} for value in values]
        self._images: list[dict[str, Any]] = []
        self._labels: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []
        self._outlined: set[int] = set()
        self._most = 1

    def add(self, predicted: Instances, truth: Instances, shape: tuple[int, int]) -> None:
        """Add an image; one of which some label is only a box counts for boxes alone."""
        if len(predicted.boxes) * len(truth.boxes) > _MOST_PAIRS:
            return
        image = len(self._images) + 1
        self._images.append({"id": image, "height": shape[0], "width": shape[1]})
        self._most = max(self._most, len(predicted.boxes))
        if all(mask is not None for mask in truth.masks):
            self._outlined.add(image)
        self._labels += self._annotations(truth, image, shape, len(self._labels))
        found = self._annotations(predicted, image, shape, len(self._found))
        for row, each in enumerate(found):
            self._found.append({**each, "score": float(predicted.scores[row])})

    def measure(self, kind: str) -> dict[str, float]:
        """Return `ap` and `ap50`, in [0, 1]; empty where no labelled object can tell.

        Args:
            kind: `segm` for masks or `bbox` for boxes.
        """
        wanted = {each["id"] for each in self._images}
        if kind == "segm":
            wanted &= self._outlined
        labels = [each for each in self._labels if each["image_id"] in wanted]
        if not labels:
            return {}
        found = [each for each in self._found if each["image_id"] in wanted]
        # pycocotools prints what it does.
        with contextlib.redirect_stdout(io.StringIO()):
            truth, predictions = self._dataset(labels), self._dataset(found)
            evaluation = COCOeval(truth, predictions, kind)
            evaluation.params.imgIds = sorted(wanted)
            evaluation.params.maxDets = [1, 10, self._most]
            evaluation.params.areaRng = evaluation.params.areaRng[:1]
            evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
            evaluation.evaluate()
            evaluation.accumulate()
        # (overlap, recall, class, area, most detections)
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        defined = precision > _NOT_DEFINED
        return {
            "ap": float(precision[defined].mean()),
            "ap50": float(precision[0][defined[0]].mean()),
        }

    def _dataset(self, annotations: list[dict[str, Any]]) -> COCO:
        dataset = COCO()
        dataset.dataset = {
            "info": {},
            "images": self._images,
            "categories": self._categories,
            "annotations": annotations,
        }
        dataset.createIndex()
        return dataset

    def _annotations(
        self, instances: Instances, image: int, shape: tuple[int, int], before: int
    ) -> list[dict[str, Any]]:
        """Write objects as COCO does; masks as run lengths of the whole image."""
        annotations = []
        canvas = np.zeros(shape, np.uint8, order="F")
        for row, (box, mask) in enumerate(zip(instances.boxes, instances.masks, strict=True)):
            top, left, bottom, right = (float(corner) for corner in box)
            area = (bottom - top) * (right - left)
            annotation: dict[str, Any] = {
                "id": before + row + 1,
                "image_id": image,
                "category_id": int(instances.classes[row]),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
            }
            if mask is not None:
                covered = window(box)
                canvas[covered] = mask
                annotation["segmentation"] = run_lengths.encode(canvas)
                canvas[covered] = 0
                area = float(mask.sum())
            annotations.append({**annotation, "area": area})
        return annotations
