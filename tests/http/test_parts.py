"""Parts of images over HTTP: asked for, drawn by the Python client, joined, trained on."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from tests.http.conftest import SHAPE, truth, volume_bytes

from limner.client import Limner

Live = Any


@pytest.fixture
def parts(live: Live) -> Any:
    return live.project(images=3, validation_share=0, query_size=[0, 0, 3])


def test_the_client_draws_the_part_it_is_lent_and_a_model_learns_from_it(parts: Any) -> None:
    with Limner(str(parts.http.base_url), token="an admin's") as limner:
        handle = limner.project(parts.name)
        lent = handle.next("ann").assignment
        assert lent is not None
        assert lent.region is not None
        assert lent.region.stop[2] - lent.region.start[2] == 3
        label = handle.submit(
            lent.sample.id,
            BytesIO(volume_bytes(truth(lent.sample.name))),
            filename="mask.nii.gz",
            annotator="ann",
            assignment=lent.id,
            region=lent.region,
        )
        assert label.region == lent.region
        assert label.regions == (lent.region,)
        assert handle.sample(lent.sample.id).state == "ready"
    job = parts.http.post(f"{parts.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert parts.ended(job["id"])["state"] == "succeeded"


def test_the_file_as_it_was_handed_in_can_be_read_back(parts: Any) -> None:
    sample = parts.next()["assignment"]["sample"]
    mask = volume_bytes(truth(sample["name"]))
    region = {"start": [0, 0, 0], "stop": [*SHAPE[:2], 2]}
    label = parts.submit(sample["id"], mask, region=json.dumps(region)).json()["label"]
    assert (label["region"], label["regions"]) == (region, [region])
    assert parts.http.get(f"/api/v1/labels/{label['id']}/submitted").content == mask
    assert parts.http.get(label["content_url"]).content != mask


@pytest.mark.parametrize(
    "region",
    [
        "all of it",
        "[]",
        '{"start": [0, 0, 0]}',
        '{"start": [0, 0, 0], "stop": [0, 1, 1]}',
        '{"start": [0, 0], "stop": [1, 1]}',
        '{"start": [0, 0, 0], "stop": [9999, 1, 1]}',
        '{"start": 1, "stop": 2}',
    ],
)
def test_a_region_that_is_none_is_refused_in_words(parts: Any, region: str) -> None:
    sample = parts.next()["assignment"]["sample"]
    mask = volume_bytes(truth(sample["name"]))
    answer = parts.submit(sample["id"], mask, region=region)
    assert answer.status_code == 422
    assert "region" in answer.json()["detail"]
    assert parts.http.get(f"{parts.url}/samples/{sample['id']}/labels").json()["items"] == []
