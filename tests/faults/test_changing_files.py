"""Files that change, break, shrink or go away while they are used."""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.faults.conftest import House, MakeHouse, mask_of, problem, write_image
from tests.http.conftest import image, truth, volume_bytes, wait_for

WHOLE_SECOND = 1_700_000_000


def replace(path: Path, content: bytes) -> None:
    """Put another content in place of a file, at once."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(content)
    aside.replace(path)


def other_shape(name: str) -> bytes:
    return volume_bytes(image(name)[:-2, :-2])


def state_of(house: House, project: Any, name: str) -> str:
    return str(house.samples(project)[name]["state"])


@pytest.mark.parametrize("harm", ["truncated", "foreign"])
def test_a_file_that_breaks_and_is_repaired_is_ready_again(house: House, harm: str) -> None:
    project = house.project()
    path = project.folder / "case1.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if harm == "truncated" else b"GIF89a" + b"\0" * 999)
    wait_for(lambda: state_of(house, project, "case1") == "unreadable")
    sample = house.samples(project)["case1"]
    assert sample["reason"]
    problem(project.submit(sample["id"], mask_of("case1")), 409)
    assert project.get()["counts"]["unreadable"] == 1
    path.write_bytes(whole)
    wait_for(lambda: state_of(house, project, "case1") == "ready")
    assert project.submit(sample["id"], mask_of("case1")).status_code == 201


def test_a_label_for_an_image_that_vanished_meanwhile_is_kept_and_counts_when_it_is_back(
    house: House,
) -> None:
    project = house.project()
    lent = project.next()["assignment"]
    name = lent["sample"]["name"]
    path = project.folder / f"{name}.nii.gz"
    whole = path.read_bytes()
    path.unlink()
    wait_for(lambda: state_of(house, project, name) == "vanished")
    given = project.submit(lent["sample"]["id"], mask_of(name), assignment=lent["id"])
    assert given.status_code == 201
    assert "could not be read" in given.json()["label"]["note"]
    path.write_bytes(whole)
    wait_for(lambda: state_of(house, project, name) == "labelled")


def test_an_image_that_is_rewritten_all_the_time_is_predicted_or_refused_in_words(
    house: House,
) -> None:
    project = house.project(images=6)
    assert house.train(project)["state"] == "succeeded"
    ready = [name for name, each in house.samples(project).items() if each["state"] == "ready"]
    name = ready[0]
    path = project.folder / f"{name}.nii.gz"
    contents = [volume_bytes(image(name)), other_shape(name), b"nothing"]
    over = threading.Event()

    def rewrite() -> None:
        turn = 0
        while not over.wait(0.003):
            turn += 1
            if turn % 2:
                path.write_bytes(contents[turn % 3])  # in place: half of it may be read
            else:
                replace(path, contents[turn % 3])

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        sample = house.samples(project)[name]["id"]
        answers = [house.http.get(f"{project.url}/samples/{sample}/predict") for _ in range(40)]
    finally:
        over.set()
        writer.join()
    assert {each.status_code for each in answers} <= {200, 404, 409, 415, 422, 502}
    path.write_bytes(contents[0])
    # An earlier content may have been ready too, and is answered for until the change is noticed.
    url = f"{project.url}/samples/{sample}"
    wait_for(lambda: _predicted_shape(house, url) == image(name).shape)
    assert state_of(house, project, name) == "ready"
    house.idle(project)


def _predicted_shape(house: House, sample_url: str) -> tuple[int, ...] | None:
    """Shape of the mask that is predicted for a sample; None while there is none."""
    answer = house.http.get(f"{sample_url}/predict")
    if answer.status_code != 200:
        return None
    return tuple(nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.content)).shape)


def test_an_image_that_changes_during_a_training_fails_or_not_but_never_hangs_it(
    house: House,
) -> None:
    project = house.project(images=6, app_options={"step_seconds": 0.02})
    for name in ("case0", "case1", "case2", "case3"):
        project.submit(house.samples(project)[name]["id"], mask_of(name)).raise_for_status()
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()["id"]
    wait_for(lambda: house.http.get(f"/api/v1/jobs/{job}").json()["progress"].get("step", 0) >= 2)
    path = project.folder / "case1.nii.gz"
    replace(path, other_shape("case1"))
    ended = project.ended(job)
    assert ended["state"] in ("failed", "succeeded")
    if ended["state"] == "failed":
        assert "case1" in ended["error"]["detail"] or "shape" in ended["error"]["detail"]
    wait_for(lambda: state_of(house, project, "case1") == "set_aside")
    replace(path, volume_bytes(image("case1")))
    again = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()["id"]
    assert project.ended(again)["state"] == "succeeded"
    house.idle(project)


def test_an_image_rewritten_within_the_second_that_its_disk_counts_in_is_noticed(
    house: House,
) -> None:
    project = house.project(images=4)
    flat = np.full(image("case5").shape, 7, np.int16)
    first, second = (nibabel.Nifti1Image(each, np.eye(4)).to_bytes() for each in (flat, flat + 1))
    path = project.folder / "case9.nii"
    path.write_bytes(first)
    os.utime(path, (WHOLE_SECOND, WHOLE_SECOND))
    wait_for(lambda: "case9" in house.samples(project))
    for name in ("case0", "case1", "case2", "case3"):
        project.submit(house.samples(project)[name]["id"], mask_of(name)).raise_for_status()
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()["id"]
    assert project.ended(job)["state"] == "succeeded"
    house.idle(project)
    sample = house.samples(project)["case9"]["id"]
    before = _described_at(house, sample)
    assert before is not None
    path.write_bytes(second)
    os.utime(path, (WHOLE_SECOND, WHOLE_SECOND))
    wait_for(lambda: (at := _described_at(house, sample)) is not None and at != before)
    house.idle(project)


def _described_at(house: House, sample: int) -> float | None:
    with house.service.records.read() as tx:
        query = "SELECT max(created_at) FROM descriptions WHERE sample_id = ?"
        found = tx.exec_driver_sql(query, (sample,)).scalar()
    return None if found is None else float(found)


def test_an_adopted_label_rewritten_with_the_same_size_is_adopted_anew(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    mask = truth("case0")
    path = folder / "case0.nii"
    path.write_bytes(nibabel.Nifti1Image(mask, _affine()).to_bytes())
    house = make_house()
    project = house.project(labels=folder)
    wait_for(lambda: project.get()["counts"]["labelled"] == 1)
    sample = house.samples(project)["case0"]["id"]
    before = path.stat()
    mask[0, 0, 0] = 1
    corrected: bytes = nibabel.Nifti1Image(mask, _affine()).to_bytes()
    path.write_bytes(corrected)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copy with its time kept
    assert path.stat().st_size == before.st_size
    assert house.service.ingest.sync(project.name).adopted == 1
    labels = house.http.get(f"{project.url}/samples/{sample}/labels").json()["items"]
    assert [each["version"] for each in labels] == [2, 1]
    content = house.http.get(labels[0]["content_url"]).content
    assert content == corrected
    assert house.service.ingest.sync(project.name).adopted == 0
    house.idle(project)


def _affine() -> Any:
    return np.diag([1.0, 1.0, 2.0, 1.0])


def test_an_image_that_shrinks_while_it_is_sent_ends_the_answer_and_not_the_server(
    house: House,
) -> None:
    project = house.project()
    array = np.zeros((30, 1024, 512), np.int16)
    path = project.folder / "long.nii"
    path.write_bytes(nibabel.Nifti1Image(array, np.eye(4)).to_bytes())
    size = path.stat().st_size
    wait_for(lambda: "long" in house.samples(project))
    url = house.samples(project)["long"]["image_url"]
    host, port = house.http.base_url.host, house.http.base_url.port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        got = len(connection.recv(1 << 16))
        os.truncate(path, 1 << 20)
        while chunk := connection.recv(1 << 20):  # a server that waits for the rest would hang here
            got += len(chunk)
    assert got < size
    assert house.http.get("/health/live").status_code == 200
    wait_for(lambda: state_of(house, project, "long") == "unreadable")


def test_a_file_that_shrinks_while_it_is_exported_is_named_and_not_counted(
    house: House,
) -> None:
    project = house.project(images=2)
    random = np.random.default_rng(4)
    noise = random.integers(-32768, 32767, (160, 128, 96), dtype=np.int16)
    (project.folder / "big.nii.gz").write_bytes(volume_bytes(noise))
    wait_for(lambda: "big" in house.samples(project))
    mask = volume_bytes(np.zeros(noise.shape, np.uint8))
    samples = house.samples(project)
    assert project.submit(samples["big"]["id"], mask).status_code == 201
    assert project.submit(samples["case0"]["id"], mask_of("case0")).status_code == 201
    pieces = house.service.exports.stream(project.name, "msd")
    got = [next(pieces)]
    os.truncate(project.folder / "big.nii.gz", 1 << 20)
    got += pieces
    with zipfile.ZipFile(io.BytesIO(b"".join(got))) as archive:
        skipped = archive.read("skipped.txt").decode()
        described = archive.read("dataset.json").decode()
    assert "big: it changed while it was exported" in skipped
    assert "big" not in described
    assert "case0" in described


def test_a_header_whose_pixels_are_a_link_out_of_the_store_is_refused(
    house: House, tmp_path: Path
) -> None:
    project = house.project()
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"\1" * (10 * 12 * 8))
    (project.folder / "linked.raw").symlink_to(secret)
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 10 12 8\nElementType = MET_UCHAR\n"
        "ElementDataFile = {}\n"
    )
    (project.folder / "linked.mhd").write_text(header.format("linked.raw"))
    wait_for(lambda: "linked" in house.samples(project))
    sample = house.samples(project)["linked"]
    assert sample["state"] == "unreadable"
    assert "a link that leads to another folder" in sample["reason"]
    (project.folder / "linked.raw").unlink()
    (project.folder / "linked.raw").write_bytes(secret.read_bytes())
    wait_for(lambda: state_of(house, project, "linked") == "ready")


def test_a_new_image_that_is_still_written_is_taken_in_whole(house: House) -> None:
    project = house.project(images=1)
    whole = write_image(project.folder.parent, "late").read_bytes()
    path = project.folder / "late.nii.gz"
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(whole), 200):
            file.write(whole[start : start + 200])
    wait_for(lambda: "late" in house.samples(project))
    wait_for(lambda: state_of(house, project, "late") == "ready")
