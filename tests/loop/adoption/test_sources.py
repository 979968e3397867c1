"""What cannot be adopted from, and how the names in a source are understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from limner.errors import InvalidRequest, SettingsError
from limner.loop.adopted_sources import names_of
from limner.settings import ProjectConfig

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("app", "name", "said"),
    [
        ("outline", "labels.csv", "is a file of labels of classification; app 'outline'"),
        ("outline", "labels.json", "is a file of labels of instances; app 'outline'"),
        ("kinds", "labels.json", "is a file of labels of instances; app 'kinds'"),
        ("objects", "labels.csv", "is a file of labels of classification"),
        ("objects", "labels.txt", "neither a folder nor a file"),
        ("objects", "absent", "is not there"),
        ("outline", "images", "masks need a folder of their own"),
    ],
)
def test_a_project_is_not_made_with_a_source_of_no_use(
    app: str, name: str, said: str, house: Any
) -> None:
    if name.startswith("labels"):
        (house.root / name).write_text("")
    config: ProjectConfig = house.config(app=app, adopt=house.root / name)
    with pytest.raises(InvalidRequest, match=said):
        house.projects.create(config)
    with pytest.raises(SettingsError, match=said):
        house.projects.open_all([config])


@pytest.mark.parametrize("app", ["outline", "objects", "kinds"])
def test_a_source_that_goes_away_is_a_problem_and_labels_stay(
    app: str, house: Any, make: Make, seen: Any
) -> None:
    finished = house.root / "finished"
    finished.mkdir()
    make(app, finished)
    finished.rmdir()
    house.ingest.sync("liver")
    assert "it is not there" in seen.problems()["finished"]
    finished.write_text("a file now")
    house.ingest.sync("liver")
    assert "holds no labels" in seen.problems()["finished"]


def test_names_are_tried_from_the_longest() -> None:
    assert names_of("./a/../b/c.nii.gz") == ("a/b/c", "b/c", "c")
    assert names_of("scan.v2") == ("scan.v2",)
    assert names_of("/") == names_of("") == names_of("a\0b") == ()
    assert len(names_of("x/" * 1000 + "a.png")) == 9
