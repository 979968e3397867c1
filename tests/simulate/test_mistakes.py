"""Labels as a careless annotator gives them: as often as asked for, seeded, of every task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from limner.loop.agreement.dice import mean_dice
from limner.plugin import ClassScores, Instances, LabelClass, LabelSchema, Mask
from limner.simulate.mistakes import mistaken, moved_to

NAMES = ("a", "b", "c")
SCHEMA = LabelSchema(
    classes=tuple(LabelClass(name=name, value=value) for value, name in enumerate(NAMES, start=1))
)
SEVERAL = LabelSchema(classes=SCHEMA.classes, exclusive=False)


def careless(answer: Any, schema: LabelSchema, share: float, random: np.random.Generator) -> Any:
    """The label with mistakes; of the kind that it was."""
    found = mistaken(answer, schema, share, random)
    assert type(found) is type(answer)
    return found


def moved(answer: Any, shape: tuple[int, ...]) -> Any:
    found = moved_to(answer, shape)
    assert type(found) is type(answer)
    return found


def one_of(index: int) -> ClassScores:
    return ClassScores(probabilities=np.eye(3, dtype=np.float32)[index])


def square_mask() -> Mask:
    array = np.zeros((32, 32), np.uint8)
    array[8:24, 8:24] = 2
    return Mask(array=array, spacing=(1.0, 1.0))


def objects(count: int) -> Instances:
    corners = np.arange(count, dtype=np.float32) * 4
    return Instances(
        boxes=np.stack([corners, corners, corners + 3, corners + 2], axis=1),
        masks=tuple(np.ones((3, 2), bool) for _ in range(count)),
        classes=np.arange(count) % 3 + 1,
        scores=np.ones(count, np.float32),
    )


def test_without_mistakes_every_label_is_as_it_was() -> None:
    random = np.random.default_rng(0)
    for answer in (one_of(1), square_mask(), objects(4)):
        assert careless(answer, SCHEMA, 0.0, random) is answer


def test_a_share_of_the_labels_names_another_class_and_each_other_one_alike() -> None:
    random = np.random.default_rng(1)
    drawn = [
        int(careless(one_of(0), SCHEMA, 0.3, random).probabilities.argmax()) for _ in range(3000)
    ]
    counts = np.bincount(drawn, minlength=3) / 3000
    assert counts == pytest.approx([0.7, 0.15, 0.15], abs=0.03)


def test_where_an_image_has_several_classes_each_is_wrong_for_itself() -> None:
    random = np.random.default_rng(2)
    true = ClassScores(probabilities=np.array([1, 0, 1], np.float32))
    drawn = np.array([careless(true, SEVERAL, 0.2, random).probabilities for _ in range(2000)])
    assert np.abs(drawn - true.probabilities).mean(axis=0) == pytest.approx([0.2] * 3, abs=0.03)
    assert drawn.dtype == np.float32


def test_a_share_of_the_contours_is_off_by_a_little() -> None:
    random, true = np.random.default_rng(3), square_mask()
    drawn = [careless(true, SCHEMA, 0.5, random) for _ in range(200)]
    off = [each for each in drawn if each is not true]
    assert len(off) == pytest.approx(100, abs=25)
    for each in off[:10]:
        assert set(np.unique(each.array)) <= {0, 2}
        assert 0.6 < mean_dice(each.array, true.array, (2,)) < 1.0
        assert each.spacing == true.spacing


def test_a_share_of_the_objects_is_missed_and_the_others_stay_as_they_are() -> None:
    random, true = np.random.default_rng(4), objects(6)
    drawn = [careless(true, SCHEMA, 0.25, random) for _ in range(400)]
    assert sum(len(each.masks) for each in drawn) == pytest.approx(0.75 * 6 * 400, rel=0.05)
    known = {tuple(box): int(value) for box, value in zip(true.boxes, true.classes, strict=True)}
    for each in drawn:
        assert len(each.masks) == len(each.classes) == len(each.scores)
        for box, value in zip(each.boxes, each.classes, strict=True):
            assert known[tuple(box)] == value


def test_an_image_whose_objects_are_all_missed_is_an_empty_label() -> None:
    nothing = careless(objects(2), SCHEMA, 0.999999, np.random.default_rng(0))
    assert nothing.boxes.shape == (0, 4)
    assert nothing.masks == ()


@pytest.mark.parametrize("answer", [one_of(2), square_mask(), objects(5)])
def test_the_same_seed_makes_the_same_mistakes(answer: ClassScores | Mask | Instances) -> None:
    def drawn(seed: int) -> list[bytes]:
        random = np.random.default_rng(seed)
        made = [careless(answer, SCHEMA, 0.5, random) for _ in range(20)]
        fields = {ClassScores: "probabilities", Mask: "array", Instances: "boxes"}
        return [np.asarray(getattr(each, fields[type(each)])).tobytes() for each in made]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_one_class_alone_cannot_be_mistaken_for_another() -> None:
    schema = LabelSchema(classes=(LabelClass(name="only", value=1),))
    answer = ClassScores(probabilities=np.ones(1, np.float32))
    assert careless(answer, schema, 0.999, np.random.default_rng(0)) is answer


def test_a_mask_is_fitted_to_another_shape_around_its_middle() -> None:
    array = np.zeros((4, 6), np.uint8)
    array[1:3, 2:4] = 1
    larger = moved(Mask(array=array, spacing=(1.0, 1.0)), (8, 8))
    assert larger.array.shape == (8, 8)
    assert np.argwhere(larger.array).tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]
    smaller = moved(larger, (2, 2))
    assert smaller.array.tolist() == [[1, 1], [1, 1]]


def test_objects_are_cut_at_the_rim_of_another_shape_and_those_beyond_it_left_out() -> None:
    cut = moved(objects(3), (6, 32))  # boxes 0:3, 4:7 and 8:11 along the first axis
    assert cut.boxes.tolist() == [[0, 0, 3, 2], [4, 4, 6, 6]]
    assert [each.shape for each in cut.masks if each is not None] == [(3, 2), (2, 2)]
    assert cut.classes.tolist() == [1, 2]
    assert moved(objects(3), (32, 32)).boxes.tolist() == objects(3).boxes.tolist()


def test_classes_fit_every_image() -> None:
    assert moved(one_of(1), (3, 3)).probabilities.tolist() == [0, 1, 0]
