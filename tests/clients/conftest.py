"""One real server for the tests of all clients, with small projects of real images."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import PIL.Image
import pytest
from tests.conftest import ROOT
from tests.http.conftest import passing_projects, running, wait_for

from limner.loop.service import Service
from limner.records import labels as label_rows
from limner.records.rows import Assignment, JobState, Label, Sample
from limner.settings import EngineSettings, Limits, Settings

APPS = ("clicking.py", "tiny_instances.py", "tiny_classifier.py")
ENDED = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
PARTS = ["anterior", "posterior"]
"""Classes of the hippocampus, with the values 1 and 2."""


@dataclass(frozen=True)
class Project:
    """A project of the server under test, and what the server remembers of it."""

    name: str
    url: str
    """Where its clients reach it."""
    folder: Path
    service: Service

    def sample(self, name: str) -> Sample:
        return self.service.samples.named(self.name, name)

    def samples(self) -> list[str]:
        found = self.service.samples.list(self.name, limit=500).items
        return sorted(each.name for each in found)

    def image(self, name: str) -> Path:
        return self.service.samples.image_paths(self.name, self.sample(name).id)[0]

    def label(self, name: str, tag: str = "") -> Label | None:
        found = self.service.tags.find(self.name, self.sample(name).id, tag)
        return None if found is None else found.label

    def label_bytes(self, name: str, tag: str = "") -> bytes:
        label = self.label(name, tag)
        assert label is not None
        return self.service.labels.content(label.id)[0].read_bytes()

    def remarks(self, name: str, tag: str = "") -> Mapping[str, Any]:
        found = self.service.tags.find(self.name, self.sample(name).id, tag)
        assert found is not None
        return found.remarks

    def every_label(self, name: str) -> list[Label]:
        with self.service.records.read() as tx:
            return list(label_rows.of_sample(tx, self.sample(name).id))

    def held(self, annotator: str) -> list[Assignment]:
        return self.service.assignments.held(self.name, annotator)

    def labelled(self) -> int:
        return self.service.projects.get(self.name).labelled

    def versions(self) -> int:
        return len(self.service.models.list(self.name).items)

    def train(self) -> None:
        """Have a version trained, and wait until it serves."""
        job = self.service.retrain.request(self.name, "a test", {})
        wait_for(lambda: self.service.jobs.get(job.id).state in ENDED)
        assert self.service.jobs.get(job.id).state == JobState.SUCCEEDED
        assert self.service.models.serving(self.name) is not None


@dataclass(frozen=True)
class Site:
    """A running server."""

    url: str
    service: Service
    folder: Path
    numbers: Iterator[int]
    headers: Mapping[str, str]

    def project(
        self,
        app: str,
        labels: list[str] | dict[str, int],
        images: Iterable[Path] | Mapping[str, Path],
        adopt: Path | None = None,
        **settings: Any,
    ) -> Project:
        """Make a project of copies of images, and wait until they and their labels are there.

        Args:
            app: Its app.
            labels: Its classes.
            images: What is copied; given by name, with folders, to be called otherwise.
            adopt: Finished labels.
            settings: Of the project, beside those that keep it still.
        """
        name = f"project-{next(self.numbers)}"
        folder = self.folder / name
        named = images if isinstance(images, Mapping) else {each.name: each for each in images}
        for target, source in named.items():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / target)
        folder.mkdir(exist_ok=True)
        body: dict[str, Any] = {
            "name": name,
            "app": app,
            "images": str(folder),
            "labels": labels,
            "settings": {
                "strategy": "random",
                "retrain_every": 0,
                "validation_share": 0,
                **settings,
            },
        }
        if adopt is not None:
            body["adopt"] = str(adopt)
        posted = httpx.post(f"{self.url}/api/v1/projects", json=body, headers=self.headers)
        posted.raise_for_status()
        project = Project(name, f"{self.url}/monai/{name}", folder, self.service)
        wait_for(lambda: self.service.projects.get(name).samples == len(named))
        return project


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Site]:
    """Run a server with the apps of these tests for as long as a block lasts."""
    token = settings.get("token")
    chosen = Settings(
        home=folder / "home",
        port=0,
        plugins=tuple(ROOT / "tests" / "plugins" / each for each in APPS),
        limits=Limits(max_body_bytes=32 << 20),
        engine=EngineSettings(device="cpu", predictor_threads=1, learner_threads=1),
        **settings,
    )
    with running(chosen) as (service, server):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        yield Site(server.url, service, folder, count(1), headers)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server; every test that changes anything makes a project of its own."""
    with serving(tmp_path_factory.mktemp("clients")) as running_site:
        yield running_site


