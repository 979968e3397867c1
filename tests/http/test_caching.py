"""Files as answers: whole, in parts, or not again."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from limner.http import errors
from limner.http.caching import file_answer

CONTENT = bytes(range(256)) * 4


@pytest.fixture(params=["path", "bytes"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> FlaskClient:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    app = Flask("test", static_folder=None)
    errors.register(app)

    @app.route("/file", methods=["GET", "POST"])
    def file() -> Response:
        return file_answer(
            path if request.param == "path" else CONTENT,
            media_type="application/gzip",
            name='Smith "J" ä.nii.gz',
            etag="abc123",
            headers={"Limner-Model-Version": "3"},
        )

    @app.get("/gone")
    def gone() -> Response:
        return file_answer(tmp_path / "absent", media_type="application/gzip", name="a", etag="x")

    return app.test_client()


def test_a_file_is_answered_whole(client: FlaskClient) -> None:
    with client.get("/file") as response:
        assert response.status_code == 200
        assert response.data == CONTENT
        assert response.headers["ETag"] == '"abc123"'
        assert response.headers["Content-Length"] == str(len(CONTENT))
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["Limner-Model-Version"] == "3"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        disposition = response.headers["Content-Disposition"]
        assert disposition.startswith("attachment;")
        assert "filename*=UTF-8''Smith%20%22J%22%20%C3%A4.nii.gz" in disposition


@pytest.mark.parametrize(
    ("asked", "part", "said"),
    [
        ("bytes=0-9", CONTENT[:10], "bytes 0-9/1024"),
        ("bytes=1000-", CONTENT[1000:], "bytes 1000-1023/1024"),
        ("bytes=-5", CONTENT[-5:], "bytes 1019-1023/1024"),
        ("bytes=1000-99999", CONTENT[1000:], "bytes 1000-1023/1024"),
    ],
)
def test_a_part_is_answered_alone(client: FlaskClient, asked: str, part: bytes, said: str) -> None:
    with client.get("/file", headers={"Range": asked}) as response:
        assert response.status_code == 206
        assert response.data == part
        assert response.headers["Content-Range"] == said


@pytest.mark.parametrize("asked", ["bytes=5000-6000", "bytes=9-1", "bytes=a-b", "pages=1-2"])
def test_a_part_that_is_not_there_is_refused(client: FlaskClient, asked: str) -> None:
    with client.get("/file", headers={"Range": asked}) as response:
        assert response.status_code == 416
        assert response.content_type == "application/problem+json"
        assert response.headers["Content-Range"] == "bytes */1024"


def test_what_the_client_has_is_not_sent_again(client: FlaskClient) -> None:
    for header in ('"abc123"', '"other", "abc123"', "*"):
        with client.get("/file", headers={"If-None-Match": header}) as response:
            assert response.status_code == 304
            assert response.data == b""
            assert response.headers["ETag"] == '"abc123"'
    with client.get("/file", headers={"If-None-Match": '"other"'}) as response:
        assert response.status_code == 200


def test_what_the_client_has_goes_before_the_part_it_asks_for(client: FlaskClient) -> None:
    headers = {"If-None-Match": '"abc123"', "Range": "bytes=0-9"}
    with client.get("/file", headers=headers) as response:
        assert response.status_code == 304


def test_a_part_of_another_content_is_answered_whole(client: FlaskClient) -> None:
    for condition, status in (('"other"', 200), ('"abc123"', 206)):
        headers = {"If-Range": condition, "Range": "bytes=0-9"}
        with client.get("/file", headers=headers) as response:
            assert response.status_code == status


def test_a_post_is_never_conditional(client: FlaskClient) -> None:
    headers = {"If-None-Match": '"abc123"', "Range": "bytes=0-9"}
    with client.post("/file", headers=headers) as response:
        assert (response.status_code, response.data) == (200, CONTENT)


def test_a_head_has_no_body(client: FlaskClient) -> None:
    with client.head("/file") as response:
        assert response.headers["Content-Length"] == str(len(CONTENT))
        assert response.data == b""


def test_a_file_that_is_gone_is_missing(client: FlaskClient) -> None:
    with client.get("/gone") as response:
        assert response.status_code == 404
        assert response.content_type == "application/problem+json"
