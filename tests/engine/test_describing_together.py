"""Small images are described in one pass, and none takes another with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image as Picture

from limner.engine import describing
from limner.engine.messages import AppSource, DescribeTogether, Failure, ModelSource
from limner.engine.predictor import describe_together
from limner.engine.warm import WarmModels
from limner.images import ImageSource
from limner.plugin import (
    ClassScores,
    Described,
    Description,
    Image,
    LabelSchema,
    Prediction,
    PredictRequest,
    Task,
)

SCHEMA = LabelSchema.of("dark", "bright")


def described(image: Image) -> Described:
    bright = float(image.array.mean()) / 255
    scores = np.array([1 - bright, bright], np.float32)
    return Described(
        prediction=Prediction(answer=ClassScores(probabilities=scores)),
        description=Description(
            scores={"entropy": bright},
            class_scores=scores,
            class_fractions=np.append(np.float32(0), scores),
        ),
    )


class Model:
    """Says how bright images are, and how it was asked."""

    def __init__(self, together: Callable[[Sequence[Image]], Sequence[Described]]) -> None:
        self.asked: list[str] = []
        self._together = together

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return described(image).prediction

    def describe(self, image: Image, request: PredictRequest) -> Described:
        self.asked.append(image.name)
        if image.name == "odd":
            raise ValueError("an odd one")
        return described(image)

    def describe_together(
        self, images: Sequence[Image], request: PredictRequest
    ) -> Sequence[Described]:
        self.asked.append("+".join(each.name for each in images))
        return self._together(images)


def every(images: Sequence[Image]) -> Sequence[Described]:
    return [described(each) for each in images]


def picture(folder: Path, name: str, grey: int) -> ImageSource:
    path = folder / f"{name}.png"
    Picture.fromarray(np.full((6, 5), grey, np.uint8)).save(path)
    return ImageSource(paths=(path,), name=name)


def ask(model: Model, images: Sequence[ImageSource]) -> Sequence[Described | Failure]:
    source = SimpleNamespace(app=SimpleNamespace(name="bright", task=Task.CLASSIFICATION))
    command = DescribeTogether(
        model=ModelSource(app=cast(AppSource, source.app), key="1", weights=Path(), schema=SCHEMA),
        images=tuple(images),
    )
    models = cast(WarmModels, SimpleNamespace(model=lambda _: model))
    return describe_together(command, models)


def said(answers: Sequence[Any]) -> list[object]:
    return [
        each.message.split(":")[0]
        if isinstance(each, Failure)
        else round(each.description.scores["entropy"] * 255)
        for each in answers
    ]


def test_images_are_described_in_one_pass_in_their_order(tmp_path: Path) -> None:
    model = Model(every)
    assert said(ask(model, [picture(tmp_path, f"{n}", n) for n in (9, 3, 200)])) == [9, 3, 200]
    assert model.asked == ["9+3+200"]


def test_an_image_that_cannot_be_read_leaves_the_others_together(tmp_path: Path) -> None:
    model = Model(every)
    absent = ImageSource(paths=(tmp_path / "absent.png",), name="absent")
    images = [picture(tmp_path, "1", 1), absent, picture(tmp_path, "2", 2)]
    first, second, third = ask(model, images)
    assert said([first, third]) == [1, 2]
    assert isinstance(second, Failure)
    assert "absent.png" in second.message
    assert model.asked == ["1+2"]


@pytest.mark.parametrize(
    "together",
    [
        lambda images: every(images)[:-1],
        lambda images: [None for _ in images],
        lambda images: 1 / 0,
    ],
    ids=["one answer short", "no answers", "raises"],
)
def test_a_pass_that_fails_is_done_again_image_by_image(
    tmp_path: Path, together: Callable[[Sequence[Image]], Sequence[Described]]
) -> None:
    model = Model(together)
    images = [picture(tmp_path, name, 7) for name in ("fine", "odd", "too")]
    answers = ask(model, images)
    assert said(answers) == [7, "App 'bright' failed in describe", 7]
    assert model.asked == ["fine+odd+too", "fine", "odd", "too"]


def test_groups_are_cut_by_number_and_by_bytes_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(name: str, size: int) -> ImageSource:
        path = tmp_path / name
        path.write_bytes(b"x" * size)
        return ImageSource(paths=(path,), name=name)

    monkeypatch.setattr(describing, "MOST_TOGETHER", 3)
    monkeypatch.setattr(describing, "MOST_BYTES_TOGETHER", 100)
    sizes = [10, 10, 10, 10, 80, 90, 500, 20, 20]
    images = [(n, source(f"{n}", size)) for n, size in enumerate(sizes)]
    images.append((9, ImageSource(paths=(tmp_path / "absent",), name="absent")))
    groups = [[number for number, _ in group] for group in describing._groups(images)]
    assert groups == [[0, 1, 2], [3, 4], [5], [6], [7, 8], [9]]
