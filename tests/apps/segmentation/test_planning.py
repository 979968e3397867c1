from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from limner.plugin import UnsuitableInput
from limner_apps.segmentation.budget import plan_steps
from limner_apps.segmentation.network import divisor
from limner_apps.segmentation.options import Options
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.planning import make_plan
from limner_apps.segmentation.survey import Survey

MEMORY = 8 << 30


def survey(
    shape: tuple[int, ...] = (35, 51, 36),
    spacing: tuple[float, ...] | None = None,
    **others: Any,
) -> Survey:
    values: dict[str, Any] = {
        "shape": shape,
        "spacing": spacing or (1.0,) * len(shape),
        "channels": 1,
        "modality": "MR",
        "whole": False,
        "voxels": ((0, 10),),
        "foreground": (),
    }
    return Survey(**(values | others))


def plan(*surveys: Survey, device: str = "cpu", memory: int = MEMORY, **options: Any) -> Plan:
    return make_plan(surveys, Options.read(options), device, memory)


def test_spacing_and_shape_are_medians() -> None:
    made = plan(
        survey((30, 40, 20), (1.0, 1.0, 2.0)),
        survey((32, 44, 24), (1.0, 1.0, 3.0)),
        survey((34, 50, 40), (1.0, 1.0, 2.0)),
    )
    assert made.spacing == (1.0, 1.0, 2.0)
    assert made.median_shape == (32, 44, 36)


def test_thick_slices_are_cut_as_they_were_taken() -> None:
    assert plan(survey((256, 24, 256), (1.0, 5.0, 1.0))).cut == 1


def test_cubic_voxels_are_cut_along_the_longest_axis() -> None:
    assert plan(survey((35, 51, 36))).cut == 1


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((35, 51, 36), (1.0, 1.0, 1.0)),
        ((512, 512, 400), (0.8, 0.8, 1.0)),
        ((300, 300, 20), (0.5, 0.5, 5.0)),
        ((9, 9, 9), (1.0, 1.0, 1.0)),
        ((1, 64, 64), (3.0, 1.0, 1.0)),
        ((1040, 1388), (1.0, 1.0)),
        ((5, 3), (1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_patches_are_multiples_of_the_strides(
    shape: tuple[int, ...], spacing: tuple[float, ...], device: str
) -> None:
    for dimension in ("2d", "2.5d", "3d") if len(shape) == 3 else ("2d",):
        made = plan(survey(shape, spacing), device=device, dimension=dimension)
        patch = [made.patch[axis] for axis in made.plane]
        steps = divisor(made.strides, made.network_axes)
        assert all(n % step == 0 for n, step in zip(patch, steps, strict=True))
        assert made.batch >= 1
        assert len(made.widths) == len(made.strides) + 1


def test_less_memory_makes_smaller_steps() -> None:
    large = plan(survey((512, 512, 400)), device="cuda", memory=40 << 30)
    small = plan(survey((512, 512, 400)), device="cuda", memory=2 << 30)
    assert np.prod(small.patch) * small.batch < np.prod(large.patch) * large.batch


def test_an_accelerator_gets_three_dimensions() -> None:
    assert plan(survey(), device="cuda").dimension == "3d"
    assert plan(survey(), device="cuda", dimension="2.5d").dimension == "2.5d"
    assert plan(survey((64, 64)), device="cuda").dimension == "2d"


def test_anisotropic_volumes_are_shrunk_in_plane_first() -> None:
    made = plan(survey((256, 256, 32), (1.0, 1.0, 4.0)), dimension="3d")
    assert made.strides[0] == (2, 2, 1)
    assert made.strides[-1][2] in (1, 2)


def test_intensities_are_planned_by_modality() -> None:
    values = tuple(float(x) for x in range(-100, 200))
    scan = plan(survey(modality="CT", foreground=(values,)))
    assert scan.intensity == "ct"
    assert scan.clip[0] == pytest.approx((-98.5, 197.5), abs=0.1)
    assert scan.scale[0][0] == pytest.approx(49.5, abs=0.5)
    assert plan(survey()).intensity == "z-score"
    assert plan(survey((64, 64), channels=3, whole=True)).intensity == "colour"
    assert plan(survey((64, 64), channels=3)).intensity == "z-score"


def test_computed_tomography_without_foreground_still_gets_a_window() -> None:
    assert plan(survey(modality="CT", foreground=((),))).clip[0][0] < 0


def test_grey_pictures_join_coloured_ones() -> None:
    pictures = (survey((64, 64), channels=3, whole=True), survey((64, 64), whole=True))
    assert plan(*pictures).channels == 3


def test_pictures_refuse_the_third_dimension() -> None:
    with pytest.raises(UnsuitableInput, match="pictures"):
        plan(survey((64, 64)), dimension="3d")


def test_mirroring_is_for_pictures_unless_asked_for() -> None:
    assert plan(survey((64, 64))).mirrored == (0, 1)
    assert plan(survey()).mirrored == ()
    assert plan(survey(), mirror="all").mirrored == (0, 1, 2)
    assert plan(survey((64, 64)), mirror="none").mirrored == ()


def test_a_plan_survives_json() -> None:
    made = plan(survey(modality="CT", foreground=((1.0, 2.0),)))
    assert Plan.from_json(json.loads(json.dumps(made.as_json()))) == made


def test_a_plan_serves_similar_data_only() -> None:
    made = plan(survey())
    assert made.obstacle(plan(survey((38, 48, 40)))) is None
    assert "spacing" in str(made.obstacle(plan(survey(spacing=(2.0, 1.0, 1.0)))))
    assert "shape" in str(made.obstacle(plan(survey((70, 90, 70)))))
    assert "dimension" in str(made.obstacle(plan(survey(), dimension="3d")))
    assert "width" in str(made.obstacle(plan(survey(), width=8)))


def test_the_budget_grows_with_labels_and_voxels() -> None:
    options = Options.read({})

    def steps(made: Plan, labels: int, effort: float = 1.0) -> int:
        return plan_steps(made, labels, options, effort, "cpu")

    real, phantom = plan(survey()), plan(survey((24, 32, 24)))
    counts = [steps(real, labels) for labels in (5, 20, 80, 160, 500)]
    assert counts == sorted(counts)
    assert counts[3] == counts[4]
    assert steps(real, 20, 0.5) == pytest.approx(counts[1] / 2, abs=1)

    def voxels(made: Plan, labels: int) -> float:
        plane = [made.patch[axis] for axis in made.plane]
        return float(steps(made, labels) * made.batch * np.prod(plane))

    assert voxels(phantom, 10) < 0.5 * voxels(real, 10)


def test_the_option_sets_the_budget() -> None:
    assert plan_steps(plan(survey()), 5, Options.read({"steps": 7}), 2.0, "cpu") == 14
