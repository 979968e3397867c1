"""Preprocessed cases on disk, shared by all trainings of a project.

A file's name is made of the case's fingerprint and of what the preprocessing depends on, so a stale
file is never found. Files appear by rename. Whatever cannot be read is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from limner.plugin import Case, FloatArray, Instances, LabelSchema, window
from limner_apps.instances.crops import Target, TrainingCase
from limner_apps.instances.overlap import BoxMask
from limner_apps.instances.plan import Plan
from limner_apps.instances.preprocess import preprocess
from limner_apps.instances.survey import Survey, check_values, load_pair, survey_case
from limner_apps.learning.cache_files import store


class CaseCache:
    """Surveys and preprocessed cases.

    Args:
        folder: Where the files are; may be emptied at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "instances"

    def survey(self, case: Case) -> Survey:
        """Return what planning needs to know of a case.

        Raises:
            UnsuitableInput: The case cannot be learnt from.
        """
        path = self._path(case, "survey", "json")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return Survey.from_json(json.loads(path.read_text(encoding="utf-8")))
        survey = survey_case(case)
        text = json.dumps(survey.as_json()).encode()
        store(path, lambda file: file.write(text))
        return survey

    def case(self, case: Case, plan: Plan, schema: LabelSchema) -> TrainingCase:
        """Return a case as training draws from it; its image may be memory-mapped.

        Raises:
            UnsuitableInput: The case cannot be learnt from.
        """
        key = hashlib.sha256(plan.preprocessing_key().encode()).hexdigest()[:16]
        image_path, label_path = self._path(case, key, "npy"), self._path(case, "label", "npz")
        image, label = _read_image(image_path, plan), _read_label(label_path)
        if image is None or label is None:
            stored, truth = load_pair(case)
            image = preprocess(stored, plan, f"Case {case.id}")
            label = (stored.shape[0], stored.shape[1]), truth
            array, packed = image, _packed(truth, label[0])
            store(image_path, lambda file: np.save(file, array))
            store(label_path, lambda file: np.savez(file, **packed))
        shape, instances = label
        check_values(instances.classes.tolist(), schema, f"Case {case.id}")
        index = {value: place for place, value in enumerate(schema.values)}
        return TrainingCase(
            image=image,
            target=Target(
                boxes=instances.boxes.astype(np.float32),
                masks=instances.masks,
                classes=np.array([index[int(v)] for v in instances.classes], np.int64),
            ),
            shape=shape,
            is_new=case.is_new,
        )

    def _path(self, case: Case, part: str, suffix: str) -> Path:
        name = hashlib.sha256(case.fingerprint.encode()).hexdigest()[:32]
        return self._folder / f"{name}-{part}.{suffix}"


def _packed(truth: Instances, shape: tuple[int, int]) -> dict[str, Any]:
    """Write a label as flat arrays, the masks' pixels one after the other."""
    flat = [mask.reshape(-1) for mask in truth.masks if mask is not None]
    return {
        "shape": np.asarray(shape),
        "boxes": truth.boxes.astype(np.float32),
        "classes": np.asarray(truth.classes, np.int64),
        "outlined": np.array([mask is not None for mask in truth.masks], bool),
        "pixels": np.packbits(np.concatenate(flat)) if flat else np.zeros(0, np.uint8),
    }


def _read_image(path: Path, plan: Plan) -> FloatArray | None:
    try:
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    sound = image.dtype == np.float32 and image.ndim == 3 and len(image) == plan.channels
    return image if sound else None


def _read_label(path: Path) -> tuple[tuple[int, int], Instances] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            boxes, classes = content["boxes"], content["classes"]
            outlined, shape = content["outlined"], content["shape"]
            pixels = np.unpackbits(content["pixels"]).astype(bool)
        masks: list[BoxMask] = []
        start = 0
        for box, has_mask in zip(boxes, outlined, strict=True):
            if not has_mask:
                masks.append(None)
                continue
            sides = tuple(axis.stop - axis.start for axis in window(box))
            end = start + sides[0] * sides[1]
            masks.append(pixels[start:end].reshape(sides))
            start = end
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (int(shape[0]), int(shape[1])), Instances(
        boxes=boxes,
        masks=tuple(masks),
        classes=classes,
        scores=np.ones(len(boxes), np.float32),
    )
