"""Which kit goes with which task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from limner.plugin import Task
from limner.testing.classification.kit import ClassificationKit
from limner.testing.instances.kit import InstancesKit
from limner.testing.segmentation.kit import SegmentationKit
from limner.testing.task_kit import TaskKit

KITS: Final[Mapping[Task, TaskKit]] = {
    Task.SEGMENTATION: SegmentationKit(),
    Task.INSTANCES: InstancesKit(),
    Task.CLASSIFICATION: ClassificationKit(),
}
