"""The Mask R-CNN: torchvision's, put together as the plan says.

He et al. 2017 (arXiv 1703.06870); the second version of Li et al. 2021 (arXiv 2111.11429).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator, RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from limner_apps.instances.backbone import FIRST_STRIDE, LightBackbone
from limner_apps.instances.crops import Target
from limner_apps.instances.heads import UNSURE, InstanceHeads, LightBoxHead
from limner_apps.instances.plan import Plan
from limner_apps.instances.region_pool import RegionPool

LIGHT, RESNET50 = "light", "resnet50-v2"
MASK_SIDE = 28
"""Pixels along each side of a mask within its box."""
_RATIOS = (0.5, 1.0, 2.0)
"""Height to width of the anchors."""
_BINS, _MASK_BINS = 7, 14
_BOX_FEATURES = 256
_MASK_LAYERS = 3
_FINEST_SIDE = 1.4
"""Objects of fewer than twice this many smallest anchors are cut from the finest feature map."""
_ON_OBJECT, _BESIDE = 0.6, 0.3
"""Anchors that overlap an object more are to find it, less are background. torchvision asks 0.7,
which few anchors reach where objects are small."""
_ANCHORS_LEARNT = 256
_OBJECTS_SHARE = 0.33
"""Largest share of the proposals learnt from that lie on objects."""


class InstanceNetwork(nn.Module):
    """A Mask R-CNN, its losses for crops, and what it finds in an image.

    Args:
        plan: How it is put together.
        classes: Classes, background left out.
    """

    def __init__(self, plan: Plan, classes: int) -> None:
        super().__init__()
        self.rcnn = (_light if plan.model == LIGHT else _resnet50)(plan, 1 + classes)
        """torchvision's; called with a list of images in evaluation it works as any other."""
        self._widen = plan.model == RESNET50 and plan.channels == 1

    @property
    def divisor(self) -> int:
        """What every side of a batch must be a multiple of."""
        return 32

    def losses(self, batch: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Return the five losses of a Mask R-CNN by name.

        Args:
            batch: (crops, channels, size, size).
            targets: The objects of each crop.
        """
        labels: list[dict[str, Any]] = [
            {
                "boxes": torch.from_numpy(each.boxes[:, [1, 0, 3, 2]]).to(batch.device),
                "labels": torch.from_numpy(each.classes).to(batch.device),
                "masks": each,
                "shape": tuple(batch.shape[2:]),
            }
            for each in targets
        ]
        features = self._features(batch)
        with torch.autocast(batch.device.type, enabled=False):
            proposals, first = self.rcnn.rpn(_images(batch), features, labels)
        second: dict[str, Tensor] = self.rcnn.roi_heads.losses(features, proposals, labels)
        return {
            **second,
            "objectness": first["loss_objectness"],
            "proposals": first["loss_rpn_box_reg"],
        }

    def detect(
        self, image: Tensor, shape: tuple[int, int], draws: Sequence[torch.Generator | None]
    ) -> tuple[list[tuple[Tensor, Tensor, Tensor]], float, Tensor]:
        """Find the objects of an image, once for each draw of dropped features.

        Args:
            image: (1, channels, rows, columns), padded to the divisor.
            shape: Its rows and columns without the padding.
            draws: What decides which features the heads drop; None drops none.

        Returns:
            For each draw what `InstanceHeads.detect` returns, the objectness of the strongest
            proposal, and the embedding (d,): the mean of every feature map.
        """
        features = self._features(image)
        with torch.autocast(image.device.type, enabled=False):
            proposals, _ = self.rcnn.rpn(ImageList(image, [shape]), features)
        strongest = self.rcnn.rpn.strongest
        answers = []
        try:
            for draw in draws:
                self.rcnn.roi_heads.draw_dropout(draw)
                answers.append(self.rcnn.roi_heads.detect(features, proposals[0], shape))
        finally:
            self.rcnn.roi_heads.draw_dropout(None)
        embedding = torch.cat(
            [each[0].float().flatten(1).mean(dim=1) for each in features.values()]
        )
        return answers, strongest, embedding

    def _features(self, batch: Tensor) -> dict[str, Tensor]:
        if self._widen:
            batch = batch.expand(-1, 3, -1, -1)
        features: dict[str, Tensor] = self.rcnn.backbone(batch)
        # From here on numbers are places in the image, which 16 bits would round to pixels.
        return {name: each.float() for name, each in features.items()}


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's, which also remembers how sure it was of its best proposal."""

    strongest = 0.0
    """The largest objectness in the first image of the last batch, in [0, 1]; 0 where there was no
    proposal."""

    def filter_proposals(self, *parts: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Return the proposals of each image and their objectness."""
        boxes, scores = super().filter_proposals(*parts)
        if not self.training:
            self.strongest = float(scores[0].max()) if len(scores[0]) else 0.0
        return boxes, scores


class UnchangedImages(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Only makes a batch: images come in scaled and zoomed, torchvision would do it again."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Return both as they are."""
        return image, target


def feature_maps(model: str, widths: Sequence[int]) -> int:
    """Return how many feature maps, and so sizes of anchors, a network has."""
    return len(widths) if model == LIGHT else 5


def _light(plan: Plan, outputs: int) -> MaskRCNN:
    pyramid = plan.pyramid
    network = MaskRCNN(
        LightBackbone(plan.channels, plan.widths, pyramid),
        rpn_anchor_generator=_anchors(plan),
        rpn_head=RPNHead(pyramid, len(_RATIOS)),
        box_head=LightBoxHead(pyramid * _BINS**2, _BOX_FEATURES, plan.dropout),
        box_predictor=FastRCNNPredictor(_BOX_FEATURES, outputs),
        mask_head=MaskRCNNHeads(pyramid, (pyramid,) * _MASK_LAYERS, 1),
        mask_predictor=MaskRCNNPredictor(pyramid, pyramid, outputs),
    )
    return _planned(network, plan, maps=len(plan.widths))


def _resnet50(plan: Plan, outputs: int) -> MaskRCNN:
    network = maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=outputs, trainable_backbone_layers=5
    )
    if plan.channels not in (1, 3):
        first = network.backbone.body.conv1
        network.backbone.body.conv1 = nn.Conv2d(
            plan.channels, first.out_channels, 7, stride=2, padding=3, bias=False
        )
    # The coarsest of the five maps is pooled from the one below it; no region is cut from it.
    return _planned(network, plan, maps=4)


def _planned(network: MaskRCNN, plan: Plan, maps: int) -> MaskRCNN:
    """Give a network the plan's anchors, counts and pools, and heads that learn from boxes."""
    heads = network.roi_heads
    strides = [FIRST_STRIDE * 2**level for level in range(maps)]
    finest = _FINEST_SIDE * plan.anchors[0]
    network.rpn = ProposalNetwork(
        _anchors(plan),
        network.rpn.head,
        _ON_OBJECT,
        _BESIDE,
        _ANCHORS_LEARNT,
        0.5,
        {"training": 2 * plan.training_proposals, "testing": plan.proposals},
        {"training": plan.training_proposals, "testing": plan.proposals},
        0.7,
    )
    network.roi_heads = InstanceHeads(
        plan.dropout,
        box_roi_pool=RegionPool(strides, finest, _BINS),
        box_head=heads.box_head,
        box_predictor=heads.box_predictor,
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=plan.regions,
        positive_fraction=_OBJECTS_SHARE,
        bbox_reg_weights=None,
        score_thresh=UNSURE,
        nms_thresh=0.5,
        detections_per_img=plan.detections,
        mask_roi_pool=RegionPool(strides, finest, _MASK_BINS),
        mask_head=heads.mask_head,
        mask_predictor=heads.mask_predictor,
    )
    network.transform = UnchangedImages(min_size=1, max_size=1, image_mean=[0.0], image_std=[1.0])
    return network


def _anchors(plan: Plan) -> AnchorGenerator:
    return AnchorGenerator(tuple((size,) for size in plan.anchors), (_RATIOS,) * len(plan.anchors))


def _images(batch: Tensor) -> ImageList:
    return ImageList(batch, [tuple(batch.shape[2:])] * len(batch))
