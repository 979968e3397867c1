"""Preprocessed images on disk, shared by all trainings of a project.

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

from limner.plugin import Case, FloatArray
from limner_apps.classification.plan import Plan
from limner_apps.classification.preprocess import preprocess
from limner_apps.classification.survey import Survey, survey_case
from limner_apps.learning.cache_files import store


class CaseCache:
    """Surveys and preprocessed images by case.

    Args:
        folder: Where the files are; may be emptied at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "classification"

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

    def image(self, case: Case, plan: Plan) -> FloatArray:
        """Return a case's image as the network sees it, (channels, *spatial) float32.

        It may be memory-mapped, and may not be written to.

        Raises:
            UnsuitableInput: The case cannot be learnt from.
        """
        path = self._path(case, plan.preprocessing_key(), "npy")
        found = _read(path)
        if _sound(found, plan):
            kept: FloatArray = found
            return kept
        image = preprocess(case.load_image(), plan, f"Case {case.id}")
        store(path, lambda file: np.save(file, image))
        return image

    def _path(self, case: Case, part: str, suffix: str) -> Path:
        name = hashlib.sha256(case.fingerprint.encode()).hexdigest()[:32]
        return self._folder / f"{name}-{part}.{suffix}"


def _read(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def _sound(found: Any, plan: Plan) -> bool:
    return (
        found is not None
        and found.dtype == np.float32
        and found.shape == (plan.channels, *plan.shape)
    )
