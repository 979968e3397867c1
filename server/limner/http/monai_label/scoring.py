"""`/scoring/`: describing the pool, so that the strategy can choose."""

from __future__ import annotations

from typing import Any

from flask import Response

from limner.errors import NotFound
from limner.http.context import service
from limner.http.monai_label import tasks
from limner.http.monai_label.answers import detail_answer, json_answer
from limner.http.monai_label.reading import asked_flag, json_object
from limner.http.monai_label.routes import Here, Routes, annotator, spoken
from limner.records.rows import Job, JobKind

routes = Routes()

METHODS = {"pool": "Describes every image without a label, and lets the strategy choose anew."}
KIND = JobKind.SCORE


@routes.route("/scoring/", "GET")
def get_scoring(here: Here) -> Response:
    """Say how the last scoring stands, or the one that runs, or list all."""
    if asked_flag("all"):
        return json_answer(tasks.every(here, KIND))
    running_only = asked_flag("check_if_running")
    return json_answer(tasks.task(tasks.newest(here, KIND, running_only=running_only)))


@routes.route("/scoring/", "POST")
def score_all(here: Here) -> Response:
    """Ask for every scoring."""
    json_object()
    return json_answer({name: {"result": _scored(here), "detail": None} for name in METHODS})


@routes.route("/scoring/<method>", "POST")
def score(here: Here, method: str) -> Response:
    """Ask for a scoring; while one runs it is refused."""
    json_object()
    if spoken(method) not in METHODS:
        raise NotFound(
            f"There is no scoring method {method[:64]!r}; there are {', '.join(METHODS)}."
        )
    if any(each.started_at is not None for each in tasks.unfinished(here, KIND)):
        return detail_answer("++++++++++ Scoring Task is Already Running", 429)
    return json_answer(_scored(here))


@routes.route("/scoring/", "DELETE")
def stop_scoring(here: Here) -> Response:
    """Stop what waits or runs; null where nothing does."""
    return json_answer(tasks.stop(here, KIND, annotator(None)))


def _scored(here: Here) -> dict[str, Any]:
    job: Job = service().jobs.ensure(here.project.id, KIND)
    if asked_flag("run_sync"):
        job = tasks.waited_for(job)
    return tasks.task(job)
