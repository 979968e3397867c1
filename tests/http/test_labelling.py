"""Labelling over HTTP: after each request both the answer and what was stored are looked at."""

from __future__ import annotations

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest

# The fixtures' classes live in conftest.py, which cannot be imported.
Live = Any
Project = Any


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def mask_of(content: bytes) -> np.ndarray[Any, Any]:
    found = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    return np.asarray(found.dataobj)


def test_a_project_is_shown_as_it_was_made(live: Live, project: Project) -> None:
    found = project.get()
    assert (found["id"], found["name"], found["app"]) == (project.name, project.name, "tiny")
    assert found["labels"] == [{"name": "shell", "value": 1}, {"name": "core", "value": 2}]
    assert found["counts"]["ready"] == found["counts"]["samples"] == 4
    assert found["model_version"] is None
    assert found["images"] == str(project.folder)
    assert abs(datetime.now(UTC) - moment(found["created_at"])) < timedelta(minutes=5)
    names = [each["name"] for each in project.http.get("/api/v1/projects").json()["items"]]
    assert project.name in names


def test_making_a_project_answers_where_it_is(live: Live) -> None:
    folder = live.folder / "by-values"
    folder.mkdir()
    body = {"name": "by-values", "app": "tiny", "images": str(folder), "labels": {"b": 7, "a": 3}}
    response = live.http.post("/api/v1/projects", json=body)
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/v1/projects/by-values"
    values = [{"name": "a", "value": 3}, {"name": "b", "value": 7}]
    assert response.json()["labels"] == values
    assert live.http.post("/api/v1/projects", json=body).status_code == 409
    assert live.service.projects.get("by-values").schema == values


def test_a_project_is_changed_in_part(live: Live, project: Project) -> None:
    body = {"title": "Eyes", "settings": {"max_held": 2, "gate": {"margin": 0.05}}}
    response = project.http.patch(project.url, json=body, headers={"Limner-Actor": "boss"})
    assert response.status_code == 200
    found = project.get()
    assert found["title"] == "Eyes"
    assert found["settings"]["max_held"] == 2
    assert found["settings"]["gate"]["margin"] == 0.05
    assert found["settings"]["gate"]["confidence"] == 0.8
    assert found["settings"]["strategy"] == "tiny"
    trail = project.http.get(f"{project.url}/audit").json()["items"]
    assert (trail[0]["action"], trail[0]["actor"]) == ("project.changed", "boss")


@pytest.mark.parametrize(
    "settings",
    [{"max_held": True}, {"max_held": "3"}, {"unknown": 1}, {"max_held": 0}, {"strategy": "no"}],
)
def test_a_change_that_does_not_fit_changes_nothing(
    project: Project, settings: dict[str, Any]
) -> None:
    before = project.get()
    response = project.http.patch(project.url, json={"title": "new", "settings": settings})
    assert response.status_code == 422
    assert response.json()["problems"]
    after = project.get()
    assert (after["title"], after["settings"]) == (before["title"], before["settings"])


def test_a_deleted_project_is_gone_and_its_files_stay(live: Live, project: Project) -> None:
    assert project.http.delete(project.url).status_code == 204
    assert project.http.get(project.url).status_code == 404
    assert project.http.delete(project.url).status_code == 404
    assert len(list(project.folder.iterdir())) == 4


def test_lists_come_in_pages_without_gap_or_repeat(project: Project) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = project.http.get(f"{project.url}/samples", params=params).json()
        seen += [each["id"] for each in page["items"]]
        assert len(page["items"]) <= 3
        cursor = page["next"]
        if cursor is None:
            break
    whole = project.http.get(f"{project.url}/samples").json()
    assert seen == [each["id"] for each in whole["items"]]
    assert (len(set(seen)), whole["next"]) == (4, None)


def test_samples_are_found_by_state_and_name(project: Project) -> None:
    def names(**params: str) -> list[str]:
        page = project.http.get(f"{project.url}/samples", params=params).json()
        return [each["name"] for each in page["items"]]

    assert names(name="case2") == ["case2"]
    assert names(name="absent") == []
    assert len(names(state="ready")) == 4
    assert names(state="labelled") == []


