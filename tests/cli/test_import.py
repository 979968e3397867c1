"""`limner import monai-label`: from a studies folder to a server that has its labels."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.stores.studies_writing import AFFINE, SHAPE, StudiesWriter

from limner.cli.exits import Exit
from limner.cli.images_settings import settings_for_images
from limner.home import HomeLock
from limner.simulate import ServerProcess

PLUGIN = Path(__file__).parent.parent / "plugins" / "tiny_app.py"
TINY = ("--app", "tiny", "--plugin", str(PLUGIN))


@pytest.fixture
def studies(tmp_path: Path) -> StudiesWriter:
    return StudiesWriter(tmp_path / "Liver CT" / "studies")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limner.cli", "import", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": "/dev/null"},
    )


def done(studies: StudiesWriter, *more: str) -> str:
    """Take a folder over; it must end well and change nothing there."""
    before = studies.snapshot()
    ended = run("monai-label", studies.root, *TINY, *more)
    assert ended.returncode == Exit.OK, ended.stderr
    assert studies.snapshot() == before
    return ended.stdout


def rows(printed: str) -> dict[str, str]:
    return {line[:14].strip(): line[14:] for line in printed.splitlines() if line[:14].strip()}


def test_a_summary_says_what_was_taken_over_and_how_to_go_on(studies: StudiesWriter) -> None:
    studies.usual()
    studies.label("case2", fill=9)
    studies.document()
    shown = rows(done(studies))
    assert shown["Project"] == "studies (tiny), classes liver,tumour"
    assert shown["Images"] == "3"
    assert shown["Labels"] == "final: 2 taken in, 1 left out"
    assert shown["Drafts"] == "original: 1 taken in"
    assert shown["Left out"].startswith("labels/final/case2.nii.gz: ")
    assert shown["Serve it"] == shlex.join(
        ["limner", "serve", str(studies.root), "--labels", "liver,tumour", *TINY]
    )
    assert (studies.root.parent / ".limner" / "limner.sqlite").is_file()


def test_a_second_time_takes_in_nothing(studies: StudiesWriter) -> None:
    studies.usual()
    done(studies)
    shown = rows(done(studies))
    assert shown["Labels"] == "final: 0 taken in, 2 there already"
    assert shown["Drafts"] == "original: 0 taken in, 1 there already"


def test_what_is_left_out_is_listed_up_to_a_bound(studies: StudiesWriter) -> None:
    studies.usual()
    for number in range(40):
        studies.file(f"labels/final/stray{number}.nii.gz")
    printed = done(studies)
    assert printed.count("A label without an image.") == 20
    assert "and 20 more" in printed


def test_names_homes_and_classes_are_those_that_are_given(
    studies: StudiesWriter, tmp_path: Path
) -> None:
    studies.image("a")
    studies.label("a", fill=4)
    studies.document()
    home = tmp_path / "a home"
    given = ("--labels", "liver=4,tumour=9", "--name", "mine", "--home", str(home))
    shown = rows(done(studies, *given))
    assert shown["Project"] == "mine (tiny), classes liver=4,tumour=9"
    assert shown["Labels"] == "final: 1 taken in"
    command = shlex.split(shown["Serve it"])
    assert command[command.index("--home") + 1] == str(home)
    assert command[command.index("--name") + 1] == "mine"
    assert not (studies.root.parent / ".limner").exists()


def test_classes_need_not_be_given_again(studies: StudiesWriter) -> None:
    studies.image("a")
    studies.label("a", fill=4)
    studies.document()
    done(studies, "--labels", "liver=4")
    shown = rows(done(studies))
    assert shown["Project"] == "studies (tiny), classes liver=4"
    assert shown["Labels"] == "final: 0 taken in, 1 there already"


def test_classes_that_nothing_tells_are_asked_for_and_no_home_is_made(
    studies: StudiesWriter,
) -> None:
    studies.image("a")
    studies.label("a", fill=4)
    studies.document()
    ended = run("monai-label", studies.root, *TINY)
    assert ended.returncode == Exit.USAGE
    words = " ".join(ended.stderr.split())
    assert "--labels liver=1,tumour=2" in words
    assert "looked at: 4." in words
    assert ended.stdout == ""
    assert not (studies.root.parent / ".limner").exists()


def spoilt_labels(studies: StudiesWriter) -> None:
    studies.file("datastore_v2.json", '{"objects": {"case0": ')


def traversing(studies: StudiesWriter) -> None:
    studies.objects["../../secret"] = {
        "image": {"ext": ".nii.gz", "info": {}},
        "labels": {"../..": {"ext": ".nii.gz", "info": {}}},
    }
    studies.document()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoilt_labels, "datastore_v2.json: It cannot be read"),
        (traversing, "datastore_v2.json#../../secret: The image's name leads to another folder"),
    ],
)
def test_what_is_spoilt_is_said_and_the_rest_is_taken_over(
    studies: StudiesWriter, spoil: Callable[[StudiesWriter], None], words: str
) -> None:
    spoil(studies.usual())
    printed = done(studies, "--labels", "liver,tumour")
    assert words in printed
    assert rows(printed)["Labels"] == "final: 2 taken in"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("monai-label", Path(__file__).parent / "none"), "no folder of images at"),
        (("monai-label", __file__), "no folder of images"),
        (("monai-label", Path(__file__).parent, "--labels", "a"), "no image in"),
        (("monai-label", Path(__file__).parent, "--labels", "a,,b"), "empty name"),
        (("monai-label",), "Missing argument"),
        (("label-studio", "x"), "No such command"),
    ],
)
def test_mistakes_are_told_in_words(arguments: tuple[str | Path, ...], words: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == Exit.USAGE, ended.stderr
    assert words in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert not (Path(__file__).parents[1] / ".limner").exists()


def test_a_home_that_is_in_use_is_left_alone(studies: StudiesWriter, tmp_path: Path) -> None:
    studies.usual()
    home = tmp_path / "home"
    with HomeLock(home):
        ended = run("monai-label", studies.root, *TINY, "--home", home)
    assert ended.returncode == Exit.IN_USE
    assert sorted(path.name for path in home.iterdir()) == ["limner.lock"]


def test_a_project_of_other_images_is_left_alone(studies: StudiesWriter, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done(studies.usual(), "--home", str(home))
    other = StudiesWriter(tmp_path / "other" / "studies").usual()
    ended = run("monai-label", other.root, *TINY, "--home", home)
    assert ended.returncode == Exit.USAGE
    assert "has a project 'studies' already" in " ".join(ended.stderr.split())


def test_finished_labels_of_a_studies_folder_are_adopted_by_serve(
    studies: StudiesWriter, tmp_path: Path
) -> None:
    studies.usual()

    def adopted(**project: Path) -> Path | None:
        settings = settings_for_images(studies.root, "a", server={}, project=project, loop={})
        return settings.projects[0].adopt

    assert adopted() == studies.root / "labels" / "final"
    assert adopted(adopt=tmp_path) == tmp_path


@pytest.mark.live
def test_the_server_that_it_names_has_the_labels(studies: StudiesWriter, tmp_path: Path) -> None:
    import nibabel
    import numpy as np

    studies.usual()
    home = tmp_path / "home"
    shown = rows(done(studies, "--home", str(home)))
    command = shlex.split(shown["Serve it"])
    at = command.index("--home")
    arguments = command[2:at] + command[at + 2 :]
    with ServerProcess(arguments, home=home) as server, httpx.Client(base_url=server.url) as client:
        project = client.get("/api/v1/projects/studies").json()
        assert project["counts"]["samples"] == 3
        assert project["counts"]["labelled"] == 2
        samples = client.get("/api/v1/projects/studies/samples").json()["items"]
        assert [each["name"] for each in samples] == ["case0", "case1", "case2"]
        path = f"/api/v1/projects/studies/samples/{samples[0]['id']}/labels"
        labels = client.get(path).json()["items"]
        assert [(each["author"], each["state"]) for each in labels] == [
            ("ada", "submitted"),
            ("adopted", "draft"),
        ]
        content = client.get(f"/api/v1/labels/{labels[0]['id']}/content")
        assert content.content == (studies.root / "labels/final/case0.nii.gz").read_bytes()
        assert client.get("/api/v1/projects/studies/problems").json()["items"] == []

        # What is dropped among the finished labels while it runs is adopted.
        mask = np.zeros(SHAPE, np.uint8)
        mask[1, 1, 1] = 2
        aside = tmp_path / "case2.nii.gz"
        nibabel.save(nibabel.Nifti1Image(mask, AFFINE), aside)
        aside.rename(studies.root / "labels" / "final" / "case2.nii.gz")
        deadline = time.monotonic() + 30
        while client.get("/api/v1/projects/studies").json()["counts"]["labelled"] < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(client.get("/api/v1/projects/studies/samples").json()["items"]) == 3
