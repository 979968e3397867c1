"""Preprocessed cases on disk, shared by all trainings of a project.

A file's name is made of the case's fingerprint and of what the preprocessing depends on, so a stale
file is never found. Files appear by rename. Whatever cannot be read is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, FloatArray, LabelSchema
from limner_apps.learning.cache_files import store
from limner_apps.segmentation.labelled import IGNORED, known_indices
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.preprocess import preprocess, resize_known_labels
from limner_apps.segmentation.survey import Survey, load_pair, survey_case


class CaseCache:
    """Surveys and preprocessed arrays by case.

    Args:
        folder: Where the files are; may be emptied at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "segmentation"

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

    def arrays(
        self, case: Case, plan: Plan, schema: LabelSchema
    ) -> tuple[FloatArray, npt.NDArray[np.uint16]]:
        """Return a case as the network sees it.

        Returns:
            The image, (channels, *spatial) float32, and the class indices, (*spatial) uint16, with
            `IGNORED` where the case is not labelled. Either may be memory-mapped, and neither may
            be written to.

        Raises:
            UnsuitableInput: The case cannot be learnt from.
        """
        key = f"{plan.preprocessing_key()}-{'.'.join(map(str, schema.values))}"
        key = hashlib.sha256(key.encode()).hexdigest()[:16]
        paths = [self._path(case, f"{key}-{part}", "npy") for part in ("image", "label")]
        found = [_read(path) for path in paths]
        if _sound(found, plan):
            return found[0], found[1]
        image, mask = load_pair(case)
        array = preprocess(image, plan, f"Case {case.id}")
        labels = resize_known_labels(
            known_indices(case, mask.array, schema), array.shape[1:], len(schema.values), IGNORED
        )
        store(paths[0], lambda file: np.save(file, array))
        store(paths[1], lambda file: np.save(file, labels))
        return array, labels

    def _path(self, case: Case, part: str, suffix: str) -> Path:
        # By its regions too: what is kept of a part of a label must not stand for all of it.
        key = case.fingerprint if case.regions is None else f"{case.fingerprint}-{case.regions}"
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self._folder / f"{name}-{part}.{suffix}"


def _read(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def _sound(found: list[Any], plan: Plan) -> bool:
    image, labels = found
    return (
        image is not None
        and labels is not None
        and image.dtype == np.float32
        and labels.dtype == np.uint16
        and image.shape == (plan.channels, *labels.shape)
        and labels.ndim == plan.axes
    )
