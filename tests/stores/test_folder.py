from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from limner.errors import NotFound
from limner.settings import Limits
from limner.stores import Entry, FolderStore, Problem

Look = Callable[..., tuple[dict[str, tuple[str, ...]], dict[str, str]]]
Put = Callable[..., Path]


def test_a_sample_is_named_by_its_path_without_suffix(put: Put, look: Look) -> None:
    for name in (
        "a.nii.gz",
        "sub/deep er/b+c.PNG",
        "ärzte/žluťoučký 肝臓.nrrd",
        "dots.in.name.tif",
        "n" * (255 - 4) + ".nii",
    ):
        put(name)
    samples, problems = look()
    assert samples == {
        "a": ("a.nii.gz",),
        "sub/deep er/b+c": ("sub/deep er/b+c.PNG",),
        "ärzte/žluťoučký 肝臓": ("ärzte/žluťoučký 肝臓.nrrd",),
        "dots.in.name": ("dots.in.name.tif",),
        "n" * 251: ("n" * 251 + ".nii",),
    }
    assert problems == {}


def test_size_and_time_are_those_of_the_file(root: Path, put: Put) -> None:
    path = put("a.png", b"12345")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    assert list(FolderStore(root).scan()) == [
        Entry(name="a", files=("a.png",), size_bytes=5, modified_ns=1_700_000_000_123_456_789)
    ]


def test_what_is_no_image_is_left_out_in_silence(put: Put, look: Look) -> None:
    for name in (
        "notes.txt", ".hidden.png", ".limner/a.png", "a.png.tmp", "b.nii.gz.part", "labels.csv",
        "c.mhd", "c.raw", "d.zraw", ".png", "x.gz",
    ):  # fmt: skip
        put(name)
    assert look() == ({"c": ("c.mhd",)}, {})


def test_the_companion_of_an_mhd_counts_for_size_and_time(root: Path, put: Put) -> None:
    os.utime(put("c.mhd", b"1"), ns=(1, 10))
    os.utime(put("c.zraw", b"22"), ns=(1, 30))
    (entry,) = FolderStore(root).scan()
    assert isinstance(entry, Entry)
    assert (entry.size_bytes, entry.modified_ns) == (3, 30)


def test_an_image_in_two_formats_is_one_sample_and_a_problem(put: Put, look: Look) -> None:
    for name in ("p/a.nrrd", "p/a.nii.gz", "p/a.mha", "b.png"):
        put(name)
    samples, problems = look()
    assert samples == {"b": ("b.png",), "p/a": ("p/a.mha",)}
    assert set(problems) == {"p/a.nii.gz", "p/a.nrrd"}
    assert "two formats" in problems["p/a.nrrd"]


@pytest.mark.parametrize(
    "names",
    [
        ("FLAIR.nii.gz", "T1.nii.gz", "T2.nrrd"),
        ("brats_7_flair.nii.gz", "brats_7_t1.nii.gz", "brats_7_t1ce.nii.gz"),
        ("x-ADC.mha", "x-dwi.mha", "x-t2w.mha"),
        ("a_0000.nii.gz", "a_0001.nii.gz", "a_0002.nii.gz"),
    ],
)
def test_a_folder_of_channels_is_one_sample(names: tuple[str, ...], put: Put, look: Look) -> None:
    for name in reversed(names):
        put(f"site/patient 1/{name}")
    samples, problems = look()
    assert samples == {"site/patient 1": tuple(f"site/patient 1/{name}" for name in names)}
    assert problems == {}


def test_a_label_in_a_folder_of_channels_is_no_channel(put: Put, look: Look) -> None:
    for name in ("b_flair.nii.gz", "b_seg.nii.gz", "b_t1.nii.gz"):
        put(f"b/{name}")
    assert look()[0] == {"b": ("b/b_flair.nii.gz", "b/b_t1.nii.gz")}


