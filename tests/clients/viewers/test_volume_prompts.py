"""Clicks, boxes and scribbles on volumes, as each viewer sends them, reach the model as meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.clients.conftest import PARTS, Project
from tests.clients.viewers import axios, nrrd
from tests.clients.viewers.conftest import Draw, Values, asked, unprompted
from tests.clients.viewers.wire import exchange

NAME = "turned"
"""A volume of 36 x 50 x 31 voxels that lie askew: an axis for another one would show."""
SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}


@pytest.fixture(scope="module")
def before(volumes: Project) -> Values:
    """What the model says by itself."""
    return unprompted(volumes, NAME)


@pytest.fixture(scope="module")
def bright(volumes: Project, before: Values) -> list[int]:
    """A voxel of the background, far along the second axis."""
    return _extreme(volumes, before, brightest=True)


@pytest.fixture(scope="module")
def dark(volumes: Project, before: Values) -> list[int]:
    """Another one, which no region that grows from the first reaches."""
    return _extreme(volumes, before, brightest=False)


def _extreme(volumes: Project, before: Values, *, brightest: bool) -> list[int]:
    image = np.asarray(nibabel.load(volumes.image(NAME)).dataobj).astype(float)
    grey = image if brightest else -image
    grey[before != 0] = -np.inf
    grey[:, :36] = -np.inf
    return [int(each) for each in np.unravel_index(grey.argmax(), grey.shape)]


def ball(centre: list[int]) -> Values:
    """Voxels near to one, as far as a click against a class reaches."""
    grid = np.ogrid[0:36, 0:50, 0:31]
    squares = sum((each - at) ** 2 for each, at in zip(grid, centre, strict=True))
    return np.asarray(squares <= 4)


def ohif(project: Project, model: str, params: dict[str, Any]) -> Values:
    """Ask as OHIF does, and read the voxels."""
    path = f"/infer/{model}?image={NAME}&output=image"
    said = {**params, **SLICER, "result_compress": False, "restore_label_idx": False}
    answer = exchange(project.url, axios.with_form(project.url, "POST", path, said))
    assert answer.status == 200, answer.body
    return nrrd.parse(answer.body).array


@pytest.mark.parametrize("model", ["clicking-deepgrow", "clicking-deepedit"])
def test_slicers_clicks_for_and_against_one_class(
    volumes: Project, drawn: Draw, before: Values, bright: list[int], model: str
) -> None:
    against = [int(each) for each in np.argwhere(before == 2)[50]]
    params = {"label": "posterior", "foreground": [bright], "background": [against], **SLICER}
    after = drawn(volumes, model, NAME, params)
    assert before[tuple(bright)] == 0
    assert after[tuple(bright)] == 2
    assert not (after[ball(against)] == 2).any()
    assert (after[before == 1] != 0).all(), "the other class keeps what nothing was said of"


def test_slicers_clicks_by_class(
    volumes: Project, drawn: Draw, bright: list[int], dark: list[int]
) -> None:
    params = {"anterior": [bright], "posterior": [dark], "label": "posterior", **SLICER}
    after = drawn(volumes, "clicking-deepedit", NAME, params)
    assert (after[tuple(bright)], after[tuple(dark)]) == (1, 2)
    # A class without clicks is sent with an empty list.
    params |= {"anterior": [dark], "posterior": []}
    after = drawn(volumes, "clicking-deepedit", NAME, params)
    assert after[tuple(dark)] == 1


def test_a_click_on_the_background_is_against_every_class(
    volumes: Project, drawn: Draw, before: Values, bright: list[int], dark: list[int]
) -> None:
    against = [int(each) for each in np.argwhere(before == 1)[50]]
    params = {"anterior": [bright], "posterior": [dark], "background": [against], **SLICER}
    after = drawn(volumes, "clicking-deepedit", NAME, params)
    assert after[tuple(against)] == 0
    assert (after[tuple(bright)], after[tuple(dark)]) == (1, 2)


def test_nothing_said_leaves_what_the_model_says(
    volumes: Project, drawn: Draw, before: Values
) -> None:
    for model, params in (
        ("clicking-deepgrow", {"label": "anterior", "foreground": [], "background": []}),
        ("clicking-deepedit", {"anterior": [], "posterior": [], "label": "anterior"}),
    ):
        np.testing.assert_array_equal(drawn(volumes, model, NAME, params | SLICER), before)


@pytest.mark.parametrize(
    "roi",
    [[10, 14, 40, 45, 20, 22], [14, 10, 45, 40, 20, 22], [14, 10, 40, 45, 22, 20]],
    ids=["in order", "turned", "mixed"],
)
def test_slicers_box_is_a_pair_for_each_axis_in_either_order(
    volumes: Project, drawn: Draw, before: Values, roi: list[int]
) -> None:
    params = {"label": "posterior", "foreground": [], "background": [], "roi": roi, **SLICER}
    after = drawn(volumes, "clicking-deepgrow", NAME, params)
    inside = np.zeros(before.shape, bool)
    inside[10:15, 40:46, 20:23] = True
    assert (after[inside] == 2).all()
    np.testing.assert_array_equal(after[~inside], before[~inside])


def test_a_box_that_reaches_out_of_the_volume_is_cut(volumes: Project, drawn: Draw) -> None:
    params = {"label": "anterior", "roi": [-3, 2, 45, 70, 28, 99], **SLICER}
    after = drawn(volumes, "clicking-deepgrow", NAME, params)
    assert (after[0:3, 45:50, 28:31] == 1).all()


@pytest.mark.parametrize("told", ["id", "idx", None])
def test_slicers_scribbles_are_told_by_the_numbers_of_their_segments(
    volumes: Project,
    drawn: Draw,
    before: Values,
    bright: list[int],
    tmp_path: Path,
    told: str | None,
) -> None:
    """Where no number is told they are the next ones after the classes."""
    background, foreground = (3, 4) if told is None else (6, 5)
    against = tuple(np.argwhere(before == 1)[50])
    labels = before.copy()  # all segments travel, those of the classes too
    labels[against], labels[tuple(bright)] = background, foreground
    affine = nibabel.load(volumes.image(NAME)).affine
    file = tmp_path / "scribbles.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint8), affine), file)
    params: dict[str, Any] = {"selected_label_name": "posterior", "lamda": 1.0, **SLICER}
    if told is not None:
        numbers = {"background_scribbles": background, "foreground_scribbles": foreground}
        params["label_info"] = [
            *({"name": part, told: place} for place, part in enumerate(PARTS, start=1)),
            *({"name": name, told: number} for name, number in numbers.items()),
        ]
    after = drawn(volumes, "clicking-scribbles", NAME, params, label=file)
    assert (after[tuple(bright)], after[against]) == (2, before[against])
    params["selected_label_name"] = "anterior"
    after = drawn(volumes, "clicking-scribbles", NAME, params, label=file)
    assert (after[tuple(bright)], after[against]) == (1, 0)


def test_scribbles_of_a_browser_are_bare_voxels(
    volumes: Project, before: Values, bright: list[int]
) -> None:
    """The extension of OHIF 2 sends them so: one byte a voxel, first axis fastest."""
    against = tuple(np.argwhere(before == 1)[50])
    labels = np.zeros(before.shape, np.uint8)
    labels[against], labels[tuple(bright)] = 3, 4
    file = ("label", "label.bin", labels.tobytes(order="F"))
    params = {"label": "anterior", **SLICER, "result_compress": False}
    path = f"/infer/clicking-scribbles?image={NAME}&output=image"
    sent = axios.with_form(volumes.url, "POST", path, params, file)
    after = nrrd.parse(exchange(volumes.url, sent).body).array
    assert (after[tuple(bright)], after[against]) == (1, 0)


def test_ohifs_clicks(volumes: Project, before: Values, bright: list[int], dark: list[int]) -> None:
    assert before[tuple(bright)] == before[tuple(dark)] == 0
    by_class = ohif(volumes, "clicking-deepedit", {"background": [], "posterior": [bright]})
    assert by_class[tuple(bright)] == 2
    # Without a name the clicks are about the first class.
    for_one = ohif(volumes, "clicking-deepgrow", {"background": [], "foreground": [bright]})
    assert for_one[tuple(bright)] == 1
    both = ohif(volumes, "clicking-deepgrow", {"background": [bright], "foreground": [dark]})
    assert both[tuple(dark)] == 1
    assert not (both[ball(bright)] == 1).any()


@pytest.mark.parametrize("model", ["clicking-deepgrow", "clicking-deepedit"])
def test_numbered_points_with_a_class_by_its_place(
    volumes: Project, before: Values, bright: list[int], model: str
) -> None:
    against = [int(each) for each in np.argwhere(before == 2)[50]]
    params = {"points": [bright, against], "point_labels": [1, 0], "label_prompt": [2]}
    after = ohif(volumes, model, params)
    assert after[tuple(bright)] == 2
    assert not (after[ball(against)] == 2).any()


def test_a_class_alone_is_no_prompt(volumes: Project, before: Values) -> None:
    after = ohif(volumes, "clicking-deepgrow", {"label_prompt": [1, 2]})
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"foreground": [[36, 0, 0]]}, "outside"),
        ({"foreground": [[0, 0, -1]]}, "outside"),
        ({"foreground": [[1, 2]]}, "3 numbers"),
        ({"foreground": [1, 2, 3]}, "3 numbers"),
        ({"foreground": "here"}, "points"),
        ({"foreground": [["a", "b", "c"]]}, "3 numbers"),
        ({"foreground": [[1, 2, 3]], "label": "liver"}, "anterior"),
        ({"points": [[1, 2, 3]], "point_labels": [1, 0]}, "point_labels"),
        ({"points": [[1, 2, 3]], "point_labels": [1], "label_prompt": [9]}, "label_prompt"),
        ({"roi": [1, 2, 3]}, "roi"),
        ({"roi": [90, 95, 0, 5, 0, 5]}, "outside"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    volumes: Project, params: dict[str, Any], told: str
) -> None:
    answer = asked(volumes, "clicking-deepgrow", NAME, params | SLICER)
    assert answer.status == 422
    assert told in answer.json()["detail"]


def test_scribbles_that_are_missing_or_lie_elsewhere_are_refused(
    volumes: Project, hippocampus: Path
) -> None:
    assert asked(volumes, "clicking-scribbles", NAME, dict(SLICER)).status == 422
    other = hippocampus / "labels" / "hippocampus_001.nii.gz"
    answer = asked(volumes, "clicking-scribbles", NAME, dict(SLICER), label=other)
    assert answer.status == 422
    assert "shape" in answer.json()["detail"]
