"""The simulated annotator, against answers made up here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.client import Limner
from limner.errors import UnsupportedFormat
from limner.simulate import SimulatedAnnotator
from limner.simulate.annotator import NothingKnown

LENT = {"id": 4, "sample": {"id": 8, "name": "easy-00"}}
LABEL = {"id": 1, "version": 1, "sha256": "ab", "state": "submitted"}


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


@pytest.fixture
def limner_with(asked: list[httpx.Request]) -> Callable[[Any], Limner]:
    def make(lent: Any) -> Limner:
        def reply(request: httpx.Request) -> httpx.Response:
            request.read()
            asked.append(request)
            if request.url.path.endswith("/next"):
                return httpx.Response(200, json={"assignment": lent, "reason": "nothing left"})
            if request.url.path.endswith("/release"):
                return httpx.Response(200, json=lent)
            return httpx.Response(201, json={"label": LABEL})

        return Limner("http://stub", transport=httpx.MockTransport(reply))

    return make


def test_the_known_label_is_handed_in_as_it_is(
    easy: Any, limner_with: Callable[[Any], Limner], asked: list[httpx.Request]
) -> None:
    with limner_with(LENT) as limner:
        answered = SimulatedAnnotator(limner, limner.project("p"), easy.truth, name="ann").answer()
    assert answered is not None
    assert answered.assignment.id == 4
    assert json.loads(asked[0].content) == {"annotator": "ann"}
    assert asked[1].url.path == "/api/v1/projects/p/samples/8/labels"
    assert easy.truth["easy-00"].read_bytes() in asked[1].content


def test_labels_that_are_no_masks_are_handed_in_as_well(
    easy_kinds: Any, limner_with: Callable[[Any], Limner], asked: list[httpx.Request]
) -> None:
    with limner_with(LENT) as limner:
        SimulatedAnnotator(limner, limner.project("p"), easy_kinds.truth).answer()
    assert b'filename="easy-00.json"' in asked[1].content
    assert b'{"classes": ["left"]}' in asked[1].content


def test_only_masks_have_contours_to_jitter(
    easy_kinds: Any, limner_with: Callable[[Any], Limner]
) -> None:
    with limner_with(LENT) as limner:
        annotator = SimulatedAnnotator(
            limner, limner.project("p"), easy_kinds.truth, jitter_voxels=1.0
        )
        with pytest.raises(UnsupportedFormat, match=r"NIfTI masks only, not easy-00\.json"):
            annotator.answer()


def test_nothing_is_done_when_there_is_nothing(
    easy: Any, limner_with: Callable[[Any], Limner], asked: list[httpx.Request]
) -> None:
    with limner_with(None) as limner:
        assert SimulatedAnnotator(limner, limner.project("p"), easy.truth).answer() is None
    assert len(asked) == 1


def test_a_sample_without_a_known_label_is_given_back(
    easy: Any, limner_with: Callable[[Any], Limner], asked: list[httpx.Request]
) -> None:
    with limner_with({**LENT, "sample": {"id": 8, "name": "stranger"}}) as limner:
        annotator = SimulatedAnnotator(limner, limner.project("p"), easy.truth)
        with pytest.raises(NothingKnown, match="stranger"):
            annotator.answer()
    assert asked[1].url.path == "/api/v1/assignments/4/release"


def test_jitter_moves_contours_and_nothing_else(
    easy: Any, limner_with: Callable[[Any], Limner], asked: list[httpx.Request], tmp_path: Path
) -> None:
    import nibabel
    import numpy as np

    with limner_with(LENT) as limner:
        SimulatedAnnotator(
            limner, limner.project("p"), easy.truth, jitter_voxels=0.7, seed=3
        ).answer()
    body = asked[1].content
    start = body.index(b"\x1f\x8b")
    file = tmp_path / "drawn.nii.gz"
    file.write_bytes(body[start : body.rindex(b"\r\n--")])
    drawn = nibabel.load(file)
    known = nibabel.load(easy.truth["easy-00"])
    assert np.array_equal(drawn.affine, known.affine)
    before, after = np.asarray(known.dataobj), np.asarray(drawn.dataobj)
    assert set(np.unique(after)) == {0, 1, 2}
    assert 0 < (before != after).mean() < 0.3
