"""Jobs, models and predictions over HTTP, with real workers and an app that really learns."""

from __future__ import annotations

import gzip
import io
import json
import threading
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest

from limner.records import predictions

# The fixtures' classes live in conftest.py, which cannot be imported.
Live = Any
Project = Any


def free_sample(project: Project) -> dict[str, Any]:
    found = project.http.get(f"{project.url}/samples", params={"state": "ready"}).json()["items"]
    sample: dict[str, Any] = found[0]
    return sample


def is_stored(live: Live, project: Project, sample: int) -> bool:
    serving = live.service.models.get(project.name, project.get()["model_version"])
    with live.service.records.read() as tx:
        return predictions.find(tx, serving.id, sample) is not None


def test_before_a_model_predicting_and_training_are_refused_in_words(project: Project) -> None:
    sample = free_sample(project)
    for method in ("POST", "GET"):
        answer = project.http.request(method, f"{project.url}/samples/{sample['id']}/predict")
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/no-model")
    train = project.http.post(f"{project.url}/jobs", json={"kind": "train"})
    assert train.status_code == 409
    assert train.json()["detail"]
    assert project.http.get(f"{project.url}/models").json() == {"items": [], "next": None}


def test_a_training_makes_a_version_that_serves(live: Live, trained: Project) -> None:
    versions = trained.http.get(f"{trained.url}/models").json()["items"]
    serving = [each for each in versions if each["state"] == "serving"]
    assert len(serving) == 1
    version = serving[0]
    assert (version["id"], version["number"]) == (version["number"], version["number"])
    assert version["label_count"] >= 1
    assert version["has_weights"]
    assert version["parent"] is None
    assert version["decision"]
    assert trained.get()["model_version"] == version["number"]
    url = f"{trained.url}/models/{version['number']}"
    assert trained.http.get(url).json() == version
    assert trained.http.get(f"{trained.url}/models/999").status_code == 404
    curve = trained.http.get(f"{trained.url}/progress").json()["learning_curve"]
    assert [each["number"] for each in curve] == [version["number"]]


def test_a_version_is_pinned_and_promoted_by_hand(live: Live, trained: Project) -> None:
    url = f"{trained.url}/models/1"
    assert trained.http.post(f"{url}/pin", json={}).json()["pinned"] is True
    assert live.service.models.get(trained.name, 1).pinned
    assert trained.http.post(f"{url}/pin", json={"pinned": False}).json()["pinned"] is False
    promoted = trained.http.post(f"{url}/promote")
    assert (promoted.status_code, promoted.json()["state"]) == (200, "serving")


