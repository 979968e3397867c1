"""`/train/`: asking for trainings, following and stopping them."""

from __future__ import annotations

from typing import Any

from flask import Response

from limner.errors import NotFound
from limner.http.context import service
from limner.http.monai_label import tasks
from limner.http.monai_label.answers import detail_answer, json_answer
from limner.http.monai_label.entries import app_of
from limner.http.monai_label.reading import asked_flag, json_object
from limner.http.monai_label.routes import Here, Routes, annotator, spoken
from limner.records.rows import Job, JobKind

routes = Routes()

KIND = JobKind.TRAIN


@routes.route("/train/", "GET")
def get_train(here: Here) -> Response:
    """Say how the last training stands, or the one that runs, or list all."""
    if asked_flag("all"):
        return json_answer(tasks.every(here, KIND))
    running_only = asked_flag("check_if_running")
    return json_answer(tasks.task(tasks.newest(here, KIND, running_only=running_only)))


@routes.route("/train/<model>", "POST")
def train_model(here: Here, model: str) -> Response:
    """Ask for a training; while one waits or runs, only with `enqueue`."""
    params = json_object()
    _check_trainer(here, model)
    if tasks.unfinished(here, KIND) and not asked_flag("enqueue"):
        return detail_answer("++++++++++ Train Task is Already Running", 429)
    job = _asked_for(here, params)
    if asked_flag("run_sync"):
        job = tasks.waited_for(job)
    return json_answer(_told(job, model, params))


@routes.route("/train/", "POST")
def train_all(here: Here) -> Response:
    """Ask for a training of every trainer: a project has one. A training that runs is waited for.

    Parameters are given by the model's name, as the OHIF viewer does.
    """
    params = json_object()
    manifest = app_of(here)
    if manifest is None:
        raise NotFound(f"Project {here.name} has no app that could be trained.")
    own = params.get(manifest.name)
    wishes = {**params, **own} if isinstance(own, dict) else params
    job = _asked_for(here, wishes)
    if asked_flag("run_sync"):
        job = tasks.waited_for(job)
    result = _told(job, manifest.name, params)
    return json_answer({manifest.name: {"result": result, "detail": None}})


@routes.route("/train/", "DELETE")
def stop_train(here: Here) -> Response:
    """Stop what waits or runs; null where nothing does."""
    return json_answer(tasks.stop(here, KIND, annotator(None)))


def _check_trainer(here: Here, model: str) -> None:
    manifest = app_of(here)
    if manifest is None or spoken(model) != manifest.name:
        has = "none" if manifest is None else manifest.name
        raise NotFound(f"Project {here.name} has no trainer {model[:64]!r}; it has {has}.")


def _asked_for(here: Here, params: dict[str, Any]) -> Job:
    """Queue a training; of what other servers' trainers know, these two have a meaning here."""
    wishes: dict[str, Any] = {}
    if params.get("pretrained") is False:
        wishes["from_scratch"] = True
    if params.get("effort") not in (None, 1, 1.0):
        wishes["effort"] = params["effort"]
    return service().retrain.request(here.name, annotator(params.get("client_id")), wishes)


def _told(job: Job, model: str, params: dict[str, Any]) -> dict[str, Any]:
    told = tasks.task(job)
    told["request"] = {"model": model, **params}
    return told