def test_next_lends_a_sample_as_the_interface_says(live: Live, project: Project) -> None:
    answer = project.next("ann")
    assert answer["reason"] is None
    lent = answer["assignment"]
    lease = moment(lent["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < lease < timedelta(minutes=65)
    assert lent["purpose"] in {"training", "validation"}
    assert lent["prediction"] is None
    assert isinstance(lent["strategy"], str)
    sample = lent["sample"]
    assert (sample["shape"], sample["spacing_mm"]) == ([10, 12, 8], [1.0, 1.0, 2.0])
    image = project.http.get(sample["image_url"])
    assert image.content == (project.folder / f"{sample['name']}.nii.gz").read_bytes()
    stored = live.service.assignments.get(lent["id"])
    assert (stored.annotator, stored.sample_id, stored.state) == ("ann", sample["id"], "held")
    assert project.http.get(f"/api/v1/assignments/{lent['id']}").json() == lent
    held = project.http.get(f"{project.url}/assignments", params={"annotator": "ann"}).json()
    assert held == {"items": [lent], "next": None}


def test_nobody_gets_what_another_holds_and_the_end_is_said(project: Project) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: project.next(f"ann{number}"), range(4)))
    samples = {each["assignment"]["sample"]["id"] for each in answers}
    assert len(samples) == 4
    last = project.next("late")
    assert last["assignment"] is None
    assert last["reason"]


def test_an_assignment_is_renewed_released_and_skipped(live: Live, project: Project) -> None:
    def post(lent: dict[str, Any], verb: str, **body: Any) -> httpx.Response:
        answer: httpx.Response = project.http.post(
            f"/api/v1/assignments/{lent['id']}/{verb}", json=body or None
        )
        return answer

    first = project.next("ann")["assignment"]
    renewed = post(first, "renew")
    assert renewed.status_code == 200
    assert moment(renewed.json()["expires_at"]) >= moment(first["expires_at"])
    assert post(first, "release").json()["state"] == "released"
    second = project.next("ann")["assignment"]
    assert post(second, "skip", reason="too dark").json()["state"] == "skipped"
    assert live.service.assignments.get(second["id"]).state == "skipped"
    assert post(second, "skip").status_code == 409
    again = {project.next("ann")["assignment"]["sample"]["id"] for _ in range(3)}
    assert second["sample"]["id"] not in again
    assert project.http.post("/api/v1/assignments/999999/renew").status_code == 404


def test_a_label_is_kept_byte_for_byte(live: Live, project: Project) -> None:
    lent = project.next()["assignment"]
    sample = lent["sample"]["id"]
    name = lent["sample"]["name"]
    label = project.label(lent["sample"], assignment=lent["id"], seconds=12.5)
    assert (label["version"], label["state"], label["author"]) == (1, "submitted", "ann")
    assert (label["assignment_id"], label["seconds"]) == (lent["id"], 12.5)
    content = project.http.get(label["content_url"])
    assert content.status_code == 200
    assert hashlib.sha256(content.content).hexdigest() == label["sha256"]
    assert content.headers["ETag"] == f'"{label["sha256"]}"'
    assert content.headers["Content-Type"] == "application/gzip"
    assert set(np.unique(mask_of(content.content))) == {0, 1, 2}
    path, row = live.service.labels.content(label["id"])
    assert path.read_bytes() == content.content
    assert (row.sample_id, row.state) == (sample, "submitted")
    assert project.http.get(f"/api/v1/assignments/{lent['id']}").json()["state"] == "done"
    found = project.http.get(f"{project.url}/samples/{sample}").json()
    assert (found["state"], found["label_id"], found["name"]) == ("labelled", label["id"], name)
    assert project.get()["counts"]["labelled"] == 1


def test_the_same_bytes_twice_are_one_label(live: Live, project: Project) -> None:
    sample = project.next()["assignment"]["sample"]
    first = project.label(sample)
    content = project.http.get(first["content_url"]).content
    again = project.submit(sample["id"], content)
    assert (again.status_code, again.json()["label"]["id"]) == (200, first["id"])
    listed = project.http.get(f"{project.url}/samples/{sample['id']}/labels").json()
    assert [each["id"] for each in listed["items"]] == [first["id"]]


def test_a_draft_becomes_submitted_and_a_correction_is_a_new_version(project: Project) -> None:
    sample = project.next()["assignment"]["sample"]
    draft = project.label(sample, state="draft")
    assert draft["state"] == "draft"
    assert project.get()["counts"]["labelled"] == 0
    submitted = project.label(sample)
    assert (submitted["id"], submitted["state"]) == (draft["id"], "submitted")
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    empty = nibabel.Nifti1Image(np.zeros((10, 12, 8), np.uint8), affine).to_bytes()
    corrected = project.submit(sample["id"], empty, "mask.nii").json()["label"]
    assert (corrected["version"], corrected["format"]) == (2, ".nii")
    assert project.get()["counts"]["labelled"] == 1


