"""Classification, as the suites see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, Answer, ClassScores, Image, LabelSchema
from limner.testing.classification.phantoms import SCHEMA, SHAPES, draw_blend, draw_texture
from limner.testing.classification.quality import balanced_accuracy
from limner.testing.drawing import Phantom, frozen
from limner.testing.task_kit import TaskKit

SUM_TOLERANCE: Final = 1e-3
"""How far the probabilities of exclusive classes may be from summing to one."""


class ClassificationKit(TaskKit):
    """Textures of two kinds, measured by balanced accuracy."""

    schema = SCHEMA
    shapes = SHAPES
    measure = "balanced accuracy"
    training_cases = 24
    brief_cases = 4
    held_out_cases = 12

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
    ) -> Phantom[ClassScores]:
        """Draw waves, as long as their class says."""
        return draw_texture(
            shape,
            seed,
            schema=schema or self.schema,
            channels=channels,
            spacing=spacing,
            affine=affine,
            present=present,
        )

    def draw_doubtful(self, axes: int) -> Image:
        """Draw half of each texture."""
        return draw_blend(self.shapes[axes], seed=8)

    def assert_sound(self, answer: Answer, image: Image, schema: LabelSchema) -> None:
        """Check length and range of class scores, and their sum where classes are exclusive."""
        scores = scores_of(answer)
        wanted = (len(schema.classes),)
        assert scores.shape == wanted, f"class scores have shape {scores.shape}, not {wanted}"
        assert scores.dtype == np.float32, f"class scores are {scores.dtype}; float32 is wanted"
        assert np.isfinite(scores).all(), f"some class scores are not finite: {scores}"
        in_range = (scores >= 0) & (scores <= 1)
        assert in_range.all(), f"class scores are {scores}; they lie in [0, 1]"
        if schema.exclusive:
            total = float(scores.sum())
            assert abs(total - 1) <= SUM_TOLERANCE, (
                f"class scores sum to {total}; classes are exclusive, so they sum to one"
            )

    def quality(
        self, answers: Sequence[Answer], truths: Sequence[Answer], schema: LabelSchema
    ) -> float:
        """Return the balanced accuracy; its mean over classes where they are not exclusive."""
        return balanced_accuracy(
            np.stack([scores_of(each) for each in answers]),
            np.stack([scores_of(each) for each in truths]) > 0,
            exclusive=schema.exclusive,
        )

    def misfit(self, label: Answer) -> ClassScores:
        """Take a class away."""
        return ClassScores(probabilities=frozen(scores_of(label)[:-1].copy()))

    def contradiction(self, label: Answer, schema: LabelSchema) -> ClassScores:
        """Say that an image has all of the classes that exclude each other."""
        return ClassScores(probabilities=frozen(np.ones_like(scores_of(label))))


def scores_of(answer: Answer) -> npt.NDArray[np.float32]:
    """Return the probabilities, (classes,), of an answer that must be class scores."""
    assert isinstance(answer, ClassScores), (
        f"the answer is a {type(answer).__name__}, no ClassScores"
    )
    return answer.probabilities
