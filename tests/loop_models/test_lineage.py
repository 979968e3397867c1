"""What a version was made of, against what it would be made of now."""

from __future__ import annotations

from typing import Any

import pytest

from limner.loop.lineage import differences, told_differences, wanted_version
from limner.plugin import LabelClass, LabelSchema
from limner.records.rows import ModelState, ModelVersion

SCHEMA = LabelSchema(classes=(LabelClass(name="normal", value=1),))


def version(**changes: Any) -> ModelVersion:
    values: dict[str, Any] = {
        "id": 1,
        "project_id": 1,
        "number": 3,
        "parent_id": None,
        "job_id": None,
        "app": "classification",
        "app_version": "1",
        "state": ModelState.SERVING.value,
        "pinned": False,
        "weights_sha256": "x",
        "weights_bytes": 1,
        "seed": 0,
        "plan": {},
        "options": {"model": "resnet18"},
        "metrics": {"classes": {"normal": 1}},
        "decision": {},
        "libraries": {},
        "notes": [],
        "label_count": 4,
        "created_at": 0.0,
        "promoted_at": 0.0,
        "stability": None,
    }
    return ModelVersion(**(values | changes))


def wanted(**changes: Any) -> dict[str, Any]:
    given = {"app": "classification", "app_version": "1", "options": {"model": "resnet18"}}
    return wanted_version(**(given | {"schema": SCHEMA} | changes))


def test_a_version_made_as_the_next_one_differs_in_nothing() -> None:
    assert differences(version(), wanted()) == []


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"app": "other"}, "app", "app 'classification', now 'other'"),
        ({"app_version": "2"}, "app_version", "app_version '1', now '2'"),
        ({"options": {"model": "vgg16"}}, "options", "model 'resnet18', now 'vgg16'"),
        ({"options": {}}, "options", "model 'resnet18', now 'unset'"),
        ({"schema": LabelSchema.of("normal", "ill")}, "classes", "ill 'unset', now 2"),
        (
            {"schema": LabelSchema(classes=SCHEMA.classes, exclusive=False)},
            "multi_label",
            "multi_label False, now True",
        ),
    ],
)
def test_what_differs_is_named_with_both_values(
    changes: dict[str, Any], name: str, words: str
) -> None:
    assert differences(version(), wanted(**changes)) == [name]
    assert told_differences(version(), wanted(**changes)) == words