@pytest.mark.parametrize(
    "names",
    [
        ("t1.nii.gz",),
        ("t1.nii.gz", "liver.nii.gz"),
        ("a_t1.nii.gz", "b_t1.nii.gz"),
        ("a_t1.nii.gz", "b_t2.nii.gz"),
        ("frame_0000.png", "frame_0001.png"),
        ("a_0001.nii.gz", "a_0002.nii.gz"),
        tuple(f"scan_{number:04d}.nii.gz" for number in range(9)),
    ],
)
def test_other_folders_hold_a_sample_a_file(names: tuple[str, ...], put: Put, look: Look) -> None:
    for name in names:
        put(f"p/{name}")
    stems = {f"p/{name.removesuffix('.gz').rsplit('.', 1)[0]}" for name in names}
    assert set(look()[0]) == stems


def test_sequences_at_the_top_are_samples(put: Put, look: Look) -> None:
    put("t1.nii.gz")
    put("t2.nii.gz")
    assert set(look()[0]) == {"t1", "t2"}


def test_numbered_volumes_at_the_top_are_samples_when_only_one_name_counts_them(
    put: Put, look: Look
) -> None:
    for number in range(4):
        put(f"scan_{number:04d}.nii.gz")
    assert set(look()[0]) == {f"scan_{number:04d}" for number in range(4)}


