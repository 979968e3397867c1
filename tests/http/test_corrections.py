"""How much annotators change of what they are offered, from the assignment to the progress."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.live


def offered(project: Any, annotator: str = "ann") -> tuple[dict[str, Any], bytes]:
    """Take the next sample, and what the model drew on it."""
    lent = project.next(annotator)["assignment"]
    assert lent["prediction"]["model_version"] == 1
    answer = project.http.post(f"{project.url}/samples/{lent['sample']['id']}/predict")
    return lent, answer.raise_for_status().content


def compared(live: Any, project: Any, sample: int, label: int) -> dict[str, Any]:
    """Wait until a label is compared with what was offered."""

    def look() -> dict[str, Any] | None:
        items = project.http.get(f"{project.url}/samples/{sample}/labels").json()["items"]
        found: dict[str, Any] = next(each for each in items if each["id"] == label)
        return None if found["agreement"] is None else found

    done: dict[str, Any] = live.wait_for(look)
    return done


@pytest.fixture
def served(live: Any) -> Any:
    """A project of its own whose version 1 serves, with some samples left."""
    project = live.project(images=8)
    for _ in range(4):
        lent = project.next()["assignment"]
        label = project.label(lent["sample"], assignment=lent["id"])
        assert label["compared_with"] is None
        assert label["agreement"] is None
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"
    return project


def test_a_label_says_how_far_it_leaves_what_was_offered(live: Any, served: Any) -> None:
    lent, mask = offered(served)
    sample = lent["sample"]
    answer = served.submit(sample["id"], mask, assignment=lent["id"]).raise_for_status()
    label = answer.json()["label"]
    assert label["compared_with"] == 1
    accepted = compared(live, served, sample["id"], label["id"])
    assert accepted["agreement"] == 1.0

    lent, _ = offered(served)
    corrected = served.label(lent["sample"], assignment=lent["id"])
    found = compared(live, served, lent["sample"]["id"], corrected["id"])
    assert 0 <= found["agreement"] <= 1
    told = served.http.get(f"{served.url}/progress").json()["correction"]
    assert told["measure"] == "dice"
    assert told["labels"] == 2
    assert told["newest"] == pytest.approx((1 + found["agreement"]) / 2)
    assert told["earlier"] is None
    assert not told["is_settled"]
    assert [each["number"] for each in told["versions"]] == [1]


def test_a_draft_counts_once_it_is_submitted(live: Any, served: Any) -> None:
    lent, mask = offered(served)
    sample = lent["sample"]["id"]
    draft = served.submit(sample, mask, assignment=lent["id"], state="draft").json()["label"]
    assert draft["compared_with"] is None
    label = served.submit(sample, mask, assignment=lent["id"]).json()["label"]
    assert label["id"] == draft["id"]
    assert compared(live, served, sample, label["id"])["agreement"] == 1.0


def test_a_label_that_answers_no_assignment_is_not_compared(served: Any) -> None:
    sample = served.http.get(f"{served.url}/samples", params={"state": "ready"}).json()["items"][0]
    assert served.label(sample)["compared_with"] is None


def test_clients_of_monai_label_count_too(live: Any, served: Any) -> None:
    base = f"/monai/{served.name}"
    lent = served.http.post(f"{base}/activelearning/tiny", json={"client_id": "mo"}).json()
    asked = {"image": lent["id"], "output": "image"}
    model = next(iter(served.http.get(f"{base}/info/").json()["models"]))
    mask = served.http.post(f"{base}/infer/{model}", params=asked).raise_for_status().content
    served.http.put(
        f"{base}/datastore/label",
        params={"image": lent["id"], "tag": "final"},
        files={"label": ("mask.nii.gz", mask)},
        data={"params": '{"client_id": "mo"}'},
    ).raise_for_status()
    named = {"name": lent["id"]}
    sample = served.http.get(f"{served.url}/samples", params=named).json()["items"][0]
    assert compared(live, served, sample["id"], sample["label_id"])["agreement"] == 1.0
