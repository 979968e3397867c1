"""Broken forms and values: always an answer in words, never a failure, a wait or a change."""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from typing import Any

import pytest
from tests.http.conftest import truth, volume_bytes
from tests.http.dialect.conftest import Dialect, mask_of, spoken

LINE = b"----------lImIt_of_THE_fIle_eW_$"
ODD: list[Any] = [None, [], {}, "", "x", 7, -1.5, True, [[]], [1], {"a": []}, "\ud800", [None] * 9]


def form(*parts: tuple[bytes, bytes]) -> bytes:
    """A form as the real client writes it: head of a part, then its content."""
    pieces = [b"--" + LINE + b"\r\n" + head + b"\r\n\r\n" + body for head, body in parts]
    return b"\r\n".join([*pieces, b"--" + LINE + b"--\r\n", b""])


def request(dialect: Dialect, method: str, path: str, body: bytes, line: bytes = LINE) -> bytes:
    head = (
        f"{method} /monai/{dialect.name}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n"
    )
    kind = b"Content-Type: multipart/form-data; boundary=" + line
    return head.encode() + kind + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert found is not None, answer[:200]
    return int(found[1])


def label_form(params: bytes = b"{}", file: bytes = b"x") -> bytes:
    return form(
        (b'Content-Disposition: form-data; name="params"', params),
        (b'Content-Disposition: form-data; name="label"; filename="a.nii.gz"', file),
    )


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Damage a body in one of several ways."""
    at, to = sorted(chance.sample(range(len(body)), 2))
    return chance.choice(
        (
            lambda: body[:at],
            lambda: body[at:],
            lambda: body[:at] + body[to:],
            lambda: body[:at] + bytes(chance.randrange(256) for _ in range(9)) + body[at:],
            lambda: body[:at] + b"\0" * 40 + body[to:],
            lambda: body.replace(b"\r\n", b"\n", chance.randrange(1, 9)),
            lambda: body.replace(b"name", b"NAME\xff", 1),
            lambda: body + body,
            lambda: body.replace(b'"params"', b'"' + b"p" * 5000 + b'"', 1),
        )
    )()


@pytest.mark.parametrize("seed", range(60))
def test_of_a_damaged_form_nothing_is_kept_but_a_whole_label(dialect: Dialect, seed: int) -> None:
    mask = mask_of("case0")
    body = mutated(label_form(file=mask), random.Random(seed))
    before = dialect.state()
    answer = spoken(
        dialect.root, request(dialect, "PUT", "/datastore/label?image=case0&tag=final", body)
    )
    if status(answer) == 200:  # the label itself came through whole
        kept = dialect.ask("GET", "/datastore/label?label=case0&tag=final").content
        assert zlib.decompressobj(31).decompress(kept) == gzip.decompress(mask)
    else:
        assert 400 <= status(answer) < 500
        assert dialect.state() == before


def test_a_label_whose_bytes_were_damaged_on_the_way_is_refused(dialect: Dialect) -> None:
    mask = mask_of("case0")
    before = dialect.state()
    for at in range(12, len(mask), 7):
        damaged = mask[:at] + bytes([mask[at] ^ 0x55]) + mask[at + 1 :]
        assert dialect.submit("case0", damaged).status_code == 422, at
    assert dialect.state() == before


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_form_is_no_reason_to_fail_where_a_model_is_asked(
    trained: Dialect, seed: int
) -> None:
    body = mutated(
        form(
            (b'Content-Disposition: form-data; name="params"', b'{"result_extension": ".nrrd"}'),
            (
                b'Content-Disposition: form-data; name="file"; filename="C:\\x\\a.nii.gz"',
                volume_bytes(truth("x")),
            ),
        ),
        random.Random(seed),
    )
    answer = spoken(trained.root, request(trained, "POST", "/infer/tiny?image=case0", body), 30)
    assert 200 <= status(answer) < 500


def test_many_parts_and_a_wrong_boundary_are_refused(dialect: Dialect) -> None:
    many = form(*[(b'Content-Disposition: form-data; name="a"', b"1")] * 10_000)
    for sent in (
        request(dialect, "PUT", "/datastore/label?image=case0", many),
        request(dialect, "PUT", "/datastore/label?image=case0", label_form(), b"another"),
        request(dialect, "PUT", "/datastore/label?image=case0", label_form(), b""),
    ):
        assert 400 <= status(spoken(dialect.root, sent)) < 500


@pytest.mark.parametrize("value", ODD, ids=lambda each: repr(each)[:20])
@pytest.mark.parametrize(
    "name",
    ["result_extension", "result_dtype", "restore_label_idx", "label", "client_id", "output"],
)
def test_parameters_of_any_type_are_read_or_refused(
    trained: Dialect, name: str, value: Any
) -> None:
    data = {"params": json.dumps({name: value})}
    answer = trained.ask("POST", "/infer/tiny?image=case0", data=data)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500


@pytest.mark.parametrize("value", ODD, ids=lambda each: repr(each)[:20])
@pytest.mark.parametrize("name", ["label_info", "segmentationMeta", "client_id"])
def test_what_comes_with_a_label_is_read_or_refused(
    dialect: Dialect, name: str, value: Any
) -> None:
    answer = dialect.submit("case0", mask_of("case0"), **{name: value})
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    labels = dialect.ask("GET", "/datastore/?output=all").json()["objects"]["case0"]["labels"]
    assert ("final" in labels) == (answer.status_code == 200)


@pytest.mark.parametrize(
    "raw", [b"[]", b'"x"', b"7", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000]
)
@pytest.mark.parametrize("path", ["/activelearning/random", "/train/tiny", "/infer/wsi/tiny"])
def test_a_body_that_is_no_object_is_refused(dialect: Dialect, path: str, raw: bytes) -> None:
    before = dialect.state()
    answer = dialect.ask("POST", path, content=raw)
    assert 400 <= answer.status_code < 500
    assert list(answer.json()) == ["detail"]
    assert dialect.state() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"location": "x"},
        {"location": [1]},
        {"size": [-1, 5]},
        {"size": [1e99, 5]},
        {"level": 3},
        {"min_poly_area": "big"},
        {"params": []},
    ],
)
def test_a_part_of_a_picture_that_cannot_be_meant_is_refused(
    dialect: Dialect, fields: dict[str, Any]
) -> None:
    answer = dialect.ask("POST", "/infer/wsi/tiny?image=case0", json=fields)
    assert answer.status_code in (409, 422)
