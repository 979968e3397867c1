"""What a client must not be able to do, and what must not happen to what it sent."""

from __future__ import annotations

import json
import threading
import time
from urllib.parse import quote

import httpx
import pytest
from tests.http.conftest import truth, volume_bytes
from tests.http.dialect.conftest import Dialect, Site, made, mask_of, spoken

ELSEWHERE = ["../x", "../../x", "/etc/passwd", "..\\x", "a/../../x", "%2e%2e/x"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_image_is_not_written_where_its_id_leads(dialect: Dialect, name: str) -> None:
    before = dialect.state()
    answer = dialect.ask(
        "PUT",
        "/datastore/image",
        params={"image": name},
        files={"file": ("a.nii.gz", volume_bytes(truth("a")))},
    )
    if answer.status_code == 200:  # a name that only looks like a path
        assert list(dialect.folder.rglob(f"{answer.json()['image']}.nii.gz"))
    else:
        assert answer.status_code in (404, 422)
        assert dialect.state() == before
    outside = {path for path in dialect.folder.parent.iterdir() if path.is_file()}
    assert not outside


@pytest.mark.parametrize("tag", ["../x", "../../x", "/etc/x", "a/b", "..", "a\\b", "x" * 65])
def test_a_label_is_not_written_where_its_tag_leads(dialect: Dialect, tag: str) -> None:
    before = dialect.state()
    assert dialect.submit("case0", mask_of("case0"), tag).status_code == 422
    assert dialect.state() == before


def test_parameters_cannot_name_another_image_or_a_file_of_the_server(trained: Dialect) -> None:
    secret = trained.folder.parent / "secret.nii.gz"
    secret.write_bytes(volume_bytes(truth("secret")))
    params = {"image": str(secret), "model": "nothing", "session_id": "nothing"}
    data = {"params": json.dumps(params)}
    try:
        assert trained.ask("POST", "/infer/tiny", data=data).status_code == 422
        assert trained.ask("POST", f"/infer/tiny?image={secret}", data=data).status_code == 404
        named = trained.ask("POST", "/infer/tiny?image=case0&output=image", data=data)
        plain = trained.ask("POST", "/infer/tiny?image=case0&output=image")
        assert named.content == plain.content
    finally:
        secret.unlink()


def test_weights_cannot_be_sent_or_deleted(trained: Dialect) -> None:
    before = trained.ask("GET", "/model/info/tiny").json()
    assert trained.ask("PUT", "/model/tiny", files={"file": b"x"}).status_code == 403
    assert trained.ask("DELETE", "/model/tiny").status_code == 403
    assert trained.ask("GET", "/model/info/tiny").json() == before


def test_looking_again_needs_a_token(dialect: Dialect) -> None:
    assert dialect.ask("POST", "/reload").status_code == 403


def test_labels_given_at_once_are_all_kept(site: Site) -> None:
    dialect = made(site, images=8)
    answers: list[int] = []

    def give(number: int) -> None:
        name = f"case{number % 8}"
        tag = "" if number < 8 else f"version_{number}"
        answer = dialect.submit(name, mask_of(name, 1 + number % 2), tag, client_id=f"c{number}")
        answers.append(answer.status_code)

    threads = [threading.Thread(target=give, args=(number,)) for number in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [200] * 16
    objects = dialect.ask("GET", "/datastore/?output=all").json()["objects"]
    for number in range(8):
        assert set(objects[f"case{number}"]["labels"]) == {"final", f"version_{number + 8}"}


def test_clients_that_ask_at_once_get_different_images(site: Site) -> None:
    dialect = made(site, images=12)
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: got.append(dialect.next(f"client{n}")["id"]))
        for n in range(10)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(got)) == 10


def test_a_deleted_label_does_not_bring_an_older_one_back(dialect: Dialect) -> None:
    dialect.submit("case0", mask_of("case0", 1)).raise_for_status()
    dialect.submit("case0", mask_of("case0", 2)).raise_for_status()
    dialect.ask("DELETE", "/datastore/label?id=case0&tag=final").raise_for_status()
    assert dialect.ask("HEAD", "/datastore/label?image=case0&tag=final").status_code == 404
    assert dialect.ask("GET", "/datastore/").json()["completed"] == 0
    sample = dialect.service.samples.named(dialect.name, "case0")
    kept = dialect.service.labels.list(dialect.name, sample.id)
    assert [each.state for each in kept] == ["rejected", "rejected"]


def test_the_checksum_of_an_image_is_compared(dialect: Dialect) -> None:
    import hashlib

    content = (dialect.folder / "case0.nii.gz").read_bytes()
    right = f"SHA256:{hashlib.sha256(content).hexdigest()}"
    for value, status in ((right, 200), ("SHA256:00", 404), ("CRC:00", 404)):
        answer = dialect.ask("HEAD", f"/datastore/image?image=case0&check_sum={value}")
        assert answer.status_code == status


