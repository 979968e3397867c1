"""Every exception becomes a problem, and no foreign word leaves the server."""

from __future__ import annotations

import errno
import inspect
import json
import logging

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from limner import errors
from limner.http import errors as answers
from limner.http import logs
from limner.http.problems import MEDIA_TYPE


@pytest.fixture
def app() -> Flask:
    app = Flask("test", static_folder=None)
    logs.register(app)
    answers.register(app)

    @app.get("/fine")
    def fine() -> str:
        return "fine"

    return app


def client_raising(app: Flask, error: Exception) -> FlaskClient:
    @app.get("/raise")
    def raise_it() -> str:
        raise error

    return app.test_client()


def test_every_class_of_errors_is_in_the_table() -> None:
    classes = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.LimnerError)
    }
    assert classes == set(answers.KINDS)


def test_the_kinds_of_problems_have_distinct_names() -> None:
    names = [answers.slug(each) for each in answers.KINDS]
    assert len(set(names)) == len(names)
    assert answers.slug(errors.NoModel) == "no-model"


@pytest.mark.parametrize("error", list(answers.KINDS))
def test_a_known_exception_is_answered_by_its_row(
    app: Flask, error: type[errors.LimnerError]
) -> None:
    response = client_raising(app, error("Value 7 is too small; take 8.")).get("/raise")
    kind = answers.KINDS[error]
    assert response.status_code == kind.status
    assert response.content_type == MEDIA_TYPE
    body = response.get_json(force=True)
    assert body["title"] == kind.title
    assert body["detail"] == "Value 7 is too small; take 8."
    assert body["type"] == f"/problems/{answers.slug(error)}"
    assert body["instance"] == "/raise"
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert (response.headers.get("Retry-After") is None) == (kind.retry_after_s is None)


def test_a_class_that_is_not_in_the_table_is_answered_like_its_base(app: Flask) -> None:
    class Odd(errors.NoModel):
        pass

    response = client_raising(app, Odd("none")).get("/raise")
    assert response.status_code == 409
    assert response.get_json(force=True)["type"] == "/problems/no-model"


def test_all_problems_of_a_request_are_told(app: Flask) -> None:
    error = errors.InvalidRequest("two things", problems=["one", "two"])
    body = client_raising(app, error).get("/raise").get_json(force=True)
    assert body["problems"] == ["one", "two"]


def test_an_unexpected_exception_leaves_no_word_of_itself(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("/data/Smith^John.nii.gz")
    with caplog.at_level(logging.INFO):
        response = client_raising(app, error).get("/raise", headers={"X-Request-Id": "abc-1"})
    assert response.status_code == 500
    body = response.get_json(force=True)
    assert body["request_id"] == "abc-1"
    assert "Smith" not in response.text
    assert "Traceback" not in response.text
    assert "RuntimeError" not in response.text
    # The log says where it happened, but not what the message says.
    assert "raise_it" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "Smith" not in caplog.text


@pytest.mark.parametrize(
    ("code", "status"), [(errno.ENOSPC, 507), (errno.ENAMETOOLONG, 422), (errno.EIO, 500)]
)
def test_what_the_system_refuses_is_told_apart(app: Flask, code: int, status: int) -> None:
    response = client_raising(app, OSError(code, "no")).get("/raise")
    assert response.status_code == status
    assert response.content_type == MEDIA_TYPE


def test_unknown_routes_and_wrong_methods_are_problems(app: Flask) -> None:
    client = app.test_client()
    missing, wrong = client.get("/absent"), client.post("/fine")
    assert (missing.status_code, missing.content_type) == (404, MEDIA_TYPE)
    assert (wrong.status_code, wrong.content_type) == (405, MEDIA_TYPE)
    assert "GET" in wrong.headers["Allow"]
    assert wrong.get_json(force=True)["type"] == "about:blank"


def test_an_aborted_request_keeps_its_words(app: Flask) -> None:
    @app.get("/teapot")
    def teapot() -> str:
        abort(418, "short and stout")

    body = app.test_client().get("/teapot").get_json(force=True)
    assert (body["status"], body["detail"]) == (418, "short and stout")


def test_texts_that_are_not_unicode_or_endless_still_make_sound_json(app: Flask) -> None:
    error = errors.InvalidRequest("bad \udcff " + "x" * 100_000, problems=["y"] * 1000)
    response = client_raising(app, error).get("/raise")
    body = json.loads(response.data.decode("utf-8"))
    assert len(response.data) < 10_000
    assert len(body["problems"]) == 50


def test_an_unusable_request_id_is_replaced(app: Flask) -> None:
    client = app.test_client()
    kept = client.get("/fine", headers={"X-Request-Id": "a.b:c-1"})
    replaced = client.get("/fine", headers={"X-Request-Id": 'x" forged="1'})
    endless = client.get("/fine", headers={"X-Request-Id": "x" * 65})
    assert kept.headers["X-Request-Id"] == "a.b:c-1"
    assert len(replaced.headers["X-Request-Id"]) == 16
    assert len(endless.headers["X-Request-Id"]) == 16


def test_a_log_line_names_the_route_and_not_what_was_asked(app: Flask) -> None:
    @app.get("/things/<name>/<int:number>")
    def thing(name: str, number: int) -> str:
        return name

    lines: list[str] = []
    handler = logs.json_handler()
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logs.log.addHandler(handler)
    logs.log.setLevel(logging.INFO)
    try:
        app.test_client().get(
            "/things/Smith/7?token=secret", headers={"Authorization": "Bearer secret"}
        )
    finally:
        logs.log.removeHandler(handler)
        logs.log.setLevel(logging.NOTSET)
    (line,) = lines
    told = json.loads(line)
    assert told["route"] == "/things/<name>/<int:number>"
    assert told["ids"] == {"number": 7}
    assert (told["status"], told["method"], told["level"]) == (200, "GET", "info")
    assert len(told["request_id"]) == 16
    assert "Smith" not in line
    assert "secret" not in line
