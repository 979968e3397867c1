"""The shape of an answer follows from Accept."""

from __future__ import annotations

from typing import Literal

import pytest
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from limner.http.negotiation import answer_types, choose
from limner.plugin import Task


def chosen(accept: str, kind: Literal["volume", "picture"]) -> str:
    offered = answer_types(Task.SEGMENTATION, kind)
    return offered[choose(parse_accept_header(accept, MIMEAccept), offered)]


@pytest.mark.parametrize(
    ("accept", "suffix"),
    [
        ("", ".nii.gz"),
        ("*/*", ".nii.gz"),
        ("application/*", ".nii.gz"),
        ("application/octet-stream", ".nii.gz"),
        ("application/gzip", ".nii.gz"),
        ("application/x-nifti", ".nii"),
        ("application/x-nrrd", ".nrrd"),
        ("application/x-metaimage;q=0.9, application/x-nifti;q=0.5", ".mha"),
        ("image/png, application/x-nrrd", ".nrrd"),
        ("image/png, */*;q=0.1", ".nii.gz"),
        ("application/x-nrrd, */*;q=0.5", ".nrrd"),
    ],
)
def test_a_volume_is_sent_as_asked(accept: str, suffix: str) -> None:
    assert chosen(accept, "volume") == suffix


@pytest.mark.parametrize(
    ("accept", "suffix"),
    [("", ".png"), ("*/*", ".png"), ("image/*", ".png"), ("image/tiff", ".tif")],
)
def test_a_picture_is_sent_as_asked(accept: str, suffix: str) -> None:
    assert chosen(accept, "picture") == suffix


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "volume"),
        ("image/png", "volume"),
        ("application/gzip;q=0", "volume"),
        ("application/x-nifti", "picture"),
        ("application/json", "picture"),
    ],
)
def test_what_cannot_carry_the_mask_is_refused_with_what_can(
    accept: str, kind: Literal["volume", "picture"]
) -> None:
    expected = "application/x-nrrd" if kind == "volume" else "image/tiff"
    with pytest.raises(NotAcceptable, match=expected):
        chosen(accept, kind)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/vnd.coco+json", "application/vnd.coco+json"),
        ("image/png", "image/png"),
        ("image/tiff, application/json;q=0.5", "image/tiff"),
        ("image/*", "image/png"),
    ],
)
def test_instances_of_a_picture_are_sent_as_asked(accept: str, media_type: str) -> None:
    offered = answer_types(Task.INSTANCES, "picture")
    assert choose(parse_accept_header(accept, MIMEAccept), offered) == media_type


def test_instances_of_a_volume_are_sent_as_maps() -> None:
    offered = answer_types(Task.INSTANCES, "volume")
    assert next(iter(offered.values())) == ".nii.gz"
    assert ".json" not in offered.values()


def test_classes_are_sent_as_json_only() -> None:
    offered = answer_types(Task.CLASSIFICATION, "volume")
    assert choose(parse_accept_header("*/*", MIMEAccept), offered) == "application/json"
    with pytest.raises(NotAcceptable, match="application/json"):
        choose(parse_accept_header("text/html", MIMEAccept), offered)
