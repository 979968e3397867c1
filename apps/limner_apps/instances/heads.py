"""The second stage of the Mask R-CNN: what each proposal is, where exactly, and its outline.

torchvision's heads, with four differences. Objects of which only the box is known teach all but the
mask head. A proposal becomes one detection, of its likeliest class, and not one for each class. The
whole class distribution of a detection comes out, not only its peak. And features can be dropped in
prediction, for sampled answers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.ops import clip_boxes_to_image, nms

from limner_apps.instances.crops import Target
from limner_apps.instances.mask_targets import mask_targets
from limner_apps.learning.dropout import ChannelDropout

UNSURE = 0.05
"""Least score of a detection that is looked at at all, as in torchvision."""


class LightBoxHead(nn.Module):
    """Two fully connected layers over the features of a region.

    Args:
        inputs: Channels of a region times its bins.
        width: Features of each layer.
        dropout: Share of the first layer's features that is dropped.
    """

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.second = nn.Linear(width, width)
        self.drop = ChannelDropout(dropout)

    def forward(self, regions: Tensor) -> Tensor:
        """Return (regions, width)."""
        features = functional.relu(self.first(regions.flatten(1)))
        return functional.relu(self.second(self.drop(features)))


class InstanceHeads(RoIHeads):  # type: ignore[misc]
    """torchvision's heads as the module says.

    Args:
        dropout: Share of the features that is dropped before the last layer of each head.
        parts: What torchvision's `RoIHeads` takes.
    """

    def __init__(self, dropout: float, **parts: Any) -> None:
        super().__init__(**parts)
        self.box_drop = ChannelDropout(dropout)
        self.mask_drop = ChannelDropout(dropout)

    def losses(
        self, features: dict[str, Tensor], proposals: list[Tensor], targets: list[dict[str, Any]]
    ) -> dict[str, Tensor]:
        """Return the losses of classes, boxes and masks.

        Args:
            features: Of the backbone.
            proposals: For each crop (n, 4).
            targets: For each crop `boxes` and `labels` as torchvision has them, and under `masks`
                its `Target`.
        """
        proposals, matched, labels, shifts = self.select_training_samples(proposals, targets)
        classes, boxes = self._classify(features, proposals)
        class_loss, box_loss = fastrcnn_loss(classes, boxes, labels, shifts)
        on_object = [torch.where(each > 0)[0] for each in labels]
        regions = [each[rows] for each, rows in zip(proposals, on_object, strict=True)]
        rows = [each[rows] for each, rows in zip(matched, on_object, strict=True)]
        kinds = torch.cat([each[rows] for each, rows in zip(labels, on_object, strict=True)])
        logits = self._outline(features, regions)
        crops: list[Target] = [each["masks"] for each in targets]
        shape = targets[0]["shape"]
        wanted, known = mask_targets(crops, regions, rows, logits.shape[-1], shape)
        mask_loss = logits.sum() * 0.0
        if bool(known.any()):
            own = logits[known, kinds[known]]
            mask_loss = functional.binary_cross_entropy_with_logits(own, wanted[known])
        return {"classes": class_loss, "boxes": box_loss, "masks": mask_loss}

    def detect(
        self, features: dict[str, Tensor], proposals: Tensor, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find the objects of one image.

        Args:
            features: Of the backbone, of a batch of one.
            proposals: (n, 4).
            shape: The image's.

        Returns:
            Boxes (m, 4) of x and y, class probabilities (m, 1 + classes), and the mask's
            probabilities within each box (m, size, size).
        """
        logits, shifts = self._classify(features, [proposals])
        probabilities = logits.softmax(dim=1)
        scores, classes = probabilities[:, 1:].max(dim=1)
        decoded = self.box_coder.decode(shifts, [proposals])
        boxes = decoded[torch.arange(len(decoded), device=decoded.device), 1 + classes]
        boxes = clip_boxes_to_image(boxes, shape)
        sides = boxes[:, 2:] - boxes[:, :2]
        kept = torch.where((scores > UNSURE) & (sides.min(dim=1).values > 0.01))[0]
        # Whatever their classes: a model in doubt would answer an object once as each.
        kept = kept[nms(boxes[kept], scores[kept], self.nms_thresh)][: self.detections_per_img]
        boxes, classes = boxes[kept], classes[kept]
        outlines = self._outline(features, [boxes])
        own = outlines[torch.arange(len(kept), device=kept.device), 1 + classes]
        return boxes, probabilities[kept], own.sigmoid()

    def draw_dropout(self, generator: torch.Generator | None) -> None:
        """Fix the dropped features for the predictions that follow; None drops none again."""
        if isinstance(self.box_head, LightBoxHead):
            self.box_head.drop.draw(self.box_head.first.out_features, generator)
        self.box_drop.draw(self.box_predictor.cls_score.in_features, generator)
        self.mask_drop.draw(self.mask_predictor[0].in_channels, generator)

    def _classify(
        self, features: dict[str, Tensor], proposals: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        regions = self.box_head(self.box_roi_pool(features, proposals, [])).float()
        # Shifts of boxes are places, too: see `InstanceNetwork`.
        with torch.autocast(regions.device.type, enabled=False):
            answer: tuple[Tensor, Tensor] = self.box_predictor(self.box_drop(regions))
        return answer

    def _outline(self, features: dict[str, Tensor], boxes: list[Tensor]) -> Tensor:
        regions = self.mask_head(self.mask_roi_pool(features, boxes, []))
        answer: Tensor = self.mask_predictor(self.mask_drop(regions))
        return answer.float()