def test_a_prediction_lies_on_its_image_and_says_who_drew_it(trained: Project) -> None:
    sample = free_sample(trained)
    url = f"{trained.url}/samples/{sample['id']}/predict"
    answer = trained.http.post(url)
    assert answer.status_code == 200
    assert answer.headers["Limner-Model-Version"] == str(trained.get()["model_version"])
    assert answer.headers["Content-Type"] == "application/gzip"
    assert f"prediction-{sample['id']}" in answer.headers["Content-Disposition"]
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.content))
    image = nibabel.load(trained.folder / f"{sample['name']}.nii.gz")
    assert mask.shape == image.shape
    assert np.array_equal(mask.affine, image.affine)
    right = np.choose(np.asarray(mask.dataobj), [0, 500, 1000])
    # The classes differ by intensity, so most of what is drawn must be right.
    assert np.mean(np.abs(right - np.asarray(image.dataobj)) < 250) > 0.9
    again = trained.http.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accept", "media_type", "begins"),
    [
        ("application/x-nifti", "application/x-nifti", b"\x5c\x01\x00\x00"),
        ("application/x-nrrd", "application/x-nrrd", b"NRRD"),
        ("application/x-metaimage", "application/x-metaimage", b"ObjectType"),
        ("*/*", "application/gzip", b"\x1f\x8b"),
    ],
)
def test_a_prediction_comes_in_the_format_that_was_asked(
    trained: Project, accept: str, media_type: str, begins: bytes
) -> None:
    url = f"{trained.url}/samples/{free_sample(trained)['id']}/predict"
    answer = trained.http.post(url, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == media_type
    assert answer.content.startswith(begins)


def test_a_format_that_cannot_carry_the_mask_is_refused_with_what_can(trained: Project) -> None:
    url = f"{trained.url}/samples/{free_sample(trained)['id']}/predict"
    answer = trained.http.post(url, headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "application/x-nrrd" in answer.json()["detail"]


def test_next_offers_the_stored_prediction(live: Live, trained: Project) -> None:
    sample = free_sample(trained)
    trained.http.post(f"{trained.url}/samples/{sample['id']}/predict").raise_for_status()
    live.wait_for(lambda: is_stored(live, trained, sample["id"]))
    lent = trained.next("someone")["assignment"]
    try:
        while lent["sample"]["id"] != sample["id"]:
            lent = trained.next("someone")["assignment"]
        offered = lent["prediction"]
        assert offered["model_version"] == trained.get()["model_version"]
        assert offered["ready"]
        assert trained.http.get(offered["url"]).status_code == 200
        assert trained.http.post(offered["url"]).status_code == 200
    finally:
        held = trained.http.get(f"{trained.url}/assignments", params={"annotator": "someone"})
        for each in held.json()["items"]:
            trained.http.post(f"/api/v1/assignments/{each['id']}/release").raise_for_status()


def test_next_offers_what_is_still_to_be_drawn(live: Live, trained: Project) -> None:
    lent = trained.next("early")["assignment"]
    try:
        serving = live.service.models.get(trained.name, trained.get()["model_version"])
        with live.service.records.write() as tx:
            tx.exec_driver_sql("DELETE FROM predictions WHERE model_id = ?", (serving.id,))
        url = f"/api/v1/assignments/{lent['id']}"
        offered = live.http.get(url).json()["prediction"]
        assert (offered["model_version"], offered["ready"]) == (serving.number, False)
        assert trained.http.get(offered["url"]).headers["Limner-Model-Version"]
        drawn = {**offered, "ready": True}
        live.wait_for(lambda: live.http.get(url).json()["prediction"] == drawn)
    finally:
        trained.http.post(f"/api/v1/assignments/{lent['id']}/release").raise_for_status()


def test_a_job_is_followed_to_its_end(trained: Project) -> None:
    job = trained.http.post(f"{trained.url}/jobs", json={"kind": "score"}).raise_for_status()
    assert job.status_code == 202
    assert job.headers["Location"] == f"/api/v1/jobs/{job.json()['id']}"
    states = []
    with trained.http.stream("GET", job.json()["events_url"]) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told = json.loads(line[6:])
                assert told["id"] == job.json()["id"]
                states.append(told["state"])
    assert states[-1] == "succeeded"
    found = trained.http.get(f"/api/v1/jobs/{job.json()['id']}").json()
    assert (found["state"], found["project"], found["error"]) == ("succeeded", trained.name, None)
    listed = trained.http.get(f"{trained.url}/jobs").json()["items"]
    assert found in listed
    assert [each["id"] for each in listed] == sorted((e["id"] for e in listed), reverse=True)


def test_a_running_training_is_cancelled(live: Live) -> None:
    project = live.project(images=3, app_options={"step_seconds": 0.2})
    for _ in range(2):
        project.label(project.next()["assignment"]["sample"])
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    with project.http.stream("GET", job["events_url"]) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["progress"].get("step"):
                break
    cancelled = project.http.delete(f"/api/v1/jobs/{job['id']}")
    assert cancelled.status_code == 200
    assert cancelled.json()["cancel_requested"] is True
    assert project.ended(job["id"])["state"] == "cancelled"
    assert project.http.delete("/api/v1/jobs/999999").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "predict"},
        {"kind": "train", "effort": 0},
        {"kind": "train", "effort": True},
        {"kind": "train", "untested": True},
        {"kind": "train", "params": {"untested": True}},
        {"kind": "score", "effort": 1.0},
        {},
    ],
)
def test_a_job_that_makes_no_sense_is_refused(trained: Project, body: dict[str, Any]) -> None:
    newest = trained.http.get(f"{trained.url}/jobs", params={"limit": 1}).json()["items"]
    assert trained.http.post(f"{trained.url}/jobs", json=body).status_code == 422
    assert trained.http.get(f"{trained.url}/jobs", params={"limit": 1}).json()["items"] == newest