@pytest.mark.parametrize("folder", ["", "imagesTr/"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_flat_folder_of_nnunet_is_understood(
    folder: str, count: int, put: Put, look: Look
) -> None:
    for case in ("liver_001", "liver_002"):
        for number in range(count):
            put(f"{folder}{case}_{number:04d}.nii.gz")
    assert look()[0] == {
        f"{folder}{case}": tuple(f"{folder}{case}_{number:04d}.nii.gz" for number in range(count))
        for case in ("liver_001", "liver_002")
    }


def test_a_folder_of_channels_does_not_take_an_images_name(put: Put, look: Look) -> None:
    for name in ("a/p1.nii.gz", "a/p1/t1.nii.gz", "a/p1/t2.nii.gz"):
        put(name)
    for folders in ((), ("a", "a/p1")):
        samples, problems = look(*folders)
        assert samples == {"a/p1": ("a/p1.nii.gz",)}
        assert "same name" in problems["a/p1"]


def test_some_folders_can_be_looked_at_alone(put: Put, look: Look) -> None:
    for name in ("top.png", "a/x.png", "a/below/y.png", "b/z.png", ".hidden/h.png"):
        put(name)
    assert set(look("a")[0]) == {"a/x"}
    assert set(look("", "b", "gone", ".hidden")[0]) == {"top", "b/z"}


def test_links_inside_are_followed_and_links_out_are_not(
    root: Path, put: Put, look: Look, tmp_path: Path
) -> None:
    put("real/a.png")
    (tmp_path / "secret.png").write_bytes(b"s")
    (tmp_path / "outside").mkdir()
    (root / "good.png").symlink_to(root / "real" / "a.png")
    (root / "bad.png").symlink_to(tmp_path / "secret.png")
    (root / "broken.png").symlink_to(root / "nothing.png")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "text").symlink_to(tmp_path / "secret.txt")
    samples, problems = look()
    assert set(samples) == {"real/a", "good"}
    assert set(problems) == {"bad.png", "broken.png", "folder", "loop"}
    assert "leads out" in problems["bad.png"]


def test_a_root_that_is_a_link_is_the_folder_it_leads_to(tmp_path: Path, put: Put) -> None:
    put("a.png")
    (tmp_path / "link").symlink_to(tmp_path / "images")
    assert [
        entry.name for entry in FolderStore(tmp_path / "link").scan() if isinstance(entry, Entry)
    ] == ["a"]


def test_a_name_that_is_no_utf8_is_a_problem_that_can_be_written_down(
    root: Path, look: Look
) -> None:
    with open(os.path.join(os.fsencode(root), b"bad\xff.png"), "wb") as file:
        file.write(b"x")
    samples, problems = look()
    assert samples == {}
    (path,) = problems
    assert path.encode()


def test_an_absent_root_is_one_problem(tmp_path: Path) -> None:
    (found,) = FolderStore(tmp_path / "unmounted").scan()
    assert isinstance(found, Problem)
    assert found.path == "."
    assert "not there" in found.problem


def test_excluded_folders_hold_no_samples(root: Path, put: Put) -> None:
    put("images/a.png")
    put("labels/a.png")
    put("labels/more/b.png")
    store = FolderStore(root, exclude=[root / "labels"])
    for found in (store.scan(), store.scan(["images", "labels", "labels/more"])):
        assert [entry.name for entry in found if isinstance(entry, Entry)] == ["images/a"]


def test_label_documents_are_found_where_they_are_asked_for(root: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    for name in ("a.json", "p/b.JSON", "p/b.png", "c.png", ".d.json", "e.json.part"):
        path = labels / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (labels / "f.json").symlink_to(labels / "a.json")
    store = FolderStore(root)

    def names(**kinds: bool) -> dict[str, str]:
        return {name: path.name for name, path in store.labels(labels, **kinds)}

    assert names() == {"c": "c.png", "p/b": "b.png"}
    assert names(images=False, documents=True) == {"a": "a.json", "p/b": "b.JSON"}
    assert names(documents=True) == {"a": "a.json", "c": "c.png", "p/b": "b.JSON"}


def test_json_files_beside_images_are_no_samples(root: Path, put: Callable[..., Path]) -> None:
    put("a.png")
    put("a.json")
    assert [each.name for each in FolderStore(root).scan() if isinstance(each, Entry)] == ["a"]


@pytest.mark.parametrize(
    ("folder", "inside"),
    [("", ""), (".", ""), ("a/b", "a/b"), ("a/../b", "b"), ("..", None), ("../other", None)],
)
def test_a_store_knows_what_lies_inside_it(folder: str, inside: str | None, root: Path) -> None:
    assert FolderStore(root).inside(root / folder) == inside


def test_labels_are_named_like_their_images(root: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    for name in ("p1/a.nii.gz", "p1/b.seg.nrrd", "c.png", "d.nii.gz", "d.nrrd", "notes.txt"):
        path = labels / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert dict(FolderStore(root).labels(labels)) == {
        "c": labels / "c.png",
        "d": labels / "d.nii.gz",
        "p1/a": labels / "p1/a.nii.gz",
        "p1/b": labels / "p1/b.seg.nrrd",
    }


@pytest.mark.parametrize(
    "file", ["../secret.png", "/etc/passwd", "a/../../secret.png", "link.png", "", "a\0.png", "."]
)
def test_a_source_outside_the_store_is_refused(
    file: str, root: Path, tmp_path: Path, limits: Limits
) -> None:
    (tmp_path / "secret.png").touch()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(NotFound):
        FolderStore(root).source([file], limits, "MR", "a")


def test_a_source_reads_the_samples_file(data_dir: Path, limits: Limits) -> None:
    store = FolderStore(data_dir / "hippocampus" / "images")
    entry = next(each for each in store.scan() if isinstance(each, Entry))
    image = store.source(entry.files, limits, "MR", entry.name).read()
    assert (image.name, image.modality) == (entry.name, "MR")
    assert np.isfinite(image.array).all()


def test_real_folders_are_found_whole(data_dir: Path) -> None:
    for folder, count in (("hippocampus/images", 201), ("chest-xray/images", 4406)):
        found = list(FolderStore(data_dir / folder).scan())
        assert len(found) == count
        assert all(isinstance(each, Entry) for each in found)
    names = {name for name, _ in FolderStore(data_dir).labels(data_dir / "hippocampus/labels")}
    assert len(names) == 202


def test_twenty_thousand_files_are_found_in_a_second(root: Path) -> None:
    for folder in range(10):
        (root / f"site {folder}").mkdir()
        for number in range(1000):
            os.close(os.open(root / f"site {folder}" / f"{number}.nii.gz", os.O_CREAT))
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()  # the machine may be busy with something else
        assert sum(1 for _ in FolderStore(root).scan()) == 10_000
        best = min(best, time.thread_time() - start)
    assert best < 0.5