def test_a_label_is_approved_and_rejected(live: Live, project: Project) -> None:
    label = project.label(project.next()["assignment"]["sample"])
    approved = project.http.post(f"/api/v1/labels/{label['id']}/approve")
    assert approved.json()["label"]["state"] == "approved"
    rejected = project.http.post(f"/api/v1/labels/{label['id']}/reject")
    assert rejected.status_code == 200
    assert live.service.labels.get(label["id"]).state == "rejected"


@pytest.mark.parametrize(
    ("content", "name", "status", "kind"),
    [
        (b"not an image", "mask.nii.gz", 422, "unreadable-image"),
        (b"", "mask.nii.gz", 422, "unreadable-image"),
        (b"x", "mask.txt", 415, "unsupported-format"),
        (b"x", "mask", 415, "unsupported-format"),
        (b"\x89PNG\r\n\x1a\n", "mask.png", 415, None),
    ],
)
def test_a_file_that_is_no_mask_is_refused_and_nothing_is_kept(
    live: Live, project: Project, content: bytes, name: str, status: int, kind: str | None
) -> None:
    sample = project.next()["assignment"]["sample"]["id"]
    response = project.submit(sample, content, name)
    assert response.status_code in {status, 422}
    assert response.headers["Content-Type"] == "application/problem+json"
    if kind is not None:
        assert response.json()["type"] == f"/problems/{kind}"
    assert project.http.get(f"{project.url}/samples/{sample}/labels").json()["items"] == []
    assert project.get()["counts"]["labelled"] == 0


def test_a_label_off_its_image_is_refused_with_both_shapes_said(project: Project) -> None:
    sample = project.next()["assignment"]["sample"]
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    small = nibabel.Nifti1Image(np.zeros((9, 12, 8), np.uint8), affine).to_bytes()
    response = project.submit(sample["id"], small, "mask.nii")
    assert (response.status_code, response.json()["type"]) == (422, "/problems/geometry-mismatch")
    assert "9" in response.json()["detail"]
    assert "10" in response.json()["detail"]
    odd = nibabel.Nifti1Image(np.full((10, 12, 8), 9, np.uint8), affine).to_bytes()
    response = project.submit(sample["id"], odd, "mask.nii")
    assert response.json()["type"] == "/problems/invalid-label-values"


