"""MaskAL: how sure sampled predictions are of an image's objects. Numpy only.

Blok et al. 2022 (arXiv 2112.06586). Features are dropped at random, several times; the detections
of all passes that are one object make a cluster, and a cluster of `n` detections in `M` passes has
the certainty `c_sem · c_spl · c_occ`:

- `c_sem`, the mean of `1 - H(p) / ln K` over the classes; with one class, the mean score;
- `c_spl`, the mean overlap of its masks with their mean mask, times that of its boxes with their
  mean box;
- `c_occ = n / M`.

The image's certainty is the mean over its clusters, and its score one less that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, window
from limner_apps.instances.detections import Detections
from limner_apps.instances.overlap import box_ious, touching_pairs

_SAME = 0.5
"""Mask overlap above which two detections are one object."""


@dataclass(slots=True)
class Cluster:
    """The detections of one object, at most one of each pass; the first stands for it."""

    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    masks: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    probabilities: list[FloatArray] = field(default_factory=list)

    def certainty(self, passes: int) -> float:
        """Return `c_sem · c_spl · c_occ`, in [0, 1]."""
        semantic = semantic_certainty(np.stack(self.probabilities))
        spatial = spatial_certainty(np.stack(self.boxes), self.masks)
        return semantic * spatial * min(1.0, len(self.boxes) / passes)


def maskal_score(sampled: Sequence[Detections], least: float, empty: float) -> float:
    """Return one less the mean certainty of the objects that sampled predictions found.

    Args:
        sampled: One a pass.
        least: Detections with a smaller score do not count.
        empty: The score of an image in which no pass found anything.
    """
    clusters = clustered([_sure(each, least) for each in sampled])
    if not clusters:
        return empty
    certainties = [cluster.certainty(len(sampled)) for cluster in clusters]
    return float(np.clip(1.0 - np.mean(certainties), 0.0, 1.0))


def clustered(sampled: Sequence[Detections]) -> list[Cluster]:
    """Put together what is one object, pass after pass, the best overlap first."""
    clusters: list[Cluster] = []
    for detections in sampled:
        order = np.argsort(-detections.scores, kind="stable")
        this_pass = detections.rows(order)
        found: dict[int, int] = {}
        if clusters and len(order):
            pairs = touching_pairs(
                this_pass.boxes,
                this_pass.masks,
                np.stack([each.boxes[0] for each in clusters]),
                [each.masks[0] for each in clusters],
            )
            found = {row: index for row, index, _ in pairs.matched(_SAME)}
        fresh: list[Cluster] = []
        for row in range(len(order)):
            if row in found:
                cluster = clusters[found[row]]
            else:
                cluster = Cluster()
                fresh.append(cluster)
            cluster.boxes.append(this_pass.boxes[row])
            cluster.masks.append(this_pass.masks[row])
            cluster.probabilities.append(this_pass.probabilities[row])
        clusters += fresh
    return clusters


def semantic_certainty(probabilities: FloatArray) -> float:
    """Return `c_sem` of (n, 1 + classes), background first."""
    classes = np.clip(probabilities[:, 1:].astype(np.float64), 0.0, 1.0)
    if classes.shape[1] == 1:
        return float(classes.mean())
    shares = classes / np.maximum(classes.sum(axis=1, keepdims=True), 1e-12)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
    return float(np.clip(np.mean(1.0 - entropy / np.log(classes.shape[1])), 0.0, 1.0))


def spatial_certainty(
    boxes: npt.NDArray[np.float32], masks: Sequence[npt.NDArray[np.bool_]]
) -> float:
    """Return `c_spl` of (n, 4) boxes and their masks; the mean mask is where most have it."""
    outer = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    covered = window(outer)
    votes = np.zeros(tuple(axis.stop - axis.start for axis in covered), np.int64)
    for box, mask in zip(boxes, masks, strict=True):
        votes[_within(box, covered)] += mask
    mean_mask = votes * 2 >= len(masks)
    size = int(mean_mask.sum())
    overlaps = []
    for box, mask in zip(boxes, masks, strict=True):
        shared = int((mean_mask[_within(box, covered)] & mask).sum())
        overlaps.append(shared / max(1, size + int(mask.sum()) - shared))
    mean_box = boxes.astype(np.float64).mean(axis=0)
    return float(np.mean(overlaps) * box_ious(boxes, mean_box[None]).mean())


def _within(box: npt.NDArray[np.float32], covered: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(window(box), covered, strict=True)
    )


def _sure(detections: Detections, least: float) -> Detections:
    return detections.rows(np.flatnonzero(detections.scores >= least))
