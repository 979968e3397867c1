"""What the suites ask of a task: phantoms to learn, what a sound answer is, how good one is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from limner.plugin import Affine, Answer, Case, Image, LabelSchema, Prediction
from limner.testing.drawing import Phantom


class TaskKit(ABC):
    """One task, as the suites see it. They know none by name."""

    schema: ClassVar[LabelSchema]
    """Two classes whose values are not their places."""
    shapes: ClassVar[Mapping[int, tuple[int, ...]]]
    """Usual size of a phantom, by its number of axes."""
    measure: ClassVar[str]
    """What `quality` is, in words."""
    training_cases: ClassVar[int]
    """How many phantoms are enough to learn the task from."""
    brief_cases: ClassVar[int]
    """How many make a training whose result need not be good."""
    held_out_cases: ClassVar[int]
    """How many phantoms tell how well it was learnt."""

    @abstractmethod
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
    ) -> Phantom[Answer]:
        """Draw one phantom.

        Args:
            shape: Spatial shape, two or three axes of at least one pixel.
            seed: Decides what is drawn, and the noise.
            schema: The classes; the kit's own if not given.
            channels: Channels; every other one has its contrast inverted.
            spacing: Millimetres along each axis; 1.0 where not given.
            affine: Voxel to millimetres; a plain one from the spacing for a volume if not given.
            present: How many classes may occur, counted from the first; None for all. Where every
                image must have a class, there is at least one.
        """

    @abstractmethod
    def draw_doubtful(self, axes: int) -> Image:
        """Draw an image between the classes: two models that differ at all answer it otherwise."""

    @abstractmethod
    def assert_sound(self, answer: Answer, image: Image, schema: LabelSchema) -> None:
        """Check kind, geometry and values of an answer."""

    @abstractmethod
    def quality(
        self, answers: Sequence[Answer], truths: Sequence[Answer], schema: LabelSchema
    ) -> float:
        """Measure answers against their labels, in [0, 1], without asking the app."""

    @abstractmethod
    def misfit(self, label: Answer) -> Answer:
        """Return a label that has another shape than its image, or than its schema."""

    @abstractmethod
    def contradiction(self, label: Answer, schema: LabelSchema) -> Answer:
        """Return a label that says what its schema does not allow."""

    def assert_probabilities_sound(
        self, prediction: Prediction, image: Image, schema: LabelSchema, agreement: float
    ) -> None:
        """Check the probabilities that were asked for; a task without maps has none.

        Args:
            prediction: What was answered.
            image: The image.
            schema: The classes.
            agreement: Share of pixels where answer and likeliest class must be the same.
        """
        assert prediction.probabilities is None, "this task has no map of probabilities"

    def cases(
        self,
        axes: int,
        count: int,
        seed: int,
        *,
        schema: LabelSchema | None = None,
        present: int | None = None,
    ) -> list[Case]:
        """Draw several cases of slightly different sizes; ids are unique for a seed."""
        cases = []
        for number in range(count):
            shape = [size + (number + axis) % 3 for axis, size in enumerate(self.shapes[axes])]
            phantom = self.draw(shape, 1000 * seed + number, schema=schema, present=present)
            cases.append(phantom.case(f"{seed}-{number}"))
        return cases
