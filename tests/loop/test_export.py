"""Exports: data sets that other programs read, streamed."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import nibabel
import numpy as np
import pytest

from limner.errors import Conflict, InvalidRequest


def exported(house: Any, layout: str) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(house.exports.stream("liver", layout))))
    assert archive.testzip() is None
    return archive


def volume(archive: zipfile.ZipFile, name: str) -> Any:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(archive.read(name)))


@pytest.fixture
def labelled(house: Any) -> Any:
    house.project(validation_share=0, modality="CT")
    samples = house.volumes(3)
    house.submit(samples[0].id, fill=1)
    house.submit(samples[0].id, fill=2)
    house.submit(samples[1].id, data=gzip.compress(house.mask()), filename="l.nii.gz")
    house.submit(samples[2].id, state="draft")
    return house


def test_nnunet_gets_images_labels_and_its_description(labelled: Any) -> None:
    archive = exported(labelled, "nnunet")
    assert sorted(archive.namelist()) == [
        "dataset.json",
        "imagesTr/case0000_0000.nii.gz",
        "imagesTr/case0001_0000.nii.gz",
        "labelsTr/case0000.nii.gz",
        "labelsTr/case0001.nii.gz",
    ]
    assert json.loads(archive.read("dataset.json")) == {
        "name": "liver",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "organ": 1, "tumour": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }


def test_images_and_masks_of_the_right_format_are_copied_byte_for_byte(labelled: Any) -> None:
    archive = exported(labelled, "nnunet")
    source = labelled.images / "case0001.nii.gz"
    assert archive.read("imagesTr/case0001_0000.nii.gz") == source.read_bytes()
    label = labelled.labels.list("liver", 2)[0]
    path, _ = labelled.labels.content(label.id)
    assert archive.read("labelsTr/case0001.nii.gz") == path.read_bytes()


def test_the_newest_submitted_label_is_exported_on_its_image(labelled: Any) -> None:
    archive = exported(labelled, "nnunet")
    image = volume(archive, "imagesTr/case0000_0000.nii.gz")
    mask = volume(archive, "labelsTr/case0000.nii.gz")
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine)
    assert set(np.unique(mask.dataobj)) == {0, 2}


def test_msd_lists_its_training_pairs(labelled: Any) -> None:
    archive = exported(labelled, "msd")
    data_set = json.loads(archive.read("dataset.json"))
    assert data_set["labels"] == {"0": "background", "1": "organ", "2": "tumour"}
    assert (data_set["modality"], data_set["tensorImageSize"]) == ({"0": "CT"}, "3D")
    assert data_set["numTraining"] == len(data_set["training"]) == 2
    for pair in data_set["training"]:
        image, mask = (volume(archive, pair[part].removeprefix("./")) for part in pair)
        assert image.shape == mask.shape


def test_several_channels_become_several_files_or_one_with_four_axes(house: Any) -> None:
    house.project(validation_share=0, modality="MR")
    values = np.arange(5 * 4 * 3 * 2, dtype=np.int16).reshape(5, 4, 3, 2)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), house.images / "both.nii.gz")
    house.ingest.sync("liver")
    (sample,) = house.samples.list("liver").items
    house.submit(sample.id)
    archive = exported(house, "nnunet")
    assert json.loads(archive.read("dataset.json"))["channel_names"] == {"0": "MRI_0", "1": "MRI_1"}
    for channel in range(2):
        image = volume(archive, f"imagesTr/both_{channel:04d}.nii.gz")
        assert np.array_equal(image.dataobj, values[..., channel])
        assert np.allclose(image.affine, affine)
    whole = exported(house, "msd")
    assert volume(whole, "imagesTr/both.nii.gz").shape == (5, 4, 3, 2)
    assert json.loads(whole.read("dataset.json"))["tensorImageSize"] == "4D"


def test_class_values_are_consecutive_for_nnunet(house: Any) -> None:
    house.projects.create(
        house.config(labels={"organ": 3, "tumour": 7}, settings={"validation_share": 0})
    )
    (sample,) = house.volumes(1)
    house.submit(sample.id, fill=7)
    archive = exported(house, "nnunet")
    assert json.loads(archive.read("dataset.json"))["labels"]["tumour"] == 2
    assert set(np.unique(volume(archive, "labelsTr/case0000.nii.gz").dataobj)) == {0, 2}
    assert set(np.unique(volume(exported(house, "msd"), "labelsTr/case0000.nii.gz").dataobj)) == {
        0,
        7,
    }


def test_pictures_become_png_and_not_msd(house: Any) -> None:
    import imagecodecs

    house.project(validation_share=0)
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    (house.images / "photo.tif").write_bytes(imagecodecs.tiff_encode(pixels, photometric="rgb"))
    house.ingest.sync("liver")
    (sample,) = house.samples.list("liver").items
    mask = np.zeros((6, 8), np.uint8)
    mask[0, 0] = 1
    data = imagecodecs.png_encode(mask)
    house.submit(sample.id, data=data, filename="mask.png")
    archive = exported(house, "nnunet")
    assert np.array_equal(imagecodecs.png_decode(archive.read("imagesTr/photo_0000.png")), pixels)
    assert archive.read("labelsTr/photo.png") == data
    names = json.loads(archive.read("dataset.json"))["channel_names"]
    assert names == {"0": "R", "1": "G", "2": "B"}
    with pytest.raises(Conflict, match="volumes only"):
        house.exports.stream("liver", "msd")


def test_names_are_plain_and_never_clash(house: Any) -> None:
    house.project(validation_share=0)
    for name in ("a b/c.nii", "a_b/c.nii", "A_B/C.nii", "ä.nii"):
        house.volume(name)
    house.ingest.sync("liver")
    for sample in house.samples.list("liver").items:
        house.submit(sample.id)
    names = [each for each in exported(house, "nnunet").namelist() if each.startswith("labels")]
    assert len({each.lower() for each in names}) == 4
    assert all(each.isascii() and each.count("/") == 1 for each in names)


def test_a_sample_that_went_bad_is_left_out_and_listed(labelled: Any) -> None:
    (labelled.images / "case0000.nii.gz").write_bytes(b"rotten")
    archive = exported(labelled, "nnunet")
    assert json.loads(archive.read("dataset.json"))["numTraining"] == 1
    assert archive.read("skipped.txt").startswith(b"case0000: ")


def test_the_same_labels_give_the_same_bytes(labelled: Any) -> None:
    first = b"".join(labelled.exports.stream("liver", "nnunet"))
    assert b"".join(labelled.exports.stream("liver", "nnunet")) == first


def test_pieces_are_small_however_large_a_file(labelled: Any) -> None:
    labelled.volume("large.nii", shape=(128, 128, 100))
    labelled.ingest.sync("liver")
    (sample,) = labelled.samples.list("liver", name="large").items
    labelled.submit(sample.id, data=labelled.mask(shape=(128, 128, 100)))
    assert max(map(len, labelled.exports.stream("liver", "nnunet"))) < 3 << 20


def test_what_cannot_be_exported_is_refused_before_the_first_byte(house: Any) -> None:
    house.project()
    with pytest.raises(InvalidRequest, match="nnunet, msd"):
        house.exports.stream("liver", "coco")
    with pytest.raises(Conflict, match="no submitted label"):
        house.exports.stream("liver", "nnunet")
