"""What an annotator says of an image reaches a model in a worker, and the answer comes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

from limner.engine import ModelRef
from limner.engine.arrays import pack, unpack
from limner.engine.local import LocalEngine
from limner.engine.prompts import plain_prompts
from limner.errors import ImageError, PluginFailed
from limner.images import ImageSource
from limner.plugin import (
    LoadRequest,
    Mask,
    Prediction,
    PredictRequest,
    Prompt,
    Prompted,
    UnsuitableInput,
)
from limner.registry import APPS, Registry, make_app, merged_options

if TYPE_CHECKING:
    from tests.engine.conftest import World

BRIGHT, BRIGHTER = (3, 5, 4), (8, 5, 4)
"""A voxel inside each of the two boxes of an image."""
NOWHERE = (0, 0, 0)


def said(
    *points: Sequence[int],
    against: Sequence[Sequence[int]] = (),
    boxes: Sequence[Sequence[int]] = (),
    value: int = 1,
    scribble: np.ndarray[Any, Any] | None = None,
) -> Prompt:
    return Prompt(
        points=np.array([*points, *against], np.float32).reshape(-1, 3),
        positive=np.array([True] * len(points) + [False] * len(against), np.bool_),
        boxes=np.array(boxes, np.float32).reshape(-1, 6),
        scribble=scribble,
        value=value,
    )


def mask_of(prediction: Prediction) -> np.ndarray[Any, Any]:
    assert isinstance(prediction.answer, Mask)
    return prediction.answer.array


def test_a_prompted_answer_is_what_the_app_says_in_the_images_own_geometry(
    engine: LocalEngine, world: World, registry: Registry, clicking: ModelRef
) -> None:
    bare = make_app(registry.source(APPS, "clicking")).load(
        LoadRequest(
            weights=clicking.weights,
            schema=world.schema,
            options=merged_options(registry.app("clicking"), {}),
        )
    )
    assert isinstance(bare, Prompted)
    scribble = np.zeros((12, 14, 10), np.uint8)
    scribble[0, 0] = 1
    prompts = [
        said(BRIGHT, against=[(3, 5, 5)], value=2),
        said(BRIGHTER, boxes=[(10, 0, 0, 12, 3, 3)], scribble=scribble, value=1),
    ]
    for source in world.images:
        image = source.read()
        expected = bare.prompt(image, prompts, PredictRequest())
        got = engine.prompt(clicking, source, prompts, client="ada")
        assert np.array_equal(mask_of(got), mask_of(expected))
        assert not np.array_equal(mask_of(got), mask_of(engine.predict(clicking, source)))
        assert isinstance(got.answer, Mask)
        assert np.array_equal(got.answer.affine, image.affine)  # type: ignore[arg-type]
        assert got.answer.spacing == image.spacing
        assert got.probabilities is None


def test_what_is_said_is_in_the_answer(
    engine: LocalEngine, world: World, clicking: ModelRef
) -> None:
    source = world.images[0]
    plain = mask_of(engine.predict(clicking, source))
    assert plain[BRIGHT] == 1
    assert plain[BRIGHTER] == 2
    grown = mask_of(engine.prompt(clicking, source, [said(BRIGHT, value=2)]))
    assert (grown[plain == 1] == 2).mean() > 0.9, "the region of the click"
    removed = mask_of(engine.prompt(clicking, source, [said(against=[BRIGHTER], value=2)]))
    assert removed[BRIGHTER] == 0
    assert removed[BRIGHT] == 1
    boxed = mask_of(engine.prompt(clicking, source, [said(boxes=[(0, 0, 0, 2, 3, 4)], value=2)]))
    assert (boxed[:2, :3, :4] == 2).all()
    both = mask_of(
        engine.prompt(clicking, source, [said(BRIGHTER, value=1), said(NOWHERE, value=2)])
    )
    assert both[BRIGHTER] == 1
    assert both[NOWHERE] == 2


def test_saying_nothing_is_a_plain_prediction(
    engine: LocalEngine, world: World, clicking: ModelRef
) -> None:
    for source in world.images[:2]:
        plain = mask_of(engine.predict(clicking, source))
        assert np.array_equal(mask_of(engine.prompt(clicking, source, [])), plain)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_scribble_arrives_whole(
    engine: LocalEngine, clicking: ModelRef, tmp_path: Path, order: Any
) -> None:
    shape = (64, 60, 50)
    random = np.random.default_rng(0)
    array = random.integers(0, 900, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "large.nii")
    source = ImageSource(paths=(tmp_path / "large.nii",), name="large")
    scribble = np.array(random.integers(0, 3, shape), np.uint8, order=order)
    assert scribble.nbytes > 128 * 1024
    answer = mask_of(engine.prompt(clicking, source, [said(scribble=scribble, value=2)]))
    assert (answer[scribble == 1] == 2).all()
    assert (answer[scribble == 2] != 2).all()


def test_arrays_of_any_kind_become_the_contracts_and_the_callers_stay(tmp_path: Path) -> None:
    wide = np.zeros((12, 14, 20), np.int64)
    wide[..., ::4] = 1
    stored = np.memmap(tmp_path / "scribble", np.uint8, "w+", shape=(12, 14, 10))
    stored[2] = 2
    points = np.array([[1, 2, 3]])
    given = [
        Prompt(
            points=points,
            positive=np.array([1]),
            boxes=np.zeros((0, 6)),  # type: ignore[arg-type]
            scribble=scribble,  # type: ignore[arg-type]
            value=np.int64(2),  # type: ignore[arg-type]
        )
        for scribble in (wide[..., ::2], stored, None)
    ]
    received: Any = unpack(pack(plain_prompts(given)), plain=True)
    for before, after in zip(given, received, strict=True):
        assert type(after.value) is int
        for name, kind in (
            ("points", np.float32),
            ("positive", np.bool_),
            ("boxes", np.float32),
            ("scribble", np.uint8),
        ):
            array = getattr(after, name)
            if array is None:
                assert name == "scribble"
                assert before.scribble is None
                continue
            assert type(array) is np.ndarray
            assert array.dtype == kind
            assert not array.flags.writeable
            assert np.array_equal(array, getattr(before, name))
    assert points.flags.writeable
    assert points.dtype == np.int64
    assert wide.flags.writeable


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (said((12, 0, 0)), "outside the image"),
        (said((0, 0, -1)), "outside the image"),
        (said(boxes=[(0, 0, 0, 13, 1, 1)]), "outside the image"),
        (said(scribble=np.zeros((3, 3, 3), np.uint8)), r"shape \(3, 3, 3\), its image \(12, 14"),
        (said(NOWHERE, value=9), "about the value 9"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_apps_own_words(
    engine: LocalEngine, world: World, clicking: ModelRef, prompt: Prompt, words: str
) -> None:
    with pytest.raises(UnsuitableInput, match=words):
        engine.prompt(clicking, world.images[0], [prompt])
    assert mask_of(engine.prompt(clicking, world.images[0], [said(BRIGHT)]))[BRIGHT] == 1


def test_a_model_without_prompts_is_said(engine: LocalEngine, world: World) -> None:
    with pytest.raises(PluginFailed, match="App 'tiny' has a model that takes no prompts"):
        engine.prompt(world.model(), world.images[0], [said(BRIGHT)])


def test_an_image_that_cannot_be_read_is_said(
    engine: LocalEngine, clicking: ModelRef, tmp_path: Path
) -> None:
    gone = ImageSource(paths=(tmp_path / "gone.nii",), name="gone")
    with pytest.raises(ImageError):
        engine.prompt(clicking, gone, [said(BRIGHT)])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("short mask", r"broke the contract in prompt: the mask has shape \(12, 14, 9\)"),
        ("odd value", "broke the contract in prompt: the mask holds the value 7"),
        ("no mask", "broke the contract in prompt: the answer is a NoneType"),
        ("stumble", "failed in prompt: IndexError: too far"),
        ("write", "failed in prompt: ValueError: assignment destination is read-only"),
    ],
)
def test_what_an_app_does_wrong_is_told_and_the_worker_goes_on(
    engine: LocalEngine, world: World, how: str, words: str
) -> None:
    with pytest.raises(PluginFailed, match=words):
        engine.prompt(world.model(app="odd", how=how), world.images[0], [said(BRIGHT)])
    assert mask_of(engine.predict(world.model(), world.images[0])).shape == (12, 14, 10)
