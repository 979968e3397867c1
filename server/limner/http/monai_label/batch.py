"""`/batch/infer`: predicting many images ahead."""

from __future__ import annotations

from typing import Any

from flask import Response

from limner.errors import InvalidRequest, NoModel
from limner.http.context import service
from limner.http.monai_label import tasks
from limner.http.monai_label.answers import detail_answer, json_answer
from limner.http.monai_label.entries import entry, serving
from limner.http.monai_label.reading import asked_choice, asked_flag, json_object
from limner.http.monai_label.routes import Here, Routes, annotator
from limner.records.rows import JobKind, SampleState

routes = Routes()

KIND = JobKind.PREDICT
_STATES = {
    "all": (SampleState.READY, SampleState.LABELLED),
    "labeled": (SampleState.LABELLED,),
    "unlabeled": (SampleState.READY,),
}
_MOST_NAMED = 10_000


@routes.route("/batch/infer", "GET")
def get_batch(here: Here) -> Response:
    """Say how the last bulk prediction stands, or the one that runs, or list all."""
    if asked_flag("all"):
        return json_answer(tasks.every(here, KIND))
    running_only = asked_flag("check_if_running")
    return json_answer(tasks.task(tasks.newest(here, KIND, running_only=running_only)))


@routes.route("/batch/infer/<model>", "POST")
def batch_infer(here: Here, model: str) -> Response:
    """Predict all images, or those with or without a label, or those that the body names.

    What is predicted is stored, and found as the label with the tag `original`.
    """
    params = json_object()
    entry(here, model)
    wanted = params.get("images", asked_choice("images", *_STATES) or "all")
    if serving(here) is None:
        raise NoModel(f"Project {here.name} has no model yet: label some images first.")
    if tasks.unfinished(here, KIND):
        return detail_answer("++++++++++ Batch_infer Task is Already Running", 429)
    job = service().jobs.ensure(here.project.id, KIND, _which(here, wanted))
    if asked_flag("run_sync"):
        job = tasks.waited_for(job)
    told = tasks.task(job)
    told["request"] = {"model": model, **params, "images": wanted}
    return json_answer(told)


@routes.route("/batch/infer", "DELETE")
def stop_batch(here: Here) -> Response:
    """Stop what waits or runs; null where nothing does."""
    return json_answer(tasks.stop(here, KIND, annotator(None)))


def _which(here: Here, wanted: Any) -> dict[str, Any]:
    """Say which samples are meant, as the job's parameters do."""
    if isinstance(wanted, list):
        if len(wanted) > _MOST_NAMED or not all(isinstance(each, str) for each in wanted):
            raise InvalidRequest(f"images is a list of at most {_MOST_NAMED} ids, or a word.")
        return {"samples": [here.sample(each).id for each in wanted]}
    if not isinstance(wanted, str) or wanted not in _STATES:
        raise InvalidRequest(f"images is {str(wanted)[:50]!r}; take {', '.join(_STATES)}.")
    return {"states": [each.value for each in _STATES[wanted]]}
