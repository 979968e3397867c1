"""The loop over HTTP with the bundled apps, on real images of the two tasks."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]

LABELLED = 6
PATIENCE_S = 280
"""For a training of a real network on a busy machine."""


def loop_of(live: Any, tmp_path: Path, images: list[Path], **body: Any) -> Any:
    """Serve copies of some images with a bundled app."""
    folder = tmp_path / "images"
    folder.mkdir()
    for path in images:
        shutil.copy(path, folder)
    name = f"real-{next(live.numbers)}"
    settings = {"retrain_every": 0, "strategy": "entropy", "validation_share": 0.3}
    settings |= body.pop("settings", {})
    given = {"name": name, "images": str(folder), "settings": settings, **body}
    live.http.post("/api/v1/projects", json=given).raise_for_status()
    url = f"/api/v1/projects/{name}"
    live.wait_for(lambda: live.http.get(url).json()["counts"]["samples"] == len(images))
    return url


def turned(
    live: Any, until: Any, url: str, truth: Mapping[str, tuple[str, bytes]]
) -> dict[str, Any]:
    """Label what the server asks for, train, and return the version that came of it."""
    for _ in range(LABELLED):
        lent = live.http.post(f"{url}/next", json={"annotator": "ann"}).json()["assignment"]
        file = truth[lent["sample"]["name"]]
        answer = live.http.post(
            f"{url}/samples/{lent['sample']['id']}/labels",
            files={"file": file},
            data={"annotator": "ann", "assignment": lent["id"]},
        )
        assert answer.status_code == 201, answer.text
        stored = live.http.get(answer.json()["label"]["content_url"])
        assert stored.content == file[1]
    live.http.post(f"{url}/jobs", json={"kind": "train"}).raise_for_status()
    until(lambda: not live.http.get(f"{url}/progress").json()["jobs"], PATIENCE_S)
    version: dict[str, Any] = live.http.get(f"{url}/models/1").raise_for_status().json()
    return version


def test_nuclei_of_all_stains_go_through_the_loop(
    live: Any, until: Any, tmp_path: Path, nuclei: Path
) -> None:
    grey: list[Path] = []
    colour: list[Path] = []
    for path in sorted((nuclei / "images").glob("*.png")):
        with PIL.Image.open(path) as image:
            if max(image.size) <= 320:
                pixels = np.asarray(image.convert("RGB"))
                (grey if (np.ptp(pixels, axis=2) == 0).all() else colour).append(path)
    images = grey[:6] + colour[:4]
    assert len(images) == 10
    truth = {
        path.stem: ("map.png", (nuclei / "labels" / path.name).read_bytes()) for path in images
    }
    options = {"steps": 12}
    url = loop_of(
        live,
        tmp_path,
        images,
        app="instances",
        labels=["nucleus"],
        settings={"app_options": options},
    )
    version = turned(live, until, url, truth)
    assert version["metrics"]["measure"] == "pq"
    assert version["options"]["steps"] == 12
    promoted = live.http.post(f"{url}/models/1/promote").raise_for_status().json()
    assert promoted["state"] == "serving"
    for sample in live.http.get(f"{url}/samples").json()["items"]:
        answer = live.http.post(f"{url}/samples/{sample['id']}/predict")
        assert answer.status_code == 200, answer.text
        assert answer.json()["shape"] == sample["shape"]
        picture = live.http.post(
            f"{url}/samples/{sample['id']}/predict", headers={"Accept": "image/png"}
        )
        painted = np.asarray(PIL.Image.open(io.BytesIO(picture.content)))
        assert painted.shape == tuple(sample["shape"])
        assert len(np.unique(painted)) - 1 <= len(answer.json()["instances"])


def test_chest_x_rays_go_through_the_loop(
    live: Any, until: Any, tmp_path: Path, chest_xray: Path
) -> None:
    with (chest_xray / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    by_class = {
        name: [row["image"] for row in rows if row["label"] == name][:8]
        for name in ("normal", "pneumonia")
    }
    images = [chest_xray / "images" / name for names in by_class.values() for name in names]
    truth = {
        Path(each).stem: ("label.json", f'{{"classes": ["{name}"]}}'.encode())
        for name, names in by_class.items()
        for each in names
    }
    url = loop_of(
        live,
        tmp_path,
        images,
        app="classification",
        labels=["normal", "pneumonia"],
        settings={"app_options": {"steps": 30}},
    )
    version = turned(live, until, url, truth)
    assert version["metrics"]["measure"] == "log_score"
    live.http.post(f"{url}/models/1/promote").raise_for_status()
    for sample in live.http.get(f"{url}/samples").json()["items"]:
        found = live.http.post(f"{url}/samples/{sample['id']}/predict").json()
        assert set(found["probabilities"]) == {"normal", "pneumonia"}
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    shown = live.http.post(
        f"{url}/samples/{sample['id']}/predict?explain=pneumonia", headers={"Accept": "image/png"}
    )
    assert np.asarray(PIL.Image.open(io.BytesIO(shown.content))).shape == (28, 28)
