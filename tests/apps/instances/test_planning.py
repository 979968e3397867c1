"""Plans made from labelled cases, and when a parent's plan still fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from limner.plugin import Json, UnsuitableInput
from limner_apps.instances.budget import plan_steps
from limner_apps.instances.options import Options
from limner_apps.instances.plan import Plan
from limner_apps.instances.planning import make_plan
from limner_apps.instances.survey import Survey
from limner_apps.instances.trainer import shrink_plan

GIB = 1 << 30


def survey(side: float = 20.0, count: int = 10, **changes: Any) -> Survey:
    """A case whose objects have sides from half to twice `side`."""
    sides = tuple(float(x) for x in np.geomspace(side / 2, side * 2, 21)) if count else ()
    made = Survey(
        shape=(256, 256),
        channels=1,
        whole=True,
        count=count,
        sides=sides,
        values=(1,) if count else (),
        bright=True if count else None,
    )
    return replace(made, **changes)


def plan(*surveys: Survey, device: str = "cpu", memory: int = 4 * GIB, **options: Json) -> Plan:
    return make_plan(surveys, Options.read(options), device, memory)


@pytest.mark.parametrize("side", [3.0, 8.0, 14.0, 20.0, 60.0, 100.0])
def test_objects_of_any_size_are_brought_to_what_the_network_sees_well(side: float) -> None:
    made = plan(survey(side))
    assert 5.0 <= side * made.zoom <= 26.0
    assert made.anchors[0] <= 1.25 * side * made.zoom <= 2.5 * made.anchors[-1]
    assert list(made.anchors) == sorted(made.anchors)


def test_an_image_full_of_objects_gets_more_detections_and_proposals() -> None:
    few, many = plan(survey(count=5)), plan(survey(count=375))
    assert many.detections > few.detections
    assert many.detections >= 375
    assert many.proposals >= 2 * 375
    assert plan(survey(count=65_535)).detections == 1000


def test_labels_without_any_object_still_make_a_plan() -> None:
    made = plan(survey(count=0))
    assert made.zoom == 1.0
    assert made.polarity == 0.0


def test_a_crop_holds_the_largest_objects() -> None:
    made = plan(survey(90.0, shape=(1000, 1000)))
    assert made.crop >= 2 * 90 * made.zoom
    assert made.crop % 32 == 0


def test_small_images_make_small_crops() -> None:
    assert plan(survey(shape=(64, 64))).crop < plan(survey()).crop


def test_polarity_is_varied_as_often_as_the_rarer_one_occurs() -> None:
    bright, dark = survey(), survey(bright=False)
    assert plan(bright, bright).polarity == 0.0
    assert plan(bright, bright, bright, dark).polarity == 0.25
    assert plan(dark, bright).polarity == 0.5


def test_grey_and_colour_images_are_planned_as_colour() -> None:
    made = plan(survey(), survey(channels=3))
    assert (made.channels, made.colour) == (3, True)


def test_a_gpu_gets_torchvisions_network_and_a_processor_the_light_one() -> None:
    assert plan(survey(), device="cuda").model == "resnet50-v2"
    assert plan(survey()).model == "light"
    assert plan(survey(), model="resnet50-v2").model == "resnet50-v2"


def test_little_memory_makes_a_small_batch() -> None:
    assert plan(survey(), memory=GIB // 4).batch == 1


def test_a_plan_survives_json() -> None:
    made = plan(survey())
    assert Plan.from_json(dict(made.as_json())) == made


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": "resnet50-v2"}, "model"),
        ({"channels": 3}, "channels"),
        ({"widths": (8, 16, 32)}, "widths"),
        ({"zoom": 2.9}, "zoom"),
        ({"anchors": (30.0, 40.0, 50.0)}, "anchor"),
    ],
)
def test_a_plan_for_other_data_is_not_gone_on_from(change: dict[str, Any], word: str) -> None:
    made = plan(survey())
    assert made.obstacle(replace(made, crop=64, batch=1, detections=200)) is None
    assert word in str(made.obstacle(replace(made, **change)))


def test_running_out_of_memory_halves_the_batch_then_shrinks_the_crop() -> None:
    made = replace(plan(survey()), batch=2, crop=128)
    smaller = shrink_plan(made)
    assert smaller == replace(made, batch=1)
    smaller = shrink_plan(smaller)
    assert smaller == replace(made, batch=1, crop=96)
    assert shrink_plan(replace(made, batch=1, crop=64)) is None


def test_more_labels_make_a_longer_training_and_the_option_decides() -> None:
    made, options = plan(survey()), Options.read({})
    few = plan_steps(made, 5, options, 1.0, "cpu")
    many = plan_steps(made, 96, options, 1.0, "cpu")
    assert few < many / 4
    assert plan_steps(made, 96, options, 0.5, "cpu") == pytest.approx(many / 2, abs=1)
    assert plan_steps(made, 96, Options.read({"steps": 40}), 0.5, "cpu") == 20


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UnsuitableInput, match="colour"):
        Options.read({"colour": 1})
