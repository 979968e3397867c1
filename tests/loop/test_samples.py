"""Samples: found, listed in pages, changed, removed, uploaded."""

from __future__ import annotations

import io
from typing import Any

import pytest

from limner.errors import Conflict, ImageError, InvalidRequest, NotFound


@pytest.fixture
def pooled(house: Any) -> Any:
    house.project(validation_share=0)
    return house


def names(house: Any, limit: int, **filters: Any) -> list[str]:
    found, cursor = [], None
    while True:
        page = house.samples.list("liver", cursor, limit, **filters)
        found += [each.name for each in page.items]
        cursor = page.next
        if cursor is None:
            return found


def test_pages_hold_every_sample_once(pooled: Any) -> None:
    samples = pooled.pool(7)
    assert names(pooled, 3) == [each.name for each in samples]
    assert names(pooled, 7) == [each.name for each in samples]


def test_a_list_can_be_of_one_state_or_of_names_that_begin_alike(pooled: Any) -> None:
    samples = pooled.pool(12)
    pooled.samples.change("liver", samples[10].id, state="set_aside", actor="chief")
    assert names(pooled, 2, state="set_aside") == ["case0010"]
    assert names(pooled, 1, name="case001") == ["case0010", "case0011"]
    assert names(pooled, 1, name="case001", state="ready") == ["case0011"]
    with pytest.raises(InvalidRequest, match="state"):
        names(pooled, 2, state="lost")


def test_a_cursor_of_one_list_is_refused_by_another(pooled: Any) -> None:
    pooled.pool(4)
    cursor = pooled.samples.list("liver", None, 2).next
    with pytest.raises(InvalidRequest, match="another list"):
        pooled.samples.list("liver", cursor, 2, name="case")


def test_an_upload_is_stored_and_taken_in(pooled: Any) -> None:
    data = pooled.mask()
    sample = pooled.samples.add("liver", "sent.nii", io.BytesIO(data), "ann")
    assert (sample.name, sample.state, sample.shape) == ("sent", "ready", [5, 4, 3])
    assert (pooled.images / "sent.nii").read_bytes() == data
    assert pooled.samples.image_paths("liver", sample.id) == (pooled.images / "sent.nii",)
    assert pooled.samples.header("liver", sample.id).shape == (5, 4, 3)
    assert "sample.uploaded" in pooled.audited()
    with pytest.raises(Conflict, match="already"):
        pooled.samples.add("liver", "sent.nii", io.BytesIO(data), "ann")
    with pytest.raises(ImageError):
        pooled.samples.add("liver", "bad.nii", io.BytesIO(b"bad"), "ann")
    assert pooled.kept_counts() == pooled.scanned_counts()


def test_a_removed_sample_is_gone_and_can_come_back(pooled: Any) -> None:
    samples = pooled.pool(2)
    pooled.queue(samples)
    lent = pooled.next()
    pooled.samples.delete("liver", samples[0].id, "chief")
    with pytest.raises(NotFound):
        pooled.samples.get("liver", samples[0].id)
    assert pooled.assignments.get(lent.assignment.id).state == "released"
    assert names(pooled, 5) == ["case0001"]
    pooled.samples.change("liver", samples[0].id, state="ready", actor="chief")
    assert names(pooled, 5) == ["case0000", "case0001"]
    assert pooled.kept_counts() == pooled.scanned_counts()


def test_a_sample_with_labels_is_not_removed(pooled: Any) -> None:
    (sample,) = pooled.volumes(1)
    pooled.submit(sample.id, state="draft")
    with pytest.raises(Conflict, match="labels"):
        pooled.samples.delete("liver", sample.id, "chief")


def test_a_note_is_kept_beside_the_state(pooled: Any) -> None:
    (sample,) = pooled.pool(1)
    noted = pooled.samples.change("liver", sample.id, note="left side only", actor="chief")
    assert (noted.state, noted.reason) == ("ready", "left side only")
    aside = pooled.samples.change(
        "liver", sample.id, state="set_aside", note="no organ", actor="chief"
    )
    assert (aside.state, aside.reason) == ("set_aside", "no organ")
    with pytest.raises(InvalidRequest, match="state"):
        pooled.samples.change("liver", sample.id, state="labelled", actor="chief")


def test_what_cannot_be_read_cannot_be_made_ready(pooled: Any) -> None:
    (pooled.images / "broken.nii").write_bytes(b"x")
    pooled.ingest.sync("liver")
    (sample,) = pooled.samples.list("liver").items
    with pytest.raises(Conflict, match="cannot be made ready"):
        pooled.samples.change("liver", sample.id, state="ready", actor="chief")


def test_samples_of_another_project_are_not_found(pooled: Any) -> None:
    (sample,) = pooled.pool(1)
    pooled.projects.create(pooled.config(name="lung"))
    with pytest.raises(NotFound, match="'lung' has no sample"):
        pooled.samples.get("lung", sample.id)
