"""Exports over HTTP."""

from __future__ import annotations

import io
import zipfile
from typing import Any

# The fixtures' classes live in conftest.py, which cannot be imported.
Project = Any


def test_before_a_label_there_is_nothing_to_export(project: Project) -> None:
    answer = project.http.get(f"{project.url}/export")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


def test_the_export_holds_every_labelled_image(project: Project) -> None:
    labelled = [project.next()["assignment"]["sample"] for _ in range(2)]
    for sample in labelled:
        project.label(sample)
    for layout in ("nnunet", "msd"):
        answer = project.http.get(f"{project.url}/export", params={"format": layout})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
        assert any(name.endswith("dataset.json") for name in names)
        assert sum("labelsTr/" in name and name.endswith(".nii.gz") for name in names) == 2
    assert project.http.get(f"{project.url}/export", params={"format": "tar"}).status_code == 422
