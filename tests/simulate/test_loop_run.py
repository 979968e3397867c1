"""The whole loop with a real server and real workers: label, train, promote, measure."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from limner.client import Job, Limner
from limner.errors import Conflict
from limner.simulate import LoopRun, ServerProcess, SimulatedAnnotator

pytestmark = pytest.mark.live

PLUGINS = Path(__file__).parent.parent / "plugins"


def serving(images: Path, app: str, file: str) -> list[str]:
    arguments = [str(images), "--name", "easy", "--labels", "left,right", "--app", app]
    return [*arguments, "--plugin", str(PLUGINS / file)]


@pytest.mark.parametrize(
    ("data", "app", "file", "measures"),
    [
        ("easy", "tiny", "tiny_app.py", ("dice", "Dice")),
        ("easy_objects", "tiny-instances", "tiny_instances.py", ("pq", "PQ")),
        ("easy_kinds", "tiny-classifier", "tiny_classifier.py", ("accuracy", "balanced accuracy")),
    ],
)
def test_rounds_label_train_promote_and_measure(
    data: str,
    app: str,
    file: str,
    measures: tuple[str, str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    easy: Any = request.getfixturevalue(data)
    arguments = [*serving(easy.images, app, file), "--retrain-every", "3"]
    jobs: list[Job] = []
    steps: set[str] = set()
    with (
        ServerProcess(arguments, home=tmp_path / "home") as server,
        Limner(server.url) as limner,
    ):
        project = limner.project("easy")
        annotator = SimulatedAnnotator(limner, project, easy.truth)
        loop = LoopRun(
            limner,
            project,
            annotator,
            easy.unseen,
            on_job=jobs.append,
            on_step=lambda what, done, total: steps.add(what),
        )
        loop.prepare(12)
        rounds = [loop.round(3) for _ in range(3)]
        labelled = {each.name for each in project.samples(state="labelled")}
        aside = {each.name for each in project.samples(state="set_aside")}
        nothing = loop.round(3)
        left = project.next("somebody else")
    assert [each.labels for each in rounds] == [3, 6, 9]
    assert [each.trained for each in rounds] == [1, 2, 3]
    assert all(each.outcome in {"promote", "refuse"} and each.reason for each in rounds)
    for before, after in pairwise(rounds):
        assert after.serving == (after.trained if after.outcome == "promote" else before.serving)
    assert {(each.validation_measure, each.unseen_measure) for each in rounds} == {measures}
    assert all(each.validation_score is not None for each in rounds)
    assert rounds[-1].unseen_score is not None
    assert rounds[-1].unseen_score > 0.9
    assert labelled == set(easy.truth)
    assert aside == set(easy.unseen)
    assert nothing.labels == 9
    assert left.assignment is None
    assert left.reason
    assert {job.kind for job in jobs} >= {"train", "score"}
    assert "Predicting unseen cases" in steps


def test_images_that_do_not_come_are_said_so(easy: Any, tmp_path: Path) -> None:
    arguments = serving(easy.images, "tiny", "tiny_app.py")
    with (
        ServerProcess(arguments, home=tmp_path / "home") as server,
        Limner(server.url) as limner,
    ):
        project = limner.project("easy")
        annotator = SimulatedAnnotator(limner, project, easy.truth)
        loop = LoopRun(limner, project, annotator, easy.unseen)
        with pytest.raises(Conflict, match=r"of 99 images"):
            loop.prepare(99, timeout_s=0.3)
