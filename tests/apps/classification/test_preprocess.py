from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from limner.plugin import Image, UnsuitableInput
from limner_apps.classification.options import Options
from limner_apps.classification.plan import Plan
from limner_apps.classification.planning import make_plan
from limner_apps.classification.preprocess import fitted_shape, preprocess, resize, unfit
from limner_apps.classification.survey import survey_case


def image_of(array: np.ndarray, spacing: tuple[float, ...] | None = None) -> Image:
    return Image(array=array, spacing=spacing or (1.0,) * (array.ndim - 1), name="a")


def ramp(shape: tuple[int, ...], kind: Any = np.uint8) -> np.ndarray:
    values = np.linspace(0, 200, int(np.prod(shape))).reshape(1, *shape)
    return values.astype(kind)


def plan_for(make_case: Any, *arrays: np.ndarray) -> Plan:
    surveys = [survey_case(make_case(image_of(array), [1])) for array in arrays]
    return make_plan(surveys, Options.read({}), "cpu", 1 << 30)


def test_an_image_of_the_planned_size_is_not_resampled(make_case: Any) -> None:
    array = ramp((28, 28))
    plan = plan_for(make_case, array)
    seen = preprocess(image_of(array), plan, "x")
    assert np.allclose(seen * plan.deviation + plan.mean, array, atol=1e-3)


def test_the_aspect_is_kept_in_millimetres_and_rims_are_repeated() -> None:
    assert fitted_shape((10, 40), (1.0, 1.0), (20, 20)) == (5, 20)
    assert fitted_shape((10, 40), (4.0, 1.0), (20, 20)) == (20, 20)
    assert fitted_shape((1, 1), (1.0, 1.0), (16, 8)) == (8, 8)
    assert fitted_shape((1, 1000), (1.0, 1.0), (16, 16)) == (1, 16)


def test_shrinking_averages_what_falls_together() -> None:
    stripes = torch.zeros(1, 8, 8)
    stripes[:, :, ::2] = 1.0
    assert torch.allclose(resize(stripes, (4, 4)), torch.full((1, 4, 4), 0.5))


def test_a_dark_picture_stays_dark_beside_a_bright_one(make_case: Any) -> None:
    dark, bright = np.full((1, 20, 20), 10, np.uint8), np.full((1, 20, 20), 240, np.uint8)
    plan = plan_for(make_case, dark, bright)
    means = [preprocess(image_of(each), plan, "x").mean() for each in (dark, bright)]
    assert means == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.float32, np.float64])
def test_8_bit_values_in_a_wider_type_are_the_same_picture(make_case: Any, kind: Any) -> None:
    plan = plan_for(make_case, ramp((20, 20)))
    plain = preprocess(image_of(ramp((20, 20))), plan, "x")
    assert np.allclose(preprocess(image_of(ramp((20, 20)).astype(kind)), plan, "x"), plain)


def test_other_intensities_than_the_plans_are_scaled_by_themselves(make_case: Any) -> None:
    plan = plan_for(make_case, ramp((20, 20)))
    for factor in (1 / 255, 200.0):
        seen = preprocess(image_of(ramp((20, 20), np.float64) * factor), plan, "x")
        assert abs(float(seen.mean())) < 0.05
        assert float(seen.std()) == pytest.approx(1.0, abs=0.05)


def test_scale_and_offset_of_a_scanner_do_not_matter(make_case: Any) -> None:
    array = ramp((20, 20, 10), np.float32)
    plan = plan_for(make_case, array)
    loud = preprocess(image_of(array * 7000.0 - 50.0), plan, "x")
    assert np.allclose(loud, preprocess(image_of(array), plan, "x"), atol=1e-3)


def test_extreme_and_flat_images_become_finite_numbers(make_case: Any) -> None:
    plan = plan_for(make_case, ramp((20, 20), np.float64))
    wild = np.full((1, 20, 20), 1e300)
    wild[0, :10] = -1e300
    for array in (wild, np.zeros((1, 4, 4)), np.full((1, 1, 1), 7)):
        assert np.isfinite(preprocess(image_of(array), plan, "x")).all()


def test_grey_pictures_are_taken_where_colour_was_learnt(make_case: Any) -> None:
    colour = np.repeat(ramp((20, 20)), 3, axis=0)
    plan = plan_for(make_case, colour, ramp((20, 20)))
    assert plan.channels == 3
    assert np.allclose(
        preprocess(image_of(colour), plan, "x"), preprocess(image_of(ramp((20, 20))), plan, "x")
    )


def test_the_callers_array_is_left_alone(make_case: Any) -> None:
    array = ramp((28, 28), np.float32)
    plan = plan_for(make_case, array)
    before = array.copy()
    preprocess(image_of(array), plan, "x")[:] = 0
    assert np.array_equal(array, before)


def test_images_of_another_kind_are_refused(make_case: Any) -> None:
    plan = plan_for(make_case, ramp((20, 20)))
    image = image_of(ramp((20, 20)))
    wrong = [
        (image_of(ramp((9, 9, 9))), "2 spatial axes, this one has 3"),
        (image_of(np.repeat(ramp((20, 20)), 2, axis=0)), "1 channels, this image has 2"),
        (replace(image, array=image.array[:, :0]), "empty axis"),
        (replace(image, array=image.array[0]), "spatial axes"),
        (replace(image, array=ramp((4, 4, 4, 4))), "4 spatial axes"),
        (replace(image, spacing=(1.0, float("nan"))), "spacing"),
        (replace(image, array=image.array.astype(np.complex64)), "complex64"),
    ]
    for bad, message in wrong:
        with pytest.raises(UnsuitableInput, match=message):
            preprocess(bad, plan, "The image")


@pytest.mark.parametrize("shape", [(10, 40), (31, 17), (1, 5)])
def test_a_map_over_the_canvas_goes_back_to_where_the_image_was(shape: tuple[int, int]) -> None:
    canvas = (24, 24)
    inside = fitted_shape(shape, (1.0, 1.0), canvas)
    mark = torch.zeros(canvas)
    first = (canvas[1] - inside[1]) // 2
    mark[:, first] = 1.0
    back = unfit(mark, shape, (1.0, 1.0))
    assert tuple(back.shape) == shape
    assert int(back.sum(dim=0).argmax()) == 0
