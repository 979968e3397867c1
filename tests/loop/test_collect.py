"""Labels: what is taken in, what is refused, and what never gets lost."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pytest

from limner.errors import (
    Conflict,
    GeometryMismatch,
    ImageError,
    InvalidLabelValues,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    UnsupportedFormat,
)
from limner.settings import Limits


@pytest.fixture
def labelling(house: Any) -> Any:
    house.project(validation_share=0, lease_minutes=10)
    return house


def test_a_submitted_label_is_kept_byte_for_byte(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    data = gzip.compress(labelling.mask())
    submitted = labelling.submit(sample.id, data=data, filename="mine.nii.gz", seconds=12.5)
    path, label = labelling.labels.content(submitted.label.id)
    assert submitted.created
    assert path.read_bytes() == data
    assert (label.version, label.state, label.seconds) == (1, "submitted", 12.5)
    assert (label.format, label.size_bytes, label.note) == (".nii.gz", len(data), "")


def test_submitting_ends_the_assignment_and_labels_the_sample(labelling: Any) -> None:
    labelling.volumes(2)
    lent = labelling.next()
    label = labelling.submit(lent.sample.id, assignment_id=lent.assignment.id).label
    assert label.assignment_id == lent.assignment.id
    assert labelling.assignments.get(lent.assignment.id).state == "done"
    sample = labelling.samples.get("liver", lent.sample.id)
    assert (sample.state, sample.label_id, sample.readings) == ("labelled", label.id, 1)
    assert labelling.retrain.told == [("liver", 1)]
    assert "label.submitted" in labelling.audited()


def test_a_label_without_assignment_works_and_ends_what_the_author_holds(labelling: Any) -> None:
    labelling.queue(labelling.volumes(3))
    lent = labelling.next()
    label = labelling.submit(lent.sample.id).label
    assert label.assignment_id == lent.assignment.id
    assert labelling.assignments.get(lent.assignment.id).state == "done"


def test_a_labelled_sample_leaves_the_queue(labelling: Any) -> None:
    samples = labelling.volumes(3)
    labelling.queue(samples)
    labelling.submit(samples[0].id)
    assert labelling.next().sample.id == samples[1].id
    assert labelling.kept_counts() == labelling.scanned_counts()


def test_the_same_bytes_twice_are_one_label(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    first = labelling.submit(sample.id)
    again = labelling.submit(sample.id)
    assert (first.created, again.created) == (True, False)
    assert again.label == first.label
    assert len(labelling.labels.list("liver", sample.id)) == 1
    assert labelling.projects.get("liver").labels_since_training == 1
    assert labelling.retrain.told == [("liver", 1)]


def test_the_same_bytes_by_another_are_another_version(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    first = labelling.submit(sample.id, "ann").label
    second = labelling.submit(sample.id, "bob").label
    assert (second.version, second.sha256) == (2, first.sha256)
    assert labelling.samples.get("liver", sample.id).label_id == second.id


def test_going_back_to_earlier_bytes_is_a_new_version(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    for fill in (1, 2, 1):
        newest = labelling.submit(sample.id, fill=fill).label
    assert newest.version == 3
    assert labelling.samples.get("liver", sample.id).label_id == newest.id


def test_a_draft_keeps_the_assignment_and_does_not_count(labelling: Any) -> None:
    labelling.volumes(1)
    lent = labelling.next()
    label = labelling.submit(lent.sample.id, state="draft").label
    assert label.state == "draft"
    assert labelling.assignments.get(lent.assignment.id).state == "held"
    assert labelling.samples.get("liver", lent.sample.id).state == "ready"
    assert labelling.projects.get("liver").labels_since_training == 0
    assert labelling.retrain.told == []


def test_submitting_a_draft_makes_it_count(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    draft = labelling.submit(sample.id, state="draft").label
    submitted = labelling.submit(sample.id, seconds=3)
    assert (submitted.label.id, submitted.created) == (draft.id, False)
    assert (submitted.label.state, submitted.label.seconds) == ("submitted", 3)
    assert labelling.samples.get("liver", sample.id).label_id == draft.id
    assert labelling.retrain.told == [("liver", 1)]


def test_a_draft_overtaken_by_another_becomes_the_newest_version(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    labelling.submit(sample.id, "ann", state="draft")
    labelling.submit(sample.id, "bob", fill=2)
    newest = labelling.submit(sample.id, "ann").label
    assert newest.version == 3
    assert labelling.samples.get("liver", sample.id).label_id == newest.id


def test_a_draft_never_takes_a_submitted_label_back(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    submitted = labelling.submit(sample.id).label
    assert labelling.submit(sample.id, state="draft").label == submitted


def test_an_expired_assignment_still_stores_the_label_and_says_so(labelling: Any) -> None:
    labelling.volumes(1)
    lent = labelling.next("ann")
    labelling.clock.now += 601
    other = labelling.next("bob")
    label = labelling.submit(lent.sample.id, "ann", assignment_id=lent.assignment.id).label
    assert label.note == f"assignment {lent.assignment.id} had expired"
    assert labelling.assignments.get(lent.assignment.id).state == "done"
    assert labelling.assignments.get(other.assignment.id).state == "held"
    later = labelling.submit(other.sample.id, "bob", assignment_id=other.assignment.id).label
    assert (later.version, later.note) == (2, "")


@pytest.mark.parametrize("whose", ["another annotator's", "another sample's", "nobody's"])
def test_a_foreign_assignment_still_stores_the_label_and_says_so(
    labelling: Any, whose: str
) -> None:
    labelling.volumes(3)
    lent = labelling.next("ann")
    number = {
        "another annotator's": labelling.next("bob").assignment.id,
        "another sample's": labelling.next("ann").assignment.id,
        "nobody's": 999,
    }[whose]
    label = labelling.submit(lent.sample.id, "ann", assignment_id=number).label
    assert f"assignment {number}" in label.note
    assert label.assignment_id == lent.assignment.id
    assert labelling.assignments.get(lent.assignment.id).state == "done"
    assert labelling.samples.get("liver", lent.sample.id).state == "labelled"


def test_a_label_for_a_vanished_image_is_kept(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    (labelling.images / sample.files[0]).unlink()
    labelling.ingest.sync("liver")
    label = labelling.submit(sample.id).label
    assert "only its shape was compared" in label.note
    after = labelling.samples.get("liver", sample.id)
    assert (after.state, after.label_id) == ("vanished", label.id)
    with pytest.raises(GeometryMismatch):
        labelling.submit(sample.id, "bob", data=labelling.mask(shape=(5, 4, 4)))
    assert labelling.kept_counts() == labelling.scanned_counts()


def test_a_label_for_an_unreadable_image_is_refused_with_the_reason(labelling: Any) -> None:
    (labelling.images / "broken.nii.gz").write_bytes(b"no volume at all")
    labelling.ingest.sync("liver")
    (sample,) = labelling.samples.list("liver").items
    with pytest.raises(Conflict, match=r"broken.*cannot be read"):
        labelling.submit(sample.id)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"fill": 3}, InvalidLabelValues, "holds the values 3"),
        ({"filename": "label.txt"}, UnsupportedFormat, "label.txt"),
        ({"filename": "label.jpg"}, UnsupportedFormat, "label.jpg"),
        ({"filename": "label.png"}, ImageError, r"\.png"),
        ({"data": b"nonsense"}, ImageError, "label.nii"),
        ({"state": "approved"}, InvalidRequest, "draft or submitted"),
        ({"seconds": -1}, InvalidRequest, "seconds is -1"),
        ({"seconds": float("nan")}, InvalidRequest, "seconds is nan"),
        ({"seconds": 1e7}, InvalidRequest, "seconds"),
        ({"annotator": "a\tb"}, InvalidRequest, "annotator"),
    ],
)
def test_what_cannot_be_a_label_is_refused_and_leaves_nothing(
    labelling: Any, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    (sample,) = labelling.volumes(1)
    before = labelling.audited()
    with pytest.raises(error, match=words):
        labelling.submit(sample.id, **changes)
    assert labelling.labels.list("liver", sample.id) == []
    assert labelling.audited() == before
    stored = [path for path in labelling.root.glob("home/blobs/**/*") if path.is_file()]
    assert stored == []


def test_a_label_of_another_geometry_is_refused_with_both_shapes(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    with pytest.raises(GeometryMismatch, match=r"\(5, 4, 9\).*\(5, 4, 3\)"):
        labelling.submit(sample.id, data=labelling.mask(shape=(5, 4, 9)))


def test_a_label_over_the_limit_is_refused(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    labelling.labels._limits = Limits(max_file_bytes=100)
    with pytest.raises(PayloadTooLarge, match="100 bytes"):
        labelling.submit(sample.id)


def test_a_submission_that_meets_a_full_disk_leaves_nothing(
    labelling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limner.errors import StorageFull
    from limner.records import labels as label_rows

    (sample,) = labelling.volumes(1)
    lent = labelling.next()

    def full(*_: object, **__: object) -> None:
        raise StorageFull("full")

    monkeypatch.setattr(label_rows, "add", full)
    with pytest.raises(StorageFull):
        labelling.submit(sample.id, assignment_id=lent.assignment.id)
    assert labelling.assignments.get(lent.assignment.id).state == "held"
    assert labelling.samples.get("liver", sample.id).state == "ready"


def test_two_submissions_at_the_same_instant_are_two_versions(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    barrier = threading.Barrier(8)
    versions: list[int] = []

    def work(number: int) -> None:
        barrier.wait(timeout=30)
        versions.append(labelling.submit(sample.id, f"a{number}").label.version)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(versions) == list(range(1, 9))
    assert labelling.samples.get("liver", sample.id).readings == 8
    assert labelling.kept_counts() == labelling.scanned_counts()


def test_two_readings_make_a_sample_labelled(house: Any) -> None:
    house.project(validation_share=0, readings=2)
    (sample,) = house.volumes(1)
    house.submit(sample.id, "ann")
    assert house.samples.get("liver", sample.id).state == "ready"
    house.submit(sample.id, "ann", fill=2)
    assert house.samples.get("liver", sample.id).readings == 1
    house.submit(sample.id, "bob")
    assert house.samples.get("liver", sample.id).state == "labelled"


def test_a_rejected_label_gives_way_to_the_one_before(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    first = labelling.submit(sample.id, fill=1).label
    second = labelling.submit(sample.id, fill=2).label
    assert labelling.labels.review(second.id, "rejected", "chief").state == "rejected"
    assert labelling.samples.get("liver", sample.id).label_id == first.id


def test_a_sample_with_its_only_label_rejected_waits_again(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    label = labelling.submit(sample.id).label
    labelling.labels.review(label.id, "rejected", "chief")
    after = labelling.samples.get("liver", sample.id)
    assert (after.state, after.label_id, after.readings) == ("ready", None, 0)
    assert labelling.next().sample.id == sample.id
    labelling.labels.review(label.id, "approved", "chief")
    assert labelling.samples.get("liver", sample.id).state == "labelled"
    assert labelling.kept_counts() == labelling.scanned_counts()


def test_a_draft_cannot_be_reviewed(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    draft = labelling.submit(sample.id, state="draft").label
    with pytest.raises(Conflict, match="is a draft"):
        labelling.labels.review(draft.id, "approved", "chief")
    with pytest.raises(InvalidRequest, match="approved or rejected"):
        labelling.labels.review(draft.id, "draft", "chief")


def test_unknown_labels_and_samples_are_not_found(labelling: Any) -> None:
    with pytest.raises(NotFound, match="no label 5"):
        labelling.labels.get(5)
    with pytest.raises(NotFound, match="no sample 7"):
        labelling.submit(7)


def test_a_retrain_that_fails_does_not_lose_the_label(
    labelling: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise Conflict("no")

    (sample,) = labelling.volumes(1)
    monkeypatch.setattr(labelling.retrain, "label_submitted", fail)
    assert labelling.submit(sample.id).created
    assert "no training was asked for" in caplog.text


def test_a_set_aside_sample_that_is_labelled_counts(labelling: Any) -> None:
    (sample,) = labelling.volumes(1)
    labelling.samples.change("liver", sample.id, state="set_aside", actor="chief")
    labelling.submit(sample.id)
    assert labelling.samples.get("liver", sample.id).state == "labelled"
    assert labelling.kept_counts() == labelling.scanned_counts()