@pytest.fixture(autouse=True)
def _passing_projects(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no project outlive the test that made it."""
    if "site" not in request.fixturenames:
        yield
        return
    with passing_projects(request.getfixturevalue("site").service):
        yield


@pytest.fixture(scope="session")
def turned(hippocampus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real volume laid askew: axes that point elsewhere, voxels that are no cubes."""
    real = nibabel.load(hippocampus / "images" / "hippocampus_011.nii.gz")
    affine = np.array(
        [[0, -1.5, 0, 60.25], [-0.75, 0, 0, 31.5], [0, 0, 2.5, -80.125], [0, 0, 0, 1]]
    )
    path = tmp_path_factory.mktemp("turned") / "turned.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.asarray(real.dataobj), affine), path)
    return path


@pytest.fixture(scope="session")
def volumes(site: Site, hippocampus: Path, turned: Path, tmp_path_factory: Any) -> Project:
    """Volumes with two classes and a model that serves, which takes prompts; for reading only.

    `hippocampus_001` to `_006` have a label, `hippocampus_008`, `_011` and `turned` have none.
    """
    numbers = ["001", "003", "004", "006", "008", "011"]
    images = [hippocampus / "images" / f"hippocampus_{each}.nii.gz" for each in numbers]
    adopt = tmp_path_factory.mktemp("adopt")
    for number in numbers[:4]:
        name = f"hippocampus_{number}.nii.gz"
        shutil.copyfile(hippocampus / "labels" / name, adopt / name)
    project = site.project("clicking", PARTS, [*images, turned], adopt)
    wait_for(lambda: project.labelled() == 4)
    project.train()
    return project


@pytest.fixture(scope="session")
def nuclei_cases(nuclei: Path) -> list[str]:
    """Names of grey pictures of 360 x 360 and 520 x 696 pixels with some nuclei each."""
    return ["02903040e19d.png", "03b9306f44e9.png", "03f583ec5018.png", "0b0d577159f0.png"]


@pytest.fixture(scope="session")
def cells(
    site: Site, nuclei: Path, nuclei_cases: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Pictures with objects and a model that finds them; for reading only.

    All but the last, which is wider than high, have a label.
    """
    adopt = tmp_path_factory.mktemp("adopt")
    for name in nuclei_cases[:3]:
        shutil.copyfile(nuclei / "labels" / name, adopt / name)
    images = [nuclei / "images" / name for name in nuclei_cases]
    project = site.project("tiny-instances", ["nucleus"], images, adopt)
    wait_for(lambda: project.labelled() == 3)
    project.train()
    return project


@pytest.fixture(scope="session")
def pictures(
    site: Site, nuclei: Path, nuclei_cases: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The same pictures with masks of one class and a model that takes prompts; for reading only.

    All but the last, which is wider than high, have a label.
    """
    adopt = tmp_path_factory.mktemp("adopt")
    for name in nuclei_cases[:3]:
        with PIL.Image.open(nuclei / "labels" / name) as file:
            mask = (np.asarray(file) > 0).astype(np.uint8)
        PIL.Image.fromarray(mask).save(adopt / name)
    images = [nuclei / "images" / name for name in nuclei_cases]
    project = site.project("clicking", ["nucleus"], images, adopt)
    wait_for(lambda: project.labelled() == 3)
    project.train()
    return project


@pytest.fixture(scope="session")
def chests(site: Site, chest_xray: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Pictures of two classes and a model that sorts them; for reading only. Two have no label."""
    rows = [line.split(",") for line in (chest_xray / "labels.csv").read_text().split()[1:]]
    chosen = [
        [name, label]
        for wanted in ("normal", "pneumonia")
        for name, label, _ in [each for each in rows if each[1] == wanted][:5]
    ]
    table = tmp_path_factory.mktemp("adopt") / "labels.csv"
    labelled = chosen[1:-1]
    table.write_text("\n".join(["image,label", *(",".join(each) for each in labelled)]))
    images = [chest_xray / "images" / name for name, _ in chosen]
    project = site.project("tiny-classifier", ["normal", "pneumonia"], images, table)
    wait_for(lambda: project.labelled() == len(labelled))
    project.train()
    return project
