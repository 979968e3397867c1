"""Clicks, boxes and scribbles on pictures: x before y, whoever asks."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
from tests.clients.conftest import Project
from tests.clients.viewers.conftest import Draw, Values, asked, unprompted

NAME = "0b0d577159f0"
"""A picture of 696 columns and 520 rows."""
SLICER = {"label": "nucleus", "result_extension": ".nrrd", "result_dtype": "uint8"}


@pytest.fixture(scope="module")
def before(pictures: Project) -> Values:
    """What the model says by itself, rows by columns."""
    return unprompted(pictures, NAME)


@pytest.fixture(scope="module")
def spot(before: Values) -> tuple[int, int]:
    """x and y of a pixel of the background, where a row could be no column."""
    row, column = next(each for each in np.argwhere(before == 0).tolist() if each[1] > 600)
    return column, row


def test_slicers_clicks_on_a_picture_have_a_third_number(
    pictures: Project, drawn: Draw, before: Values, spot: tuple[int, int]
) -> None:
    x, y = spot
    against_y, against_x = np.argwhere(before == 1)[500].tolist()
    params = {
        "foreground": [[x, y, 0]],
        "background": [[against_x, against_y, 0]],
        "slice": 0,
        **SLICER,
    }
    after = drawn(pictures, "clicking-deepgrow", NAME, params)
    assert after.shape == (696, 520, 1)
    assert after[x, y, 0] == 1
    assert not after[against_x - 1 : against_x + 2, against_y - 1 : against_y + 2].any()


def test_cvats_clicks_have_two_numbers(
    pictures: Project, drawn: Draw, spot: tuple[int, int]
) -> None:
    x, y = spot
    params = {"output": "mask", "foreground": [[x, y]], "background": []}
    after = drawn(pictures, "clicking-deepgrow", NAME, params)
    assert after.shape == (520, 696)
    assert after[y, x] == 1


@pytest.mark.parametrize("roi", [[600, 40, 660, 90], [660, 90, 600, 40], [600, 660, 40, 90, 0, 0]])
def test_a_box_is_two_corners_or_a_pair_for_each_axis(
    pictures: Project, drawn: Draw, before: Values, roi: list[int]
) -> None:
    after = drawn(pictures, "clicking-deepgrow", NAME, {"roi": roi})
    inside = np.zeros(before.shape, bool)
    inside[40:91, 600:661] = True
    assert (after[inside] == 1).all()
    np.testing.assert_array_equal(after[~inside], before[~inside])


@pytest.mark.parametrize("kind", ["picture", "volume"])
def test_scribbles_are_a_picture_or_the_volume_that_slicer_makes_of_it(
    pictures: Project,
    drawn: Draw,
    before: Values,
    spot: tuple[int, int],
    tmp_path: Path,
    kind: str,
) -> None:
    x, y = spot
    against_y, against_x = np.argwhere(before == 1)[500].tolist()
    scribbles = np.zeros(before.shape, np.uint8)
    scribbles[against_y, against_x], scribbles[y, x] = 2, 3
    if kind == "picture":
        file = tmp_path / "scribbles.png"
        PIL.Image.fromarray(scribbles).save(file)
    else:
        file = tmp_path / "scribbles.nii.gz"
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(scribbles.T[:, :, np.newaxis], affine), file)
    after = drawn(pictures, "clicking-scribbles", NAME, {}, label=file)
    assert (after[y, x], after[against_y, against_x]) == (1, 0)
    changed = np.zeros(before.shape, bool)
    changed[y, x] = changed[against_y, against_x] = True
    np.testing.assert_array_equal(after[~changed], before[~changed])


@pytest.mark.parametrize("point", [[696, 0], [0, 520], [520, 600]])
def test_a_click_beside_the_picture_is_refused(pictures: Project, point: list[int]) -> None:
    answer = asked(pictures, "clicking-deepgrow", NAME, {"foreground": [point]})
    assert answer.status == 422
    assert "outside" in answer.json()["detail"]