def test_an_idempotency_key_makes_next_and_labels_happen_once(project: Project) -> None:
    key = {"Idempotency-Key": f"{project.name}-next"}
    body = {"annotator": "ann"}
    answers = [project.http.post(f"{project.url}/next", json=body, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    held = project.http.get(f"{project.url}/assignments", params={"annotator": "ann"}).json()
    assert len(held["items"]) == 1
    other = project.http.post(f"{project.url}/next", json={"annotator": "bob"}, headers=key)
    assert other.status_code == 422


def test_one_key_at_the_same_instant_is_carried_out_once(project: Project) -> None:
    def ask(_: int) -> int:
        answer: httpx.Response = project.http.post(
            f"{project.url}/next",
            json={"annotator": "ann"},
            headers={"Idempotency-Key": f"{project.name}-at-once"},
        )
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(ask, range(16)))
    assert statuses <= {200, 409}
    assert 200 in statuses
    held = project.http.get(f"{project.url}/assignments", params={"annotator": "ann"}).json()
    assert len(held["items"]) == 1


def test_an_image_is_uploaded_and_never_overwrites(live: Live, project: Project) -> None:
    content = (project.folder / "case0.nii.gz").read_bytes()

    def upload(name: str) -> httpx.Response:
        answer: httpx.Response = project.http.post(
            f"{project.url}/samples", files={"file": (name, content)}
        )
        return answer

    added = upload("fresh.nii.gz")
    assert added.status_code == 201
    sample = added.json()
    assert (sample["name"], sample["state"], sample["shape"]) == ("fresh", "ready", [10, 12, 8])
    assert added.headers["Location"] == f"{project.url}/samples/{sample['id']}"
    assert (project.folder / "fresh.nii.gz").read_bytes() == content
    assert upload("fresh.nii.gz").status_code == 409
    outside = upload("../outside.nii.gz")
    assert outside.status_code in {201, 422}
    assert not (project.folder.parent / "outside.nii.gz").exists()


def test_a_sample_is_set_aside_and_made_ready_again(live: Live, project: Project) -> None:
    sample = project.http.get(f"{project.url}/samples").json()["items"][0]
    url = f"{project.url}/samples/{sample['id']}"
    aside = project.http.patch(url, json={"state": "set_aside", "note": "blurred"})
    assert aside.status_code == 200
    assert aside.json()["state"] == "set_aside"
    assert project.get()["counts"]["set_aside"] == 1
    ready = project.http.patch(url, json={"state": "ready"})
    assert ready.json()["state"] == "ready"
    assert live.service.samples.get(project.name, sample["id"]).state == "ready"


def test_a_sample_is_deleted_only_while_it_has_no_label(project: Project) -> None:
    lent = project.next()["assignment"]
    project.label(lent["sample"])
    labelled = f"{project.url}/samples/{lent['sample']['id']}"
    assert project.http.delete(labelled).status_code == 409
    free = project.http.get(f"{project.url}/samples", params={"state": "ready"}).json()["items"]
    assert project.http.delete(f"{project.url}/samples/{free[0]['id']}").status_code == 204
    assert len(list(project.folder.iterdir())) == 4


def test_a_sample_of_another_project_is_not_found(live: Live, project: Project) -> None:
    other = live.project(images=1)
    sample = other.http.get(f"{other.url}/samples").json()["items"][0]["id"]
    for path in ("", "/image", "/labels"):
        assert project.http.get(f"{project.url}/samples/{sample}{path}").status_code == 404


def test_an_image_is_sent_in_parts_and_not_twice(project: Project) -> None:
    sample = project.http.get(f"{project.url}/samples").json()["items"][0]
    content = (project.folder / f"{sample['name']}.nii.gz").read_bytes()
    whole = project.http.get(sample["image_url"])
    assert whole.content == content
    assert f"filename={sample['name']}.nii.gz" in whole.headers["Content-Disposition"]
    part = project.http.get(sample["image_url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    same = {"If-None-Match": whole.headers["ETag"]}
    assert project.http.get(sample["image_url"], headers=same).status_code == 304
    beyond = project.http.get(sample["image_url"], headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert project.http.get(sample["image_url"], params={"channel": 1}).status_code == 404
    assert project.http.head(sample["image_url"]).headers["Content-Length"] == str(len(content))


def test_a_file_that_cannot_be_read_is_a_sample_with_the_reason(project: Project) -> None:
    broken = {"file": ("broken.nii.gz", b"no image")}
    answer = project.http.post(f"{project.url}/samples", files=broken)
    assert answer.status_code in {201, 422}
    if answer.status_code == 201:
        assert answer.json()["state"] == "unreadable"
        assert answer.json()["reason"]
    else:
        assert not (project.folder / "broken.nii.gz").exists()


def test_progress_tells_how_far_a_project_is(project: Project) -> None:
    project.label(project.next()["assignment"]["sample"])
    found = project.http.get(f"{project.url}/progress").json()
    assert found["counts"]["labelled"] == 1
    assert found["counts"]["samples"] == 4
    assert found["learning_curve"] == []
    assert found["forecast"]["reason"].startswith("4 versions measured alike are needed, 0 are")
    assert found["forecast"]["gain"] is None
    assert isinstance(found["queue_length"], int)


@pytest.mark.parametrize("wrong", [1.5, -0.1, "much"])
def test_a_target_is_a_score(project: Project, wrong: object) -> None:
    assert (
        project.http.patch(project.url, json={"settings": {"target_score": 0.8}}).status_code == 200
    )
    assert (
        project.http.patch(project.url, json={"settings": {"target_score": wrong}}).status_code
        == 422
    )
    found = project.http.get(f"{project.url}/progress").json()["forecast"]
    assert found["target"] == 0.8
    assert (
        project.http.patch(project.url, json={"settings": {"target_score": None}}).status_code
        == 200
    )
    assert project.http.get(f"{project.url}/progress").json()["forecast"]["target"] is None


def test_what_is_wrong_in_the_folder_is_listed(live: Live) -> None:
    project = live.project(images=1)
    content = (project.folder / "case0.nii.gz").read_bytes()
    (project.folder / "case0.nii").write_bytes(gzip.decompress(content))
    live.service.ingest.sync(project.name)
    found = project.http.get(f"{project.url}/problems").json()
    assert len(found["items"]) == 1
    assert "case0" in found["items"][0]["path"]
    moment(found["items"][0]["seen_at"])
