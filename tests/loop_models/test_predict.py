"""Predictions: the stored one where it is current, one made now else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.engine import Priority
from limner.errors import Conflict, NoModel, NotFound, UnsupportedFormat
from limner.images import read_mask
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.settings import Limits

MakeLab = Callable[..., Any]


@pytest.fixture
def trained(make_lab: MakeLab) -> Any:
    """A project whose model serves and has drawn the pool ahead."""
    lab = make_lab()
    lab.start()
    lab.samples = lab.add_images(8)
    lab.label(lab.samples[:4])
    lab.train()
    lab.idle()
    lab.engine.calls.clear()
    return lab


def test_a_prediction_made_ahead_is_handed_out_without_work(trained: Any) -> None:
    lab = trained
    found = lab.predictions.predict("demo", lab.samples[5], client="ann")
    assert found.was_stored
    assert isinstance(found.data, Path)
    assert found.suffix == ".nii.gz"
    assert found.version.number == 1
    assert lab.engine.calls == []


def test_a_sample_not_drawn_ahead_is_predicted_now_for_its_client_and_kept(trained: Any) -> None:
    lab = trained
    labelled = lab.samples[0]
    first = lab.predictions.predict("demo", labelled, client="ann")
    assert not first.was_stored
    ((_, (_, priority, client)),) = [call for call in lab.engine.calls if call[0] == "predict"]
    assert (priority, client) == (Priority.INTERACTIVE, "ann")
    lab.keeper.stop()
    second = lab.predictions.predict("demo", labelled)
    assert second.was_stored
    assert second.data.read_bytes() == first.data


def test_a_prediction_of_a_changed_image_is_made_again(trained: Any) -> None:
    lab = trained
    sample = lab.samples[5]
    before = lab.predictions.predict("demo", sample).data.read_bytes()
    lab.touch(sample)
    after = lab.predictions.predict("demo", sample)
    assert not after.was_stored
    assert after.data != before
    assert lab.predictions.predict("demo", sample).was_stored
    lab.engine.calls.clear()
    lab.rescore()
    assert [n for name, n in lab.engine.calls if name == "describe"] == [sample]


def test_a_prediction_of_an_older_version_is_made_again(trained: Any) -> None:
    lab = trained
    lab.label(lab.samples[4:5])
    reached = lab.engine.hold("describe")
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train(from_scratch=True)
    assert reached.wait(60)
    found = lab.predictions.predict("demo", lab.samples[5])
    assert found.version.number == 2
    assert not found.was_stored
    lab.engine.release("describe")
    lab.idle()


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_other_formats_carry_the_same_mask(trained: Any, suffix: str, tmp_path: Path) -> None:
    lab = trained
    stored = lab.predictions.predict("demo", lab.samples[5])
    other = lab.predictions.predict("demo", lab.samples[5], suffix=suffix)
    assert other.was_stored
    assert other.suffix == suffix
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(other.data)
    ours = read_mask(stored.data, Limits(), suffix=".nii.gz")
    theirs = read_mask(path, Limits())
    np.testing.assert_array_equal(ours.array, theirs.array)
    assert ours.array.any()


def test_a_format_that_cannot_carry_the_mask_is_refused_before_any_work(trained: Any) -> None:
    for sample in (trained.samples[5], trained.samples[0]):
        with pytest.raises(UnsupportedFormat, match=r"\.png"):
            trained.predictions.predict("demo", sample, suffix=".png")
    assert trained.engine.calls == []


def test_a_stored_file_that_is_missing_is_made_again(trained: Any) -> None:
    lab = trained
    lab.predictions.predict("demo", lab.samples[5]).data.unlink()
    assert not lab.predictions.predict("demo", lab.samples[5]).was_stored
    assert lab.predictions.predict("demo", lab.samples[5]).was_stored


def test_a_version_that_does_not_serve_can_be_asked_and_is_not_kept(trained: Any) -> None:
    lab = trained
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train(from_scratch=True)
    lab.idle()
    for _ in range(2):
        found = lab.predictions.predict("demo", lab.samples[5], version=1)
        assert found.version.number == 1
        assert not found.was_stored


def test_without_a_model_there_is_no_prediction(make_lab: MakeLab) -> None:
    lab = make_lab()
    (sample,) = lab.add_images(1)
    with pytest.raises(NoModel, match="no model yet"):
        lab.predictions.predict("demo", sample)


def test_what_cannot_be_read_cannot_be_predicted(trained: Any) -> None:
    lab = trained
    with lab.records.write() as tx:
        sample_rows.change(tx, lab.samples[6], state="unreadable", reason="truncated")
    with pytest.raises(Conflict, match="unreadable: truncated"):
        lab.predictions.predict("demo", lab.samples[6])
    with pytest.raises(NotFound, match="no sample 999"):
        lab.predictions.predict("demo", 999)


def test_a_label_with_the_bytes_of_a_prediction_outlives_it(trained: Any) -> None:
    lab = trained
    sample = lab.samples[5]
    data = lab.predictions.predict("demo", sample).data.read_bytes()
    blob = lab.blobs.put_bytes(data)
    lab.label([sample])
    with lab.records.write() as tx:
        label = label_rows.of_sample(tx, sample)[0]
        label_rows.change(tx, label.id, sha256=blob.sha256)
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train(from_scratch=True)
    lab.idle()
    assert lab.blobs.path(blob.sha256).read_bytes() == data
