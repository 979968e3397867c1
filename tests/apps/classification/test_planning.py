from __future__ import annotations

from dataclasses import replace

import pytest

from limner.plugin import UnsuitableInput
from limner_apps.classification.budget import plan_steps
from limner_apps.classification.options import Options
from limner_apps.classification.plan import Plan
from limner_apps.classification.planning import make_plan
from limner_apps.classification.survey import Survey

MEMORY = 8 << 30
PICTURE = Survey(
    shape=(28, 28),
    spacing=(1.0, 1.0),
    channels=1,
    modality="UNKNOWN",
    whole=True,
    low=3.0,
    high=240.0,
    mean=140.0,
    deviation=40.0,
)
VOLUME = replace(PICTURE, shape=(35, 50, 36), spacing=(1.0, 1.0, 1.0), whole=False)


def plan(survey: Survey = PICTURE, device: str = "cpu", **options: int | str | float) -> Plan:
    return make_plan([survey], Options.read(options), device, MEMORY)


def test_tiny_pictures_keep_their_size_and_resolution() -> None:
    made = plan()
    assert made.shape == (28, 28)
    assert made.stem == "small"
    assert made.model == "resnet18"
    assert made.channels == 1


def test_large_pictures_are_shrunk_as_the_device_has_time() -> None:
    large = replace(PICTURE, shape=(2000, 1000))
    assert plan(large).shape == (96, 48)
    assert plan(large).stem == "large"
    assert plan(large, "cuda").shape == (224, 112)
    assert plan(large, image_size=60).shape == (60, 30)


@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (1, 400), (3, 5)])
def test_images_of_any_size_get_room_for_a_network(shape: tuple[int, int]) -> None:
    made = plan(replace(PICTURE, shape=shape))
    assert max(made.shape) >= 16
    assert min(made.shape) >= 8


def test_thick_slices_are_planned_in_millimetres() -> None:
    thick = replace(VOLUME, shape=(256, 256, 20), spacing=(1.0, 1.0, 6.4))
    assert plan(thick).shape == (64, 64, 32)


def test_the_median_image_decides() -> None:
    sizes = [replace(PICTURE, shape=(n, n)) for n in (20, 30, 90)]
    assert make_plan(sizes, Options.read({}), "cpu", MEMORY).shape == (30, 30)


def test_a_named_network_is_as_published_and_auto_is_narrow_on_a_processor() -> None:
    assert plan().width < 64
    assert plan(device="cuda").width == 64
    assert plan(model="resnet50").width == 64
    assert plan(model="vgg16", width=8).width == 8


def test_vgg_is_refused_for_volumes_in_words() -> None:
    with pytest.raises(UnsuitableInput, match=r"vgg16.*volumes; take resnet18"):
        plan(VOLUME, model="vgg16")


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(UnsuitableInput, match="batch: 1 is too small"):
        Options.read({"batch": 1})


def test_pictures_ready_for_display_are_scaled_by_the_data_set() -> None:
    dark = replace(PICTURE, mean=60.0, deviation=0.0)
    bright = replace(PICTURE, mean=100.0, deviation=0.0)
    made = make_plan([dark, bright], Options.read({}), "cpu", MEMORY)
    assert made.intensity == "display"
    assert (made.mean, made.deviation) == (80.0, 20.0)


def test_computed_tomography_is_clipped_to_what_occurs() -> None:
    scan = replace(VOLUME, modality="CT", low=-1000.0, high=900.0)
    made = make_plan([scan, replace(scan, high=1200.0)], Options.read({}), "cpu", MEMORY)
    assert made.intensity == "ct"
    assert made.bounds == (-1000.0, 1200.0)


def test_other_images_are_scaled_by_themselves_and_colours_together() -> None:
    assert plan(VOLUME).intensity == "channel"
    assert plan(replace(VOLUME, channels=3)).intensity == "channel"
    assert plan(replace(PICTURE, whole=False, channels=3)).intensity == "image"


def test_a_flat_data_set_is_not_divided_by_zero() -> None:
    assert plan(replace(PICTURE, deviation=0.0)).deviation == 1.0


def test_a_plan_survives_json() -> None:
    for each in (plan(), plan(VOLUME, mirror="all")):
        assert Plan.from_json(each.as_json()) == each


def test_a_plan_goes_on_for_like_images_only() -> None:
    made = plan()
    assert made.obstacle(plan(replace(PICTURE, shape=(30, 30)))) is None
    assert "image shape" in str(made.obstacle(plan(replace(PICTURE, shape=(60, 60)))))
    assert "model" in str(made.obstacle(plan(model="vgg16")))
    assert "channels" in str(made.obstacle(plan(replace(PICTURE, channels=3))))
    assert "width" in str(made.obstacle(plan(width=48)))


def test_wide_networks_take_fewer_images_a_step_and_no_more_steps_than_32_would() -> None:
    wide = plan(model="resnet50")
    assert 8 <= wide.batch < plan().batch
    options = Options.read({})
    assert plan_steps(wide, 100, options, 1.0, "cpu") == 250


def test_little_memory_makes_small_batches() -> None:
    large = replace(PICTURE, shape=(400, 400))
    options = Options.read({"model": "resnet50", "image_size": 400})
    small = make_plan([large], options, "cpu", 64 << 20)
    assert 2 <= small.batch < make_plan([large], options, "cpu", MEMORY).batch


def test_steps_grow_with_the_labels_up_to_a_bound() -> None:
    options = Options.read({})
    steps = [plan_steps(plan(), n, options, 1.0, "cpu") for n in (1, 10, 100, 1000, 10**5, 10**6)]
    assert steps == sorted(steps)
    assert steps[0] >= 60
    assert steps[-1] == steps[-2]
    assert plan_steps(plan(), 100, options, 0.5, "cpu") < steps[2]
    assert plan_steps(plan(), 100, options, 1.0, "cuda") > steps[2]


def test_steps_that_are_asked_for_are_taken() -> None:
    assert plan_steps(plan(), 5, Options.read({"steps": 700}), 0.1, "cpu") == 70
    assert plan_steps(plan(), 5, Options.read({"steps": 1}), 0.1, "cpu") == 1
