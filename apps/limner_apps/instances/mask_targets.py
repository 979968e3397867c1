"""What the mask head should answer for each region, from masks that are cut to their boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import roi_align

from limner.plugin import window
from limner_apps.instances.crops import Target


def mask_targets(
    targets: Sequence[Target],
    regions: Sequence[Tensor],
    matched: Sequence[Tensor],
    size: int,
    shape: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Cut the labelled masks out along the regions that were matched to them.

    Only the objects that some region was matched to are painted at full size: a crop may hold
    thousands.

    Args:
        targets: The label of each crop.
        regions: For each crop (n, 4) of x and y: regions that lie on an object.
        matched: For each crop (n,), the row of that object in the label.
        size: Pixels along each side of an answer.
        shape: Of a crop.

    Returns:
        (regions, size, size) float32 in [0, 1], and (regions,) bool: whether the object has a mask.
        The answers of those without one are zero and must not be learnt.
    """
    answers, known = [], []
    for target, boxes, rows in zip(targets, regions, matched, strict=True):
        objects, places = torch.unique(rows.cpu(), return_inverse=True)
        painted = np.zeros((len(objects), *shape), np.float32)
        has_mask = np.zeros(len(objects), bool)
        for place, row in enumerate(objects.tolist()):
            mask = target.masks[row]
            if mask is not None:
                painted[place][window(target.boxes[row])] = mask
                has_mask[place] = True
        canvas = torch.from_numpy(painted).to(boxes.device)[:, None]
        places = places.to(boxes.device)
        cuts = torch.cat([places[:, None].to(boxes.dtype), boxes], dim=1).float()
        answers.append(roi_align(canvas, cuts, size, 1.0)[:, 0])
        known.append(torch.from_numpy(has_mask).to(boxes.device)[places])
    return torch.cat(answers), torch.cat(known)