def test_a_training_that_fails_says_why(live: Live) -> None:
    project = live.project(images=2, app_options={"fail_train": "raise"})
    project.label(project.next()["assignment"]["sample"])
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    ended = project.ended(job["id"])
    assert ended["state"] == "failed"
    assert ended["error"]["detail"]


def test_a_project_is_followed_while_things_happen(live: Live, project: Project) -> None:
    kinds: list[str] = []
    begun = threading.Event()

    def follow() -> None:
        with project.http.stream("GET", f"{project.url}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line[7:])
                    begun.set()
                if kinds[-1:] == ["label"]:
                    return

    follower = threading.Thread(target=follow)
    follower.start()
    assert begun.wait(10)
    project.label(project.next()["assignment"]["sample"])
    follower.join(10)
    assert not follower.is_alive()
    assert kinds[0] == "project"
    assert "label" in kinds


def test_a_picture_is_predicted_as_a_picture(live: Live) -> None:
    project = live.project(images=0)
    rng = np.random.default_rng(1)
    for number in range(3):
        mask = np.zeros((20, 24), np.uint8)
        mask[4 + number : 12, 5:15] = 1
        array = np.clip(mask * 150 + rng.normal(50, 8, mask.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        PIL.Image.fromarray(array).save(file, "png")
        added = project.http.post(
            f"{project.url}/samples", files={"file": (f"p{number}.png", file.getvalue())}
        )
        assert added.raise_for_status().json()["shape"] == [20, 24]
    for _ in range(2):
        sample = project.next()["assignment"]["sample"]
        mask = np.zeros((20, 24), np.uint8)
        mask[4 + int(sample["name"][1:]) : 12, 5:15] = 1
        file = io.BytesIO()
        PIL.Image.fromarray(mask).save(file, "png")
        project.submit(sample["id"], file.getvalue(), "mask.png").raise_for_status()
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"
    url = f"{project.url}/samples/{free_sample(project)['id']}/predict"
    answer = project.http.post(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert np.asarray(PIL.Image.open(io.BytesIO(answer.content))).shape == (20, 24)
    assert project.http.post(url, headers={"Accept": "application/gzip"}).status_code == 406


def test_metrics_tell_of_requests_samples_and_workers(live: Live, trained: Project) -> None:
    text = live.http.get("/metrics").raise_for_status().text
    assert f'limner_samples{{project="{trained.name}"}} 6.0' in text
    assert "limner_worker_state{state=" in text
    assert 'route="/api/v1/projects/<slug:project>/next"' in text
    assert "limner_requests_in_flight 1.0" in text
    assert trained.name not in "".join(
        line for line in text.splitlines() if line.startswith("limner_request_seconds")
    )


def test_health_and_info_tell_how_the_server_is(live: Live) -> None:
    for root in ("", "/api/v1"):
        assert live.http.get(f"{root}/health/live").json()["status"] == "live"
        ready = live.http.get(f"{root}/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    info = live.http.get("/api/v1/info").json()
    assert (info["name"], info["api"], info["token_required"]) == ("limner", "v1", False)
    assert info["mask_types"]["application/gzip"] == ".nii.gz"
    assert any(each["name"].startswith("predictor") for each in info["workers"])


def test_plugins_are_listed_with_their_options(live: Live) -> None:
    items = live.http.get("/api/v1/plugins").json()["items"]
    tiny = next(each for each in items if (each["name"], each["kind"]) == ("tiny", "app"))
    assert tiny["usable"]
    assert tiny["task"] == "segmentation"
    assert tiny["options"]["step_seconds"]["default"] == 0.0
    first = live.http.get("/api/v1/plugins", params={"limit": 1}).json()
    rest = live.http.get("/api/v1/plugins", params={"cursor": first["next"]}).json()
    assert first["items"] + rest["items"] == items
