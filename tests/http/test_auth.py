"""A token where one is set; no stranger's page where none is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from limner.errors import SettingsError
from limner.http import auth, errors, logs, rights
from limner.settings import Settings


def client_with(**settings: object) -> FlaskClient:
    app = Flask("test", static_folder=None)
    logs.register(app)
    auth.guard(
        app,
        Settings.model_validate({"home": Path(), **settings}),
        is_open=lambda: request.path == "/opened",
        is_trusted=lambda: request.headers.get("Origin") == "http://trusted.example",
    )
    errors.register(app)
    for path in ("/health/live", "/api/v1/thing", "/docs", "/metrics", "/opened"):
        app.add_url_rule(path, path, lambda: "here", methods=["GET", "POST", "DELETE"])
    return app.test_client()


@pytest.mark.parametrize("path", ["/api/v1/thing", "/docs", "/metrics", "/absent"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Bearer secre",
        "Bearer secrett",
        "Basic secret",
        "secret",
        "Bearer sécret",
        "Bearer \u00ff",
    ],
)
def test_without_the_right_token_nothing_is_answered(path: str, header: str | None) -> None:
    response = client_with(token="secret").get(
        path, headers={} if header is None else {"Authorization": header}
    )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "secret" not in response.text


def test_the_right_token_opens_and_health_needs_none() -> None:
    client = client_with(token="secret")
    assert client.get("/docs", headers={"Authorization": "Bearer secret"}).status_code == 200
    assert client.get("/docs", headers={"Authorization": "bearer  secret "}).status_code == 200
    assert client.get("/health/live").status_code == 200


def test_what_the_application_opens_needs_no_token() -> None:
    client = client_with(token="secret")
    assert client.post("/opened").status_code == 200
    assert client.post("/opened/further").status_code == 401


def test_a_page_that_the_application_trusts_may_change_things() -> None:
    client = client_with()
    for origin, status in (("http://trusted.example", 200), ("http://other.example", 403)):
        asked = client.post("/api/v1/thing", headers={"Host": "localhost", "Origin": origin})
        assert asked.status_code == status


def test_a_trusted_page_needs_the_token_and_this_machines_name_all_the_same() -> None:
    trusted = {"Origin": "http://trusted.example"}
    assert client_with(token="secret").post("/api/v1/thing", headers=trusted).status_code == 401
    elsewhere = {**trusted, "Host": "evil.example"}
    assert client_with().post("/api/v1/thing", headers=elsewhere).status_code == 403


def test_a_token_beyond_ascii_works() -> None:
    sent = "Bearer gehéim".encode().decode("latin-1")
    client = client_with(token="gehéim")
    assert client.get("/docs", headers={"Authorization": sent}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])  # noqa: S104
def test_listening_beyond_this_machine_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="token"):
        auth.check_exposure(Settings(home=Path(), host=host))
    auth.check_exposure(Settings.model_validate({"home": ".", "host": host, "token": "secret"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    auth.check_exposure(Settings(home=Path(), host=host))


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(SettingsError, match="empty"):
        auth.check_exposure(Settings.model_validate({"home": ".", "token": " "}))


def test_the_admin_token_opens_what_the_ordinary_one_does() -> None:
    client = client_with(token="secret", admin_token="higher")
    for token in ("secret", "higher"):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.post("/api/v1/thing", headers=headers).status_code == 200
    wrong = {"Authorization": "Bearer secrethigher"}
    assert client.post("/api/v1/thing", headers=wrong).status_code == 401


def test_an_admin_token_alone_leaves_the_other_checks_as_they_are() -> None:
    client = client_with(admin_token="higher")
    assert client.get("/docs", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/docs", headers={"Host": "localhost"}).status_code == 200
    foreign = {"Host": "localhost", "Origin": "https://evil.example"}
    assert client.post("/api/v1/thing", headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"admin_token": " "}, "admin token is empty"),
        ({"admin_token": ""}, "admin token is empty"),
        ({"token": "same", "admin_token": "same"}, "is the ordinary token"),
        ({"token": "same", "admin_token": " same "}, "is the ordinary token"),
        ({"admin_token": "higher", "host": "192.0.2.1"}, "set a token"),
    ],
)
def test_admin_tokens_that_protect_nothing_are_refused_at_the_start(
    tokens: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        auth.check_exposure(Settings.model_validate({"home": Path(), **tokens}))
    assert "same" not in str(caught.value)
    assert "higher" not in str(caught.value)


def demanding(**settings: object) -> FlaskClient:
    client = client_with(**settings)

    def view() -> str:
        rights.demand("plugins")
        return "done"

    client.application.add_url_rule("/api/v1/guarded", "guarded", view, methods=["POST"])
    return client


@pytest.mark.parametrize(
    ("settings", "sent", "status"),
    [
        ({}, None, 403),
        ({}, "higher", 403),
        ({"token": "secret"}, "secret", 403),
        ({"token": "secret"}, "higher", 401),
        ({"admin_token": "higher"}, None, 401),
        ({"admin_token": "higher"}, "secret", 401),
        ({"admin_token": "higher"}, "higher", 200),
        ({"token": "secret", "admin_token": "higher"}, None, 401),
        ({"token": "secret", "admin_token": "higher"}, "secret", 403),
        ({"token": "secret", "admin_token": "higher"}, "highe", 401),
        ({"token": "secret", "admin_token": "higher"}, "higher", 200),
    ],
)
def test_a_right_is_the_admin_tokens_alone(
    settings: dict[str, str], sent: str | None, status: int
) -> None:
    headers = {"Host": "localhost"} | ({} if sent is None else {"Authorization": f"Bearer {sent}"})
    response = demanding(**settings).post("/api/v1/guarded", headers=headers)
    assert response.status_code == status
    if status == 403 and "admin_token" not in settings:
        assert "no admin token is set; start with --admin-token" in response.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.7", "[", ""]
)
def test_a_name_that_was_bent_to_this_machine_is_refused(host: str) -> None:
    response = client_with().get("/docs", headers={"Host": host})
    assert response.status_code == 403
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000"])
def test_this_machine_is_answered_by_all_its_names(host: str) -> None:
    assert client_with().get("/docs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_pages_of_other_sites_change_nothing(headers: dict[str, str], method: str) -> None:
    client = client_with()
    response = client.open(
        "/api/v1/thing", method=method, headers={"Host": "localhost:8000", **headers}
    )
    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_own_pages_may_change_things(headers: dict[str, str]) -> None:
    response = client_with().post("/api/v1/thing", headers={"Host": "localhost:8000", **headers})
    assert response.status_code == 200


def test_a_name_in_utf_8_is_kept_as_it_was_sent(live: Any) -> None:
    project = live.project(images=1)
    header = {"Limner-Actor": "Ünal Łukasiewicz 山田".encode()}
    live.http.patch(project.url, json={"title": "x"}, headers=header).raise_for_status()
    newest = live.http.get(f"{project.url}/audit").json()["items"][0]
    assert newest["actor"] == "Ünal Łukasiewicz 山田"
