"""Instance segmentation, as the suites see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from limner.plugin import Affine, Answer, Image, Instances, LabelSchema, window
from limner.testing.drawing import Phantom, frozen
from limner.testing.instances.phantoms import SCHEMA, SHAPES, draw_fading_objects, draw_objects
from limner.testing.instances.quality import panoptic_quality
from limner.testing.task_kit import TaskKit


class InstancesKit(TaskKit):
    """Ellipsoids of two kinds, some overlapping, measured by panoptic quality."""

    schema = SCHEMA
    shapes = SHAPES
    measure = "mean panoptic quality"
    training_cases = 8
    brief_cases = 3
    held_out_cases = 4

    def draw(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        schema: LabelSchema | None = None,
        channels: int = 1,
        spacing: Sequence[float] | None = None,
        affine: Affine | None = None,
        present: int | None = None,
    ) -> Phantom[Instances]:
        """Draw ellipsoids, as bright as their class says."""
        return draw_objects(
            shape,
            seed,
            schema=schema or self.schema,
            channels=channels,
            spacing=spacing,
            affine=affine,
            present=present,
        )

    def draw_doubtful(self, axes: int) -> Image:
        """Draw objects of every intensity."""
        return draw_fading_objects(self.shapes[axes], seed=8)

    def assert_sound(self, answer: Answer, image: Image, schema: LabelSchema) -> None:
        """Check that boxes lie in the image, masks in their boxes, and classes in the schema."""
        found = instances_of(answer)
        axes, count = len(image.shape), len(found.boxes)
        assert isinstance(found.masks, tuple), f"masks are a {type(found.masks).__name__}, no tuple"
        assert found.boxes.shape == (count, 2 * axes), (
            f"boxes have shape {found.boxes.shape}; ({count}, {2 * axes}) is wanted"
        )
        lengths = {len(found.masks), *found.classes.shape, *found.scores.shape}
        assert lengths == {count}, f"there are {count} boxes, and masks, classes, scores: {lengths}"
        for name, array, kind in (
            ("boxes", found.boxes, np.float32),
            ("classes", found.classes, np.int64),
            ("scores", found.scores, np.float32),
        ):
            assert array.dtype == kind, f"{name} are {array.dtype}; {kind.__name__} is wanted"
            assert np.isfinite(array).all(), f"some {name} are not finite"
        first, last = found.boxes[:, :axes], found.boxes[:, axes:]
        assert (first >= 0).all(), f"some boxes begin outside the image: {found.boxes}"
        assert (last <= image.shape).all(), f"boxes end outside {image.shape}: {found.boxes}"
        assert (first < last).all(), f"some boxes are empty: {found.boxes}"
        for row, (box, mask) in enumerate(zip(found.boxes, found.masks, strict=True)):
            if mask is None:
                continue
            wanted = tuple(each.stop - each.start for each in window(box))
            assert mask.dtype == np.bool_, f"mask {row} is {mask.dtype}, not bool"
            assert mask.shape == wanted, (
                f"mask {row} has shape {mask.shape}; the window of its box is {wanted}"
            )
        unknown = sorted(set(found.classes.tolist()) - set(schema.values[1:]))
        assert not unknown, f"some objects are of {unknown}; the schema has {schema.values[1:]}"
        in_range = (found.scores >= 0) & (found.scores <= 1)
        assert in_range.all(), f"scores are {found.scores}; they lie in [0, 1]"

    def quality(
        self, answers: Sequence[Answer], truths: Sequence[Answer], schema: LabelSchema
    ) -> float:
        """Return the mean PQ over cases and classes."""
        scores: list[float] = []
        for answer, truth in zip(answers, truths, strict=True):
            scores += panoptic_quality(instances_of(answer), instances_of(truth), schema).values()
        return float(np.mean(scores))

    def misfit(self, label: Answer) -> Instances:
        """Move all objects out of the image."""
        objects = instances_of(label)
        outside = max(max(shape) for shape in self.shapes.values()) * 2
        return dataclasses.replace(objects, boxes=frozen(objects.boxes + np.float32(outside)))

    def contradiction(self, label: Answer, schema: LabelSchema) -> Instances:
        """Give an object a class that the schema lacks."""
        objects = instances_of(label)
        classes = objects.classes.copy()
        classes[0] = schema.values[-1] + 2
        return dataclasses.replace(objects, classes=frozen(classes))


def instances_of(answer: Answer) -> Instances:
    """Return an answer that must be instances."""
    assert isinstance(answer, Instances), f"the answer is a {type(answer).__name__}, no Instances"
    return answer
