"""`/model/{model}`: the weights that serve. They are made by trainings and measured, not sent."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import Forbidden

from limner.errors import NotFound
from limner.http.context import service
from limner.http.monai_label.answers import download, json_answer
from limner.http.monai_label.entries import entry, serving
from limner.http.monai_label.routes import Here, Routes
from limner.records.rows import ModelVersion

routes = Routes()


@routes.route("/model/<model>", "GET")
def get_model(here: Here, model: str) -> Response:
    """Give the file of the weights that serve."""
    version = _version(here, model)
    ref = service().models.ref(here.project, version)
    return download(ref.weights, f"{entry(here, model).name}.weights", etag=version.weights_sha256)


@routes.route("/model/info/<model>", "GET")
def get_model_info(here: Here, model: str) -> Response:
    """Say which weights serve, and since when."""
    version = _version(here, model)
    return json_answer(
        {
            "checksum": f"SHA256:{version.weights_sha256}",
            "modified_time": int(version.promoted_at or version.created_at),
            "version": version.number,
        }
    )


@routes.route("/model/<model>", "PUT")
@routes.route("/model/<model>", "DELETE")
def refuse_change(here: Here, model: str) -> Response:
    """Refuse: what serves was measured, and a file that is sent could be anything."""
    entry(here, model)
    raise Forbidden(
        "Weights cannot be sent or deleted here: a version serves because it was trained and "
        "measured. To go back to an earlier one, promote it at "
        f"/api/v1/projects/{here.name}/models."
    )


def _version(here: Here, model: str) -> ModelVersion:
    chosen, version = entry(here, model), serving(here)
    if version is None:
        raise NotFound(f"Model File NOT Found for {chosen.name}: no version serves yet.")
    return version
