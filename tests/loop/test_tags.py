"""Tags: what clients keep by name beside a sample's label, and what they note."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.loop.tags import MOST_REMARKS, Tags, checked_tag
from limner.records import models as model_rows
from limner.records import predictions as prediction_rows
from limner.records.database import Records
from limner.records.rows import Label, Sample, StoredPrediction


@pytest.fixture
def tagging(house: Any) -> Any:
    house.project(validation_share=0, lease_minutes=10)
    return house


def tagged(house: Any, sample_id: int, tag: str = "original", **more: Any) -> Label:
    """Keep a mask under a tag."""
    label: Label = house.submit(sample_id, state="draft", tag=tag, **more).label
    return label


def named(house: Any, sample_id: int, tag: str = "original") -> int | None:
    """Return the id of what a tag names."""
    kept = house.tags.find("liver", sample_id, tag)
    return None if kept is None else kept.label.id


# What a tag is


def test_a_tag_names_a_draft_that_ends_nothing_counts_nowhere_and_trains_nothing(
    tagging: Any,
) -> None:
    tagging.volumes(1)
    lent = tagging.next()
    label = tagged(tagging, lent.sample.id)
    assert (label.state, label.tag) == ("draft", "original")
    assert tagging.assignments.get(lent.assignment.id).state == "held"
    after = tagging.samples.get("liver", lent.sample.id)
    assert (after.state, after.label_id, after.readings) == ("ready", None, 0)
    assert tagging.projects.get("liver").labels_since_training == 0
    assert tagging.retrain.told == []
    assert tagging.kept_counts() == tagging.scanned_counts()
    assert named(tagging, lent.sample.id) == label.id
    assert tagging.tags.find("liver", lent.sample.id, "") is None


@pytest.mark.parametrize("state", ["submitted", "approved"])
def test_only_a_draft_has_a_tag(tagging: Any, state: str) -> None:
    (sample,) = tagging.volumes(1)
    with pytest.raises(InvalidRequest):
        tagging.submit(sample.id, tag="original", state=state)
    assert tagging.labels.list("liver", sample.id) == []


def test_the_same_bytes_are_a_label_of_their_own_under_every_tag(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    kept = [
        tagged(tagging, sample.id, "original"),
        tagged(tagging, sample.id, "version_1"),
        tagging.submit(sample.id, state="draft").label,
    ]
    final = tagging.submit(sample.id).label
    assert len({each.id for each in kept}) == 3
    assert len({each.sha256 for each in (*kept, final)}) == 1
    assert final.id == kept[2].id, "a draft without a tag becomes the label itself"
    assert [named(tagging, sample.id, tag) for tag in ("original", "version_1", "")] == [
        each.id for each in kept
    ]


def test_the_same_bytes_under_the_same_tag_are_one_label(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    first = tagging.submit(sample.id, state="draft", tag="original", remarks={"a": 1})
    again = tagging.submit(sample.id, state="draft", tag="original", remarks={"b": 2})
    assert (first.created, again.created) == (True, False)
    assert again.label == first.label
    assert tagging.tags.find("liver", sample.id, "original").remarks == {"b": 2}


def test_a_tag_names_its_newest_version_and_the_others_are_kept(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    first = tagged(tagging, sample.id, fill=1)
    final = tagging.submit(sample.id, "bob", fill=2).label
    second = tagged(tagging, sample.id, annotator="bob", fill=2)
    third = tagged(tagging, sample.id, fill=1)
    assert named(tagging, sample.id) == third.id
    assert named(tagging, sample.id, "") == final.id
    history = tagging.labels.list("liver", sample.id)
    assert [each.id for each in history] == [third.id, second.id, final.id, first.id]
    assert [each.version for each in history] == [4, 3, 2, 1]
    assert tagging.samples.get("liver", sample.id).label_id == final.id


def test_what_a_tag_names_is_never_reviewed_into_a_label(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    label = tagged(tagging, sample.id)
    with pytest.raises(Conflict):
        tagging.labels.review(label.id, "approved", "chief")
    tagging.tags.withdraw("liver", sample.id, "original", "ann")
    with pytest.raises(Conflict, match="under the tag 'original'"):
        tagging.labels.review(label.id, "approved", "chief")
    assert tagging.samples.get("liver", sample.id).state == "ready"


def test_one_who_kept_a_draft_under_a_tag_still_gets_the_sample(house: Any) -> None:
    house.project(validation_share=0, readings=2)
    (sample,) = house.volumes(1)
    tagged(house, sample.id, annotator="ann")
    assert house.next("ann").sample.id == sample.id


# Names


@pytest.mark.parametrize("tag", ["a", "original", "version_12", "v 1", "x.y-z", "0", "T" * 64])
def test_plain_words_are_tags(tag: str) -> None:
    assert checked_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    ["../x", "/etc", "a/b", "a\\b", "..", ".", ".a", "a.", "a..b", " a", "a ", "-a", "_a",
     "t" * 65, "a\x00", "a\nb", "a\n", "a\x7f", "é", "a\u202eb", "a*b", "C:"],
)  # fmt: skip
def test_a_tag_that_could_be_a_path_or_cannot_be_read_is_refused(tagging: Any, tag: str) -> None:
    (sample,) = tagging.volumes(1)
    with pytest.raises(InvalidRequest, match="tag is "):
        tagged(tagging, sample.id, tag)
    assert tagging.labels.list("liver", sample.id) == []
    assert not list((tagging.root / "home" / "blobs").rglob("*.nii"))


# Taking back


def test_what_is_withdrawn_gives_way_to_nothing_older(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    for fill in (1, 2):
        tagged(tagging, sample.id, fill=fill)
    other = tagged(tagging, sample.id, "version_1")
    assert tagging.tags.withdraw("liver", sample.id, "original", "bob") == 2
    assert named(tagging, sample.id) is None
    assert named(tagging, sample.id, "version_1") == other.id
    states = {each.version: each.state for each in tagging.labels.list("liver", sample.id)}
    assert states == {1: "rejected", 2: "rejected", 3: "draft"}
    assert tagging.audited().count("label.withdrawn") == 2
    assert tagging.tags.withdraw("liver", sample.id, "original", "bob") == 0


def test_what_was_withdrawn_can_be_given_again(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    first = tagged(tagging, sample.id)
    tagging.tags.withdraw("liver", sample.id, "original", "ann")
    again = tagged(tagging, sample.id)
    assert again.id != first.id
    assert named(tagging, sample.id) == again.id


def test_withdrawing_the_label_itself_makes_the_sample_wait_again(tagging: Any) -> None:
    samples = tagging.volumes(2)
    tagging.queue(samples)
    for annotator, fill in (("ann", 1), ("bob", 2)):
        tagging.submit(samples[0].id, annotator, fill=fill)
    kept = tagged(tagging, samples[0].id)
    assert tagging.tags.withdraw("liver", samples[0].id, "", "chief") == 2
    after = tagging.samples.get("liver", samples[0].id)
    assert (after.state, after.label_id, after.readings) == ("ready", None, 0)
    assert tagging.tags.find("liver", samples[0].id, "") is None
    assert named(tagging, samples[0].id) == kept.id
    assert tagging.kept_counts() == tagging.scanned_counts()
    again = tagging.submit(samples[0].id, "bob", fill=2)
    assert again.created
    assert tagging.samples.get("liver", samples[0].id).label_id == again.label.id
    assert tagging.kept_counts() == tagging.scanned_counts()


def test_an_untagged_draft_is_not_what_is_withdrawn(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    draft = tagging.submit(sample.id, state="draft").label
    assert tagging.tags.withdraw("liver", sample.id, "", "ann") == 0
    assert tagging.labels.get(draft.id).state == "draft"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("readings", [1, 2])
def test_counts_stay_right_whatever_is_kept_and_withdrawn(
    house: Any, seed: int, readings: int
) -> None:
    house.project(readings=readings, validation_share=0.34, validation_target=2)
    samples = house.volumes(4)
    chosen = random.Random(seed)
    for _ in range(60):
        sample, who = chosen.choice(samples).id, chosen.choice(["ann", "bob", "cy"])
        tag, fill = chosen.choice(["", "original", "version_1"]), chosen.choice([1, 2])
        action = chosen.choice(["give", "give", "withdraw", "next", "queue"])
        if action == "give":
            house.submit(sample, who, fill=fill, tag=tag, state="draft" if tag else "submitted")
        elif action == "withdraw":
            house.tags.withdraw("liver", sample, tag, who)
        elif action == "next":
            house.assignments.next("liver", who)
        else:
            house.queue(samples)
        assert house.kept_counts() == house.scanned_counts(), action
    for sample in samples:
        kept = house.tags.find("liver", sample.id, "")
        label_id = house.samples.get("liver", sample.id).label_id
        assert label_id == (None if kept is None else kept.label.id)


# Remarks


def test_remarks_merge_and_survive_a_start(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    remarks = {"label_info": [{"name": "organ", "idx": 1}], "client_id": "ann", "né": None}
    label = tagged(tagging, sample.id, remarks=remarks)
    tagging.tags.remark_label(label.id, {"client_id": "bob", "level": "easy"}, "chief")
    tagging.tags.remark_sample("liver", sample.id, {"a": 1, "b": [1.5, "x"]})
    tagging.tags.remark_sample("liver", sample.id, {"a": {"deep": True}})
    records = Records.open(tagging.root / "home")
    tags = Tags(records, tagging.projects, tagging.events, tagging.clock)
    try:
        assert tags.remarks(sample.id) == {"a": {"deep": True}, "b": [1.5, "x"]}
        kept = tags.find("liver", sample.id, "original")
    finally:
        records.close()
    assert kept is not None
    assert kept.remarks == {**remarks, "client_id": "bob", "level": "easy"}
    assert "label.remarked" in tagging.audited()


def test_remarks_on_a_label_belong_to_that_version(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    tagging.submit(sample.id, fill=1, remarks={"version": "first"})
    tagging.submit(sample.id, fill=2)
    assert tagging.tags.find("liver", sample.id, "").remarks == {}
    tagging.labels.review(tagging.labels.list("liver", sample.id)[0].id, "rejected", "chief")
    assert tagging.tags.find("liver", sample.id, "").remarks == {"version": "first"}


def test_remarks_are_bounded_also_when_they_add_up(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    half = "x" * (MOST_REMARKS // 2)
    label = tagged(tagging, sample.id, remarks={"a": half})
    tagging.tags.remark_sample("liver", sample.id, {"a": half})
    for more in (
        lambda: tagging.tags.remark_label(label.id, {"b": half}, "ann"),
        lambda: tagging.tags.remark_sample("liver", sample.id, {"b": half}),
        lambda: tagged(tagging, sample.id, fill=2, remarks={"a": half, "b": half}),
    ):
        with pytest.raises(InvalidRequest, match="take at most 262,144"):
            more()
    assert tagging.tags.remarks(sample.id) == {"a": half}
    assert tagging.tags.find("liver", sample.id, "original").remarks == {"a": half}
    assert len(tagging.labels.list("liver", sample.id)) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_remarks_that_are_no_json_are_refused(tagging: Any, number: float) -> None:
    (sample,) = tagging.volumes(1)
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        tagging.tags.remark_sample("liver", sample.id, {"score": [number]})
    assert tagging.tags.remarks(sample.id) == {}


def test_unknown_things_are_not_found(tagging: Any) -> None:
    (sample,) = tagging.volumes(1)
    tagging.projects.create(tagging.config(name="other"))
    label = tagged(tagging, sample.id)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: tagging.tags.find("none", sample.id, ""),
        lambda: tagging.tags.find("liver", 99, ""),
        lambda: tagging.tags.find("other", sample.id, "original"),
        lambda: tagging.tags.remark_sample("other", sample.id, {}),
        lambda: tagging.tags.remark_label(99, {}, "ann"),
        lambda: tagging.tags.withdraw("other", sample.id, "original", "ann"),
        lambda: tagging.tags.counts("none"),
        lambda: tagging.tags.page("none", 0, 10),
    )
    for refused in attempts:
        with pytest.raises(NotFound):
            refused()
    assert named(tagging, sample.id) == label.id


# Lists


def test_counts_are_of_samples_by_tag(tagging: Any) -> None:
    samples = tagging.volumes(3)
    for sample in samples:
        for fill in (1, 2):
            tagged(tagging, sample.id, fill=fill)
    tagged(tagging, samples[0].id, "version_1")
    tagging.submit(samples[1].id)
    tagging.tags.withdraw("liver", samples[2].id, "original", "ann")
    assert tagging.tags.counts("liver") == {"original": 2, "version_1": 1}


def test_a_page_shows_samples_with_all_that_is_kept_of_them(tagging: Any) -> None:
    samples = tagging.volumes(4)
    first = tagging.submit(samples[0].id, remarks={"n": 1}).label
    original = tagged(tagging, samples[0].id, remarks={"n": 2})
    tagged(tagging, samples[1].id)
    newest = tagged(tagging, samples[1].id, fill=2, remarks={"n": 3})
    tagging.tags.remark_sample("liver", samples[2].id, {"seen": True})
    tagging.samples.delete("liver", samples[3].id, "chief")
    predicted(tagging, [samples[2], replace(samples[1], modified_ns=1)])
    page = tagging.tags.page("liver", 0, 10)
    assert [each.sample.id for each in page] == [each.id for each in samples[:3]]
    assert [
        {tag: (kept.label.id, dict(kept.remarks)) for tag, kept in each.labels.items()}
        for each in page
    ] == [
        {"": (first.id, {"n": 1}), "original": (original.id, {"n": 2})},
        {"original": (newest.id, {"n": 3})},
        {},
    ]
    assert [each.remarks for each in page] == [{}, {}, {"seen": True}]
    assert [each.is_predicted for each in page] == [False, False, True]
    tail = tagging.tags.page("liver", page[0].sample.id, 1)
    assert [each.sample.id for each in tail] == [samples[1].id]
    assert tagging.tags.page("liver", samples[-1].id, 10) == []


def predicted(house: Any, samples: Sequence[Sample]) -> None:
    """Have a version serve that has stored its predictions of samples."""
    project = house.projects.get("liver")
    now = house.clock()
    with house.records.write() as tx:
        version = model_rows.add(
            tx,
            project_id=project.id,
            app="outline",
            app_version="1",
            state="candidate",
            seed=0,
            plan={},
            options={},
            metrics={},
            decision={},
            libraries={},
            notes=[],
            label_count=0,
            created_at=now,
        )
        model_rows.set_serving(tx, project.id, version.id, at=now)
        rows = [
            StoredPrediction(
                model_id=version.id,
                sample_id=each.id,
                project_id=project.id,
                sha256="0" * 64,
                size_bytes=1,
                format=".nii.gz",
                modified_ns=each.modified_ns,
                created_at=now,
            )
            for each in samples
        ]
        prediction_rows.put(tx, rows)