def test_the_log_holds_no_parameters_and_no_names(
    trained: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    params = {"client_id": "Dr Secret", "patient": "Jane Roe"}
    with caplog.at_level("INFO", logger="limner"):
        trained.ask(
            "POST", "/infer/tiny?image=case0", data={"params": json.dumps(params)}
        ).raise_for_status()
    assert "/infer/<model>" in str([vars(each) for each in caplog.records])
    assert "Secret" not in str([vars(each) for each in caplog.records])
    assert "Roe" not in str([vars(each) for each in caplog.records])


def test_an_answer_that_takes_long_holds_nobody_else_up(site: Site) -> None:
    dialect = made(site, app="clicking", app_options={"prompt_seconds": 1.5})
    for _ in range(3):
        name = dialect.next()["id"]
        dialect.submit(name, volume_bytes(truth(name))).raise_for_status()
    assert dialect.ask("POST", "/train/clicking?run_sync=true", json={}).json()["status"] == "DONE"
    answered: list[float] = []
    params = {"params": json.dumps({"foreground": [[2, 2, 2]]})}

    def slow() -> None:
        dialect.ask("POST", "/infer/clicking-deepgrow?image=case0", data=params)
        answered.append(time.monotonic())

    thread = threading.Thread(target=slow)
    thread.start()
    polls = 0
    while not answered and polls < 10:
        assert dialect.ask("GET", "/info/").status_code == 200
        polls += 1
    done = bool(answered)
    thread.join()
    assert polls == 10
    assert not done


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_that_announces_a_body_and_has_none_is_answered_at_once(
    dialect: Dialect, method: str
) -> None:
    path = f"/monai/{dialect.name}/datastore/label?id=case0&image=case0&label=case0&tag=final"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 4000\r\n\r\n"
    )
    answer = spoken(dialect.root, head.encode(), timeout_s=5)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))
    assert b"connection: close" in answer.lower()


def test_what_follows_such_a_request_is_not_taken_for_another(dialect: Dialect) -> None:
    before = dialect.state()
    smuggled = (
        f"POST /monai/{dialect.name}/activelearning/random HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        'Content-Length: 19\r\n\r\n{"client_id":"ann"}'
    )
    head = (
        f"GET /monai/{dialect.name}/info/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {len(smuggled)}\r\n\r\n"
    )
    answer = spoken(dialect.root, (head + smuggled).encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert dialect.state() == before


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "plus+sign",
        "percent%20",
        "quote'single",
        "ünï-cødé",
        "日本",
        "dots.in.it",
        "a" * 248,
    ],
)
def test_an_image_of_any_name_goes_through_every_route(dialect: Dialect, name: str) -> None:
    content = volume_bytes(truth("x"))
    sent = dialect.ask(
        "PUT", f"/datastore/?image={quote(name)}", files={"file": ("x.nii.gz", content)}
    )
    assert sent.status_code == 200, sent.text
    assert sent.json()["image"] == name
    got = dialect.ask("GET", f"/datastore/image?image={quote(name)}")
    assert got.content == content
    label = mask_of("x")
    assert dialect.submit(name, label).status_code == 200
    back = dialect.ask("GET", f"/datastore/label?label={quote(name)}&tag=final")
    assert back.content == label
    said = back.headers["Content-Disposition"]
    assert said.startswith(('attachment; filename="', "attachment; filename*=utf-8''"))


@pytest.mark.parametrize("name", [".hidden", "a\nb", "a\x00b", "x" * 300, " "])
def test_an_image_of_an_unusable_name_is_refused(dialect: Dialect, name: str) -> None:
    before = dialect.state()
    sent = dialect.ask(
        "PUT", "/datastore/", params={"image": name}, files={"file": ("x.nii.gz", b"x")}
    )
    assert 400 <= sent.status_code < 500
    assert dialect.state() == before


def test_errors_can_be_read_by_a_page_that_may_ask(dialect: Dialect) -> None:
    page = {"Origin": "http://localhost:3000"}
    for method, path in (
        ("GET", "/info/"),
        ("POST", "/infer/nothing"),
        ("GET", "/infer/tiny"),
        ("GET", "/no/such/route"),
        ("POST", "/activelearning/nothing"),
    ):
        answer = dialect.ask(method, path, headers=page)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "Origin" in answer.headers["Vary"]


def test_a_strangers_page_reads_nothing_and_changes_nothing(dialect: Dialect) -> None:
    before = dialect.state()
    page = {"Origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in dialect.ask("GET", "/info/", headers=page).headers
    answer = dialect.ask("POST", "/activelearning/random", json={"client_id": "ann"}, headers=page)
    assert answer.status_code == 403
    assert dialect.state() == before


def test_limners_own_interface_is_not_opened_to_pages(dialect: Dialect) -> None:
    page = {"Origin": "http://localhost:3000"}
    answer = httpx.get(f"{dialect.root}/api/v1/info", headers=page)
    assert "Access-Control-Allow-Origin" not in answer.headers
    changed = httpx.post(f"{dialect.root}/api/v1/projects", json={}, headers=page)
    assert changed.status_code == 403


def test_a_training_that_fails_says_why(site: Site) -> None:
    dialect = made(site, app="clicking")
    answer = dialect.ask("POST", "/train/clicking", json={})
    assert answer.status_code == 409
    assert "no submitted label" in answer.json()["detail"]
    assert dialect.ask("GET", "/train/").status_code == 404
