"""Checks of the ability `regions`: asking for a part of an image, and learning from parts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import (
    Ability,
    App,
    Case,
    Describes,
    Description,
    Image,
    Mask,
    PredictRequest,
    Predicts,
    Region,
    UnsuitableInput,
    inside,
)
from limner.testing.descriptions import assert_description_sound
from limner.testing.drawing import frozen
from limner.testing.evaluations import EvaluationChecks
from limner.testing.fixtures import run
from limner.testing.inputs import assert_clear
from limner.testing.segmentation.kit import mask_of


def half_labelled(case: Case, *, outside: int | None) -> Case:
    """Return a case of which the middle of every axis is labelled, to a half.

    Args:
        case: Labelled whole.
        outside: What the label holds elsewhere; None puts noise there that no schema has.
    """
    mask = mask_of(case.load_label())
    shape = mask.array.shape
    region = Region(tuple(n // 4 for n in shape), tuple(n // 4 + n // 2 for n in shape))
    noise = np.random.default_rng(3).integers(0, 255, shape, np.uint8)
    elsewhere = noise if outside is None else np.full(shape, outside, np.uint8)
    array = frozen(np.where(inside([region], shape), mask.array, elsewhere).astype(np.uint8))
    label = Mask(array=array, spacing=mask.spacing, affine=mask.affine)
    return dataclasses.replace(
        case,
        fingerprint=f"{case.fingerprint}-{outside}",
        load_label=lambda: label,
        regions=(region,),
    )


class RegionChecks(EvaluationChecks):
    """What an app that knows parts of images must do."""

    def test_the_part_asked_for_has_its_size_and_lies_on_the_image(
        self, model: Predicts, axes: int
    ) -> None:
        """Also where more is asked for than there is; the description is sound for it."""
        image = self.kit().draw_doubtful(axes)
        for size in ((9, 7, 5)[:axes], (10_000, 4, 6)[:axes]):
            description = self.described(model, image, size)
            wanted = tuple(min(n, have) for n, have in zip(size, image.shape, strict=True))
            region = region_of(description)
            assert region.shape == wanted, f"the region is {region.shape}, wanted {wanted}"
            assert_description_sound(description, len(self.kit().schema.classes))

    def test_without_asking_for_a_part_there_is_none(self, model: Predicts, axes: int) -> None:
        """A plain description is of the whole image."""
        assert isinstance(model, Describes)
        image = self.kit().draw_doubtful(axes)
        assert model.describe(image, PredictRequest()).description.region is None

    def test_what_is_labelled_is_avoided_while_there_is_room(
        self, model: Predicts, axes: int
    ) -> None:
        """Part after part of a fourth of each axis; and some part once there is no room at all."""
        image = self.kit().draw_doubtful(axes)
        size = tuple(n // 4 for n in image.shape)
        labelled: tuple[Region, ...] = ()
        for _ in range(4):
            region = region_of(self.described(model, image, size, labelled))
            assert not any(region.overlaps(each) for each in labelled), (
                f"{region} overlaps what is labelled, {labelled}, and there is room"
            )
            labelled = (*labelled, region)
        everything = Region((0,) * axes, image.shape)
        assert region_of(self.described(model, image, size, (everything,))).shape == size

    def test_the_same_question_has_the_same_answer(self, model: Predicts, axes: int) -> None:
        """The server asks again after a restart."""
        image = self.kit().draw_doubtful(axes)
        first, second = (self.described(model, image, (8, 8, 8)[:axes]) for _ in range(2))
        assert first.region == second.region
        assert dict(first.scores) == pytest.approx(dict(second.scores), abs=1e-5)

    def test_training_ignores_what_is_not_labelled(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Whatever the label holds there, the weights are the same to the bit."""
        probe = self.kit().draw_doubtful(axes)
        answers = []
        for name, outside in (("noise", None), ("background", 0)):
            cases = [half_labelled(each, outside=outside) for each in self.brief_cases(axes)]
            cases.append(self.kit().cases(axes, 1, seed=8)[0])
            request = self.train_request(tmp_path / name, cases, self.brief_effort)
            model = app.load(self.load_request(run(app, request).trained.weights))
            answers.append(model.predict(probe, PredictRequest(probabilities=True)).probabilities)
        noise, background = answers
        assert noise is not None
        assert background is not None
        assert np.array_equal(noise, background), "what is not labelled was learnt from"

    def test_evaluation_ignores_what_is_not_labelled(
        self, model: Predicts, held_out: list[Case]
    ) -> None:
        """Whatever the label holds there, the figures are the same."""
        noise, background = (
            self.evaluated(model, [half_labelled(each, outside=outside) for each in held_out])
            for outside in (None, 0)
        )
        assert noise == background

    def test_a_region_off_the_image_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Else a label of another image would be learnt from."""
        (good,) = self.kit().cases(axes, 1, seed=5)
        off = Region((0,) * axes, tuple(n + 1 for n in good.load_image().shape))
        bad = dataclasses.replace(good, id="the-bad-one", fingerprint="off", regions=(off,))
        with pytest.raises(UnsuitableInput) as refusal:
            run(app, self.train_request(tmp_path, [bad], self.brief_effort))
        assert_clear(refusal.value, "the-bad-one")

    def described(
        self,
        model: Predicts,
        image: Image,
        size: tuple[int, ...],
        labelled: tuple[Region, ...] = (),
    ) -> Description:
        """Ask for a part of an image."""
        self.require(Ability.REGIONS)
        assert isinstance(model, Describes), f"{type(model).__name__} has no method describe"
        request = PredictRequest(seed=5, region=size, labelled=labelled)
        description = model.describe(image, request).description
        assert region_of(description).lies_in(image.shape), (
            f"{description.region} does not lie on an image of shape {image.shape}"
        )
        return description


def region_of(description: Description) -> Region:
    """Return the region of a description that must have one."""
    assert description.region is not None, "a part was asked for and the description names none"
    return description.region
