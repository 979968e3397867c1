"""Everything that a project keeps, as one document: `datastore_v2.json` as clients know it.

It is written while it is sent: a million images never lie in memory together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from limner.http.context import service
from limner.http.monai_label.routes import Here
from limner.loop.tags import Kept, Listed
from limner.records.rows import LabelState

FINAL, ORIGINAL = "final", "original"
"""What these clients call the label itself, and what a model drew."""

_PAGE = 1000


def document(here: Here) -> Iterator[bytes]:
    """Write the whole document, piece by piece."""
    head = {
        "name": here.project.title or here.name,
        "description": f"{here.name}: {here.task.value} by {here.project.app}.",
        "images_dir": ".",
        "labels_dir": "labels",
    }
    yield json.dumps(head)[:-1].encode() + b', "objects": {'
    names = list(service().projects.schema(here.project).names)
    between = ""
    for page in pages(here):
        pieces = []
        for listed in page:
            pieces.append(f"{between}{json.dumps(listed.sample.name)}: ")
            pieces.append(json.dumps(_object(listed, names)))
            between = ", "
        yield "".join(pieces).encode()
    yield b"}}"


def training_pairs(here: Here) -> Iterator[bytes]:
    """Write the pairs of image and label that a training learns from, with their paths."""
    yield b"["
    between = ""
    for page in pages(here):
        pieces = []
        for listed in page:
            kept = listed.labels.get("")
            if kept is not None:
                image = service().samples.image_paths(here.name, listed.sample.id)[0]
                label, _ = service().labels.content(kept.label.id)
                pair = {"image": str(image), "label": str(label)}
                pieces.append(between + json.dumps(pair))
                between = ", "
        yield "".join(pieces).encode()
    yield b"]"


def pages(here: Here) -> Iterator[list[Listed]]:
    """Yield all samples with what is kept of them, some at a time."""
    after = 0
    while page := list(service().tags.page(here.name, after, _PAGE)):
        yield page
        after = page[-1].sample.id


def suffix_of(file: str, name: str) -> str:
    """Return what follows a sample's name in its file's."""
    return file[len(name) :] if file.startswith(name) else PurePosixPath(file).suffix


def label_info(kept: Kept, sample_name: str) -> dict[str, Any]:
    """Say of a label what clients look for, after what they have noted of it themselves."""
    label = kept.label
    info = {
        "client_id": label.author,
        **kept.remarks,
        "ts": int(label.created_at),
        "name": PurePosixPath(sample_name).name + label.format,
        "version": label.version,
        "state": label.state,
    }
    meta = info.get("segmentationMeta")
    if label.state == LabelState.APPROVED and isinstance(meta, Mapping) and "status" in meta:
        info["segmentationMeta"] = {**meta, "status": "approved"}
    return info


def _object(listed: Listed, names: list[str]) -> dict[str, Any]:
    sample = listed.sample
    labels = {
        tag or FINAL: {"ext": kept.label.format, "info": label_info(kept, sample.name)}
        for tag, kept in listed.labels.items()
    }
    if listed.is_predicted and ORIGINAL not in labels:
        labels[ORIGINAL] = {"ext": "", "info": {"params": {"label_names": names}}}
    return {
        "image": {
            "ext": suffix_of(sample.files[0], sample.name),
            "info": {
                **listed.remarks,
                "ts": int(sample.created_at),
                "name": PurePosixPath(sample.files[0]).name,
            },
        },
        "labels": labels,
    }
