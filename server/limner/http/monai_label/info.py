"""`GET /info/`: what the project is and offers. Clients read it again after each step."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from flask import Response

from limner.http.context import service
from limner.http.monai_label.answers import json_answer
from limner.http.monai_label.entries import dimension_of, entries, serving
from limner.http.monai_label.routes import Here, Routes
from limner.http.monai_label.scoring import METHODS
from limner.http.monai_label.tasks import spent
from limner.loop.picking import orders
from limner.plugin import Ability
from limner.records import jobs as job_rows
from limner.records.rows import JobKind, JobState, ModelVersion

routes = Routes()

FINAL, ORIGINAL = "final", "original"

_STRATEGIES = {
    "random": "The project's random order.",
    "first": "The order of the names.",
}


@routes.route("/info/", "GET")
def get_info(here: Here) -> Response:
    """Say what the project is: its models, trainers, strategies and how far it has come."""
    settings = service().projects.settings(here.project)
    model = serving(here)
    dimension, number = dimension_of(here), "" if model is None else str(model.number)
    # A model that cannot answer yet is not listed: viewers would ask it at once.
    shown = [] if model is None else entries(here)
    return json_answer(
        {
            "name": here.project.title or here.name,
            "description": f"{here.name}: {here.task.value} by {here.project.app}.",
            "version": version("limner"),
            "labels": list(service().projects.schema(here.project).names),
            "models": {each.name: each.as_json(here, dimension, number) for each in shown},
            "trainers": _trainers(here),
            "strategies": {
                name: {"description": _STRATEGIES.get(name, f"The queue that {name} leaves.")}
                for name in orders(settings)
            },
            "scoring": {name: {"description": text} for name, text in METHODS.items()},
            "train_stats": _train_stats(here, model),
            "datastore": datastore_stats(here),
        }
    )


def datastore_stats(here: Here) -> dict[str, Any]:
    """Say how many images there are and how many are labelled, from counts that are kept."""
    project = here.project
    tags = {FINAL: project.labelled, **service().tags.counts(here.name)}
    return {"total": project.samples, "completed": project.labelled, "label_tags": tags}


def _trainers(here: Here) -> dict[str, Any]:
    offered = entries(here)
    if not offered:
        return {}
    manifest = service().projects.app(here.project.app)
    if Ability.TRAIN not in manifest.abilities:
        return {}
    return {
        manifest.name: {
            "description": "Trains a version on every submitted label.",
            "config": {"pretrained": True, "effort": 1.0},
            "labels": list(service().projects.schema(here.project).names),
        }
    }


def _train_stats(here: Here, model: ModelVersion | None) -> dict[str, Any]:
    with service().records.read() as tx:
        job = job_rows.newest(tx, here.project.id, JobKind.TRAIN)
    if job is None:
        return {}
    job = service().jobs.get(job.id)
    step, total = int(job.progress.get("step") or 0), int(job.progress.get("total") or 0)
    stats: dict[str, Any] = {
        "epoch": step,
        "total_epochs": max(total, step),
        "start_ts": int(job.started_at or job.created_at),
        # Clients format it as a number, also before there is one.
        "best_metric": 0.0 if model is None else float(model.metrics.get("score") or 0.0),
    }
    is_over = job.state in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    stats["total_time" if is_over else "current_time"] = spent(job)
    return {here.project.app: stats}
