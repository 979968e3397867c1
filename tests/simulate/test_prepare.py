"""What is asked for is checked before anything is done, and refused in words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.simulate.drawn import draw_pictures

from limner.errors import InvalidRequest, NotFound, SettingsError
from limner.home import HomeInUse
from limner.plugin import ClassScores
from limner.simulate.arm import Material
from limner.simulate.asked import Asked
from limner.simulate.compare import Means, compare
from limner.simulate.design import Kept
from limner.simulate.prepare import prepared
from limner.simulate.results_folder import held
from limner.simulate.truth import Truth
from limner.simulate.work_items import WorkItem

LACKING = Path(__file__).parent.parent / "plugins" / "lacks_training.py"
TINY = (Path(__file__).parent.parent / "plugins" / "tiny_classifier.py",)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    images, table = draw_pictures(tmp_path / "data", 24)
    return Asked(
        images=images,
        truth=table,
        labels=["dark", "bright"],
        app="tiny-classifier",
        strategies=["random", "entropy"],
        plugins=TINY,
        start=4,
        batch=4,
        rounds=3,
        seeds=2,
    )


class Silent:
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def step(self, what: str, done: int, total: int) -> None:
        pass

    def begin(self, done: int, total: int) -> None:
        raise AssertionError("Something was begun.")

    def event(self, item: WorkItem, event: Any) -> None:
        pass


def ready(asked: Asked, folder: Path) -> Material:
    return prepared(asked, folder, lambda done, total: None)


def test_labels_are_read_once_and_kept_with_what_they_cost(asked: Asked, tmp_path: Path) -> None:
    steps: list[int] = []
    out = tmp_path / "out"
    material = prepared(asked, out, lambda done, total: steps.append(done))
    assert steps[-1] == 24
    assert set(material.truth.known) == {f"p-{number:02d}" for number in range(24)}
    assert {each.stratum for each in material.truth.known.values()} == {"dark", "bright"}
    assert len(material.split.test) == 6
    material.truth.save(out, material.design.truth_digest)
    again: list[int] = []
    assert prepared(asked, out, lambda done, total: again.append(done)) == material
    assert again == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seeds": 0}, "--seeds 0 is too few; give at least 1"),
        ({"start": 0}, "--start 0 is too few; give at least 1"),
        ({"batch": -1}, "--batch -1 is too few; give at least 1"),
        ({"rounds": 1}, "--rounds 1 is too few; give at least 2"),
        ({"pool": -5}, "--pool -5 is too few; give at least 0"),
        ({"bounds": -1}, "--bounds -1 is too few; give at least 0"),
        ({"growth": 0.9}, "--growth 0.9 is not between 1 and 10"),
        ({"growth": float("nan")}, "--growth nan is not between 1 and 10"),
        ({"growth": 10.0, "rounds": 400}, "more labels than anyone has"),
        ({"effort": 0.0}, "--effort 0 is not above 0 and at most 4"),
        ({"effort": float("inf")}, "--effort inf is not above 0 and at most 4"),
        ({"noise": 1.0}, "--noise 1 is not a share"),
        ({"noise": -0.1}, "--noise -0.1 is not a share"),
        ({"settings": {"seed": 4}}, "--set seed cannot be given"),
        ({"settings": {"strategy": "entropy"}}, "--set strategy cannot be given"),
        ({"settings": {"validation_shar": 0.2}}, "validation_shar"),
        ({"settings": {"validation_share": 7}}, "validation_share"),
        ({"labels": ["dark", "dark"]}, "Class names must differ"),
        ({"settings": {"app_options": {"widht": 3}}}, "option 'widht' is unknown"),
        ({"settings": {"app_options": {"step_seconds": -1}}}, "step_seconds"),
        ({"strategy_options": {"entropy": {"foo": 3}}}, "'entropy': option 'foo' is unknown"),
        ({"strategies": ["entropy->random"]}, "cannot open with 'entropy'"),
        ({"app": "segmentation", "settings": {"multi_label": True}}, "is for classification"),
        ({"app": "lacks-training", "plugins": (LACKING,)}, "app 'lacks-training' cannot evaluate"),
        ({"test": "lots"}, "neither a share"),
        ({"test": "split=holdout"}, "has split 'holdout'"),
        ({"test": "fold=1"}, "a column 'fold'"),
        ({"strategies": []}, "Name the strategies"),
        ({"strategies": ["entropy", "entropy"]}, "named twice"),
        ({"rounds": 9}, "36 labels are wanted in the last round, and the pool has 18 images"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words_and_nothing_is_begun(
    asked: Asked, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises((SettingsError, InvalidRequest)) as refused:
        compare(replace(asked, **values), out, Means(), Silent())
    assert words in str(refused.value)
    assert Kept.load(out) is None
    assert not (out / "work").exists()


@pytest.mark.parametrize(
    "values",
    [{"app": "tiny-clasifier"}, {"strategies": ["entropi"]}, {"strategies": ["random->entropi"]}],
)
def test_plugins_that_are_not_there_are_named_before_labels_are_read(
    asked: Asked, tmp_path: Path, values: dict[str, Any]
) -> None:
    steps: list[int] = []
    with pytest.raises(NotFound, match=r"tiny-clasifier|entropi"):
        prepared(replace(asked, **values), tmp_path, lambda done, total: steps.append(done))
    assert steps == []


def test_labels_that_are_not_there_are_refused(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There are no labels at"):
        ready(replace(asked, truth=tmp_path / "none"), tmp_path)


def test_a_folder_without_images_is_refused(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="no image"):
        ready(replace(asked, images=tmp_path / "empty"), tmp_path)


def test_labels_of_other_images_or_classes_are_refused_with_what_is_wrong(
    asked: Asked, tmp_path: Path
) -> None:
    table = tmp_path / "other.csv"
    table.write_text("image,label\nq-01.png,dark\n")
    with pytest.raises(SettingsError, match="A label without an image"):
        ready(replace(asked, truth=table), tmp_path)
    with pytest.raises(SettingsError, match="nothing to compare against"):
        ready(replace(asked, labels=["cat", "dog"]), tmp_path)


def test_what_is_wrong_with_some_labels_leaves_the_others(asked: Asked, tmp_path: Path) -> None:
    assert isinstance(asked.truth, Path)
    with asked.truth.open("a", encoding="utf-8") as table:
        table.write("p-99.png,dark,train\n")
    material = ready(asked, tmp_path / "out")
    assert len(material.truth.known) == 24
    assert len(material.truth.problems) == 1


def test_a_changed_label_is_another_truth(asked: Asked, tmp_path: Path) -> None:
    before = ready(asked, tmp_path / "out").design.truth_digest
    assert isinstance(asked.truth, Path)
    text = asked.truth.read_text(encoding="utf-8")
    asked.truth.write_text(text.replace("p-00.png,dark", "p-00.png,bright"), encoding="utf-8")
    assert ready(asked, tmp_path / "out").design.truth_digest != before


def test_a_comparison_that_is_refused_leaves_the_labels_of_the_kept_one_alone(
    asked: Asked, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kept = ready(asked, out)
    kept.truth.save(out, kept.design.truth_digest)
    kept.split.save(out)
    Kept(asked=kept.design, fitted=kept.design).save(out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    images, table = draw_pictures(tmp_path / "other", 20)
    text = table.read_text(encoding="utf-8")
    swapped = text.replace("dark", "x").replace("bright", "dark").replace("x", "bright")
    table.write_text(swapped, encoding="utf-8")
    with pytest.raises(SettingsError, match="was begun with another design"):
        compare(replace(asked, images=images, truth=table), out, Means(), Silent())
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    truth = Truth.load(out, kept.design.truth_digest)
    assert truth is not None
    schema, task = kept.design.schema, kept.design.kind
    for name, known in truth.known.items():
        answer = truth.answer(name, schema, task)
        assert isinstance(answer, ClassScores)
        index = int(answer.probabilities.argmax())
        assert known.stratum == ("dark", "bright")[index]


def test_a_table_of_the_test_that_has_changed_is_noticed(asked: Asked, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = replace(asked, test="split=test")
    kept = ready(asked, out)
    kept.truth.save(out, kept.design.truth_digest)
    kept.split.save(out)
    Kept(asked=kept.design, fitted=kept.design).save(out)
    assert isinstance(asked.truth, Path)
    text = asked.truth.read_text(encoding="utf-8")
    asked.truth.write_text(text.replace("p-00.png,dark,train", "p-00.png,dark,test"))
    with pytest.raises(SettingsError, match="other images for the test"):
        compare(asked, out, Means(), Silent())


def test_results_do_not_go_among_the_images(asked: Asked) -> None:
    out = asked.images / "results"
    with pytest.raises(SettingsError, match="lies in the folder of images"):
        compare(asked, out, Means(), Silent())
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_refused(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SettingsError, match="cannot be made"):
        compare(asked, file, Means(), Silent())
    with pytest.raises(SettingsError, match="cannot be made"):
        compare(asked, file / "out", Means(), Silent())


def test_one_comparison_at_a_time_writes_to_a_folder(asked: Asked, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held(out, asked.images), pytest.raises(HomeInUse, match="Another comparison runs in"):
        compare(asked, out, Means(), Silent())
    with held(out, asked.images):
        pass
    shutil.rmtree(out)
