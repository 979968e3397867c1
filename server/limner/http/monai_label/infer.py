"""`/infer/{model}`: what the model says of an image, drawn or told."""

from __future__ import annotations

import secrets
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Response

from limner.errors import Conflict, InvalidRequest
from limner.http.context import service
from limner.http.monai_label.annotations.markups import detection_params
from limner.http.monai_label.answers import download, form_answer, json_answer
from limner.http.monai_label.drawing import Drawn, Wish, drawn, is_usual, wish_of
from limner.http.monai_label.entries import Entry, entry, serving
from limner.http.monai_label.inputs import Input, given_image
from limner.http.monai_label.polygon_answers import (
    POLYGONS,
    polygon_answer,
    polygon_file,
    whole,
)
from limner.http.monai_label.prompts import prompts_of
from limner.http.monai_label.reading import asked_choice, form_file, form_object
from limner.http.monai_label.routes import Here, Routes, annotator, waiting_client
from limner.http.monai_label.uploaded_labels import read_scribbles
from limner.images import encode_answer, label_suffixes
from limner.loop.predict import Answered
from limner.plugin import ClassScores, Instances
from limner.records.rows import LabelState

routes = Routes()

FINAL, ORIGINAL = "final", "original"


@routes.route("/infer/<model>", "POST")
def infer(here: Here, model: str) -> Response:
    """Answer for an image: parameters and a file, or one of them, as `output` asks."""
    chosen = entry(here, model)
    output = asked_choice("output", "all", "json", "image", "dicom_seg") or "all"
    params = form_object("params")
    if output == "dicom_seg":
        raise Conflict("DICOM SEG format is not supported in a non-DICOM datastore")
    wish = wish_of(params)
    with given_image(here) as given:
        began = time.perf_counter()
        told: dict[str, Any] = {}
        file = None if chosen.is_interactive else _stored(here, given, wish)
        if file is None or params.get("save_label") is True:
            answered = _answered(here, chosen, given, params)
            told = _told(answered)
            if _is_outlined(answered, params):
                if not chosen.is_interactive or params["output"] != "json":
                    return polygon_answer(here, answered, params, output)
                # CVAT's tracker asks for JSON, and opens the mask's file all the same.
                told |= polygon_file(here, answered, "json", window=whole(answered))[1]
            is_file = output != "json" and not isinstance(answered.answer, ClassScores)
            file = drawn(answered, wish, given.suffix) if is_file else None
            if params.get("save_label") is True:
                _save(here, given, answered, params)
    told = _completed(here, told, params, wish.restores_values, time.perf_counter() - began)
    if file is None or output == "json":
        if output == "image":
            raise Conflict(f"Model {chosen.name!r} draws no outline; ask with output=json.")
        return json_answer(told)
    name = f"tmp{secrets.token_hex(4)}{file.suffix}"
    if output == "image":
        return download(file.content, name)
    return form_answer(told, file.content, name)


def _stored(here: Here, given: Input, wish: Wish) -> Drawn | None:
    """Return the stored prediction of a volume when it is the very file that is wanted."""
    version = serving(here)
    if given.sample is None or version is None or (wish.suffix or given.suffix) != ".nii.gz":
        return None
    schema = service().models.schema(here.project, version)
    if not is_usual(wish, schema, ".nii.gz"):
        return None
    found = service().predictions.stored(here.name, given.sample.id)
    if found is None or found.suffix != ".nii.gz" or not isinstance(found.data, Path):
        return None
    try:
        return Drawn(content=found.data.read_bytes(), suffix=found.suffix)
    except FileNotFoundError:
        return None  # replaced this moment; made again


def _answered(here: Here, chosen: Entry, given: Input, params: dict[str, Any]) -> Answered:
    client = waiting_client(params.get("client_id"))
    if not chosen.is_interactive:
        return service().predictions.answer(here.name, given.image, client=client)
    header = given.header(here)
    file = form_file("label")
    scribbles = None if file is None else read_scribbles(here, header, file)
    schema = service().projects.schema(here.project)
    prompts = prompts_of(chosen, params, header, schema, scribbles)
    return service().predictions.answer(here.name, given.image, prompts=prompts, client=client)


def _is_outlined(answered: Answered, params: dict[str, Any]) -> bool:
    """Tell whether outlines are wanted, of an answer that has some."""
    has_outlines = not isinstance(answered.answer, ClassScores)
    return params.get("output") in POLYGONS and has_outlines and answered.header.kind == "picture"


def _told(answered: Answered) -> dict[str, Any]:
    """Say what is no outline."""
    answer = answered.answer
    if isinstance(answer, ClassScores):
        names = answered.schema.names
        ranked = sorted(
            (
                {"idx": place, "label": name, "score": float(score)}
                for place, (name, score) in enumerate(zip(names, answer.probabilities, strict=True))
            ),
            key=lambda each: -float(str(each["score"])),
        )
        return {"prediction": ranked}
    if isinstance(answer, Instances):
        return detection_params(answer, answered.schema)
    return {"centroids": {}}


def _completed(
    here: Here, told: dict[str, Any], params: dict[str, Any], restores: bool, seconds: float
) -> dict[str, Any]:
    schema = service().projects.schema(here.project)
    names: Any = list(schema.names)
    if restores and any(each.value != place for place, each in enumerate(schema.classes, start=1)):
        names = {each.name: each.value for each in schema.classes}
    return {
        "label_names": names,
        "latencies": {"total": round(seconds, 4)},
        **told,
        **({"label": params["label"]} if isinstance(params.get("label"), str) else {}),
    }


def _save(here: Here, given: Input, answered: Answered, params: dict[str, Any]) -> None:
    """Keep an answer under a tag, as the request wants; only of an image that is a sample."""
    if given.sample is None:
        return
    tag = params.get("label_tag") or ORIGINAL
    if not isinstance(tag, str):
        raise InvalidRequest(f"label_tag is {str(tag)[:50]!r}; it is a text.")
    suffix = label_suffixes(here.task, answered.header.kind)[0]
    content = encode_answer(answered.answer, answered.header, answered.schema, suffix)
    service().labels.submit(
        here.name,
        given.sample.id,
        file=BytesIO(content),
        filename=f"label{suffix}",
        annotator=annotator(params.get("client_id")),
        state=LabelState.SUBMITTED if tag == FINAL else LabelState.DRAFT,
        tag="" if tag == FINAL else tag,
        remarks={"params": params},
    )
