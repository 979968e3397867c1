"""How many minutes each sample of a pool will take, learnt from the labels whose time is known."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt

from limner.loop.minutes import LEAST, features, fitted
from limner.loop.pool_rows import Rows, chunks, descriptions, places_of
from limner.plugin import FloatArray, IntArray
from limner.records import timing
from limner.records.database import Records
from limner.records.rows import Project

MOST_LABELS = 2000
"""So many of the newest labels decide: people become quicker, and outlines better."""


def predicted_minutes(
    records: Records, project: Project, model_id: int, ids: IntArray
) -> FloatArray | None:
    """Predict how long labelling takes, from what a version sees in the images.

    Args:
        records: The database.
        project: Whose labels and samples.
        model_id: The version whose descriptions count.
        ids: (n,), the samples of the pool, rising.

    Returns:
        (n,) minutes, NaN where the version has not described a sample; None where fewer than 20
        described labels say how long they took.
    """
    with records.read() as tx:
        timed = timing.timed(tx, project.id, limit=MOST_LABELS)
    if len(timed) < LEAST:
        return None
    timed.sort(key=lambda each: each.sample_id)
    labelled = np.array([each.sample_id for each in timed], np.int64)
    both = np.union1d(ids, labelled)
    fractions = Rows(len(both))
    for chunk in descriptions(records, model_id, ["class_fractions"]):
        numbers = np.fromiter((row[0] for row in chunk), np.int64, len(chunk))
        fractions.put(places_of(both, numbers), [row[1] for row in chunk])
    if fractions.array is None:
        return None
    known = features(fractions.array, _pixels(records, project, both))
    seconds = np.array([each.seconds for each in timed])
    at = places_of(both, labelled)
    pace = fitted(known[at], seconds, [each.author for each in timed])
    return None if pace is None else pace.minutes(known[places_of(both, ids)])


def _pixels(records: Records, project: Project, ids: IntArray) -> npt.NDArray[np.float64]:
    """Return the size of each sample: (n,), NaN where it is not known."""
    found = np.full(len(ids), np.nan)
    for chunk in chunks(records, partial(timing.shapes, project_id=project.id)):
        places = places_of(ids, np.fromiter((row[0] for row in chunk), np.int64, len(chunk)))
        for place, (_, shape) in zip(places.tolist(), chunk, strict=True):
            if place >= 0 and shape:
                found[place] = math.prod(shape)
    return found
