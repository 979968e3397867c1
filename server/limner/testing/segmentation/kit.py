"""Segmentation, as the suites see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, Answer, Case, Image, LabelSchema, Mask, Prediction
from limner.testing.drawing import Phantom, frozen
from limner.testing.segmentation.phantoms import SCHEMA, SHAPES, draw_phantom, draw_ramp
from limner.testing.task_kit import TaskKit


class SegmentationKit(TaskKit):
    """Masks of nested ellipsoids, measured by Dice."""

    schema = SCHEMA
    shapes = SHAPES
    measure = "mean Dice"
    training_cases = 6
    brief_cases = 3
    held_out_cases = 3

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
    ) -> Phantom[Mask]:
        """Draw nested ellipsoids, each a class."""
        return draw_phantom(
            shape,
            seed,
            schema=schema or self.schema,
            channels=channels,
            spacing=spacing,
            affine=affine,
            present=present,
        )

    def draw_doubtful(self, axes: int) -> Image:
        """Draw a ramp through all intensities."""
        return draw_ramp(self.shapes[axes])

    def assert_sound(self, answer: Answer, image: Image, schema: LabelSchema) -> None:
        """Check type, geometry and values of a mask against its image."""
        mask = mask_of(answer)
        kind = mask.array.dtype
        assert kind in (np.uint8, np.uint16), (
            f"the mask's dtype is {kind}; uint8 or uint16 is wanted"
        )
        assert mask.array.shape == image.shape, (
            f"the mask's shape is {mask.array.shape}, its image's is {image.shape}"
        )
        assert mask.spacing == image.spacing, (
            f"the mask's spacing is {mask.spacing}, its image's is {image.spacing}"
        )
        if image.affine is None:
            assert mask.affine is None, "the mask has an affine, its image has none"
        else:
            assert mask.affine is not None, "the mask has no affine, its image has one"
            assert np.array_equal(mask.affine, image.affine), "the mask's affine is not its image's"
        unknown = sorted(set(np.unique(mask.array).tolist()) - set(schema.values))
        assert not unknown, f"the mask holds {unknown}; the schema has {schema.values}"

    def assert_probabilities_sound(
        self, prediction: Prediction, image: Image, schema: LabelSchema, agreement: float
    ) -> None:
        """Check shape, range and sum of probabilities, and that the mask is their largest."""
        probabilities = prediction.probabilities
        assert probabilities is not None, "probabilities were asked for and are None"
        wanted = (1 + len(schema.classes), *image.shape)
        assert probabilities.shape == wanted, (
            f"probabilities have shape {probabilities.shape}; {wanted} is wanted"
        )
        assert probabilities.dtype == np.float32, f"probabilities are {probabilities.dtype}"
        assert np.isfinite(probabilities).all(), "some probabilities are not finite"
        assert probabilities.min() >= 0, f"the smallest probability is {probabilities.min()}"
        furthest = float(np.abs(probabilities.sum(axis=0) - 1).max())
        assert furthest <= 1e-3, f"probabilities sum to one only within {furthest:.2g}"
        best = np.array(schema.values)[probabilities.argmax(axis=0)]
        share = float((best == mask_of(prediction.answer).array).mean())
        assert share >= agreement, (
            f"mask and likeliest class agree on {share:.1%} of the pixels only"
        )

    def quality(
        self, answers: Sequence[Answer], truths: Sequence[Answer], schema: LabelSchema
    ) -> float:
        """Return the mean Dice over cases and classes."""
        scores: list[float] = []
        for answer, truth in zip(answers, truths, strict=True):
            scores += dice_by_class(mask_of(answer).array, mask_of(truth).array, schema).values()
        return float(np.mean(scores))

    def misfit(self, label: Answer) -> Mask:
        """Cut two rows off."""
        mask = mask_of(label)
        return dataclasses.replace(mask, array=frozen(mask.array[:-2].copy()))

    def contradiction(self, label: Answer, schema: LabelSchema) -> Mask:
        """Put a value that the schema lacks in the place of the last class."""
        mask = mask_of(label)
        array = mask.array.copy()
        array[array == schema.values[-1]] = schema.values[-1] + 2
        return dataclasses.replace(mask, array=frozen(array))


def phantom_cases(
    axes: int, count: int, seed: int, *, schema: LabelSchema = SCHEMA, present: int | None = None
) -> list[Case]:
    """Draw several cases of a segmentation, of slightly different sizes; ids are unique for a seed.

    Args:
        axes: Number of spatial axes.
        count: How many.
        seed: Decides all of them.
        schema: As in `draw_phantom`.
        present: As in `draw_phantom`.
    """
    return SegmentationKit().cases(axes, count, seed, schema=schema, present=present)


def mask_of(answer: Answer) -> Mask:
    """Return an answer that must be a mask."""
    assert isinstance(answer, Mask), f"the answer is a {type(answer).__name__}, not a Mask"
    return answer


def dice_by_class(
    answer: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], schema: LabelSchema
) -> dict[str, float]:
    """Return Dice, 2|A∩B| / (|A| + |B|), of each class that is in one of two masks.

    References:
        Dice 1945, Measures of the amount of ecologic association between species.
    """
    scores = {}
    for each in schema.classes:
        left, right = answer == each.value, truth == each.value
        size = int(left.sum()) + int(right.sum())
        if size:
            scores[each.name] = 2 * int((left & right).sum()) / size
    return scores
