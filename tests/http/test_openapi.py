"""The interface describes itself: completely, soundly, and without a network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

ROUTES = {
    "GET /info",
    "GET /plugins",
    "POST /plugins",
    "DELETE /plugins/{kind}/{name}",
    "GET /projects",
    "POST /projects",
    "GET /projects/{project}",
    "PATCH /projects/{project}",
    "DELETE /projects/{project}",
    "GET /projects/{project}/samples",
    "POST /projects/{project}/samples",
    "GET /projects/{project}/samples/{sample}",
    "PATCH /projects/{project}/samples/{sample}",
    "DELETE /projects/{project}/samples/{sample}",
    "GET /projects/{project}/samples/{sample}/image",
    "POST /projects/{project}/next",
    "GET /projects/{project}/assignments",
    "GET /assignments/{assignment}",
    "POST /assignments/{assignment}/renew",
    "POST /assignments/{assignment}/release",
    "POST /assignments/{assignment}/skip",
    "POST /projects/{project}/samples/{sample}/predict",
    "GET /projects/{project}/samples/{sample}/predict",
    "POST /projects/{project}/samples/{sample}/labels",
    "GET /projects/{project}/samples/{sample}/labels",
    "GET /labels/{label}/content",
    "GET /labels/{label}/submitted",
    "POST /labels/{label}/approve",
    "POST /labels/{label}/reject",
    "GET /projects/{project}/jobs",
    "POST /projects/{project}/jobs",
    "GET /jobs/{job}",
    "DELETE /jobs/{job}",
    "GET /jobs/{job}/events",
    "GET /projects/{project}/models",
    "GET /projects/{project}/models/{number}",
    "POST /projects/{project}/models/{number}/promote",
    "POST /projects/{project}/models/{number}/pin",
    "GET /projects/{project}/progress",
    "GET /projects/{project}/suspects",
    "GET /projects/{project}/problems",
    "GET /projects/{project}/audit",
    "GET /projects/{project}/events",
    "GET /projects/{project}/export",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/openapi.json").raise_for_status().json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_the_document_is_sound_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_has_every_route_and_no_other(document: dict[str, Any]) -> None:
    found = {f"{method} {path.removeprefix('/api/v1')}" for method, path, _ in operations(document)}
    assert found == ROUTES


def test_every_operation_is_named_grouped_and_explained(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    groups = {tag["name"] for tag in document["tags"]}
    for _, path, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"])
        assert set(operation["tags"]) <= groups
        assert operation["summary"].endswith(".")
        assert "<br" not in operation["description"]
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert problem["schema"]["$ref"].endswith("/Problem"), path


def test_every_field_of_ours_is_described(document: dict[str, Any]) -> None:
    # What settings files say is described where it is defined.
    foreign = {"NewProject", "ProjectSettings", "GateSettings"}
    for name, schema in document["components"]["schemas"].items():
        if name in foreign:
            continue
        for field, described in schema.get("properties", {}).items():
            assert "$ref" in described or described.get("description"), f"{name}.{field}"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]


def test_posts_name_the_header_that_makes_them_safe_to_repeat(document: dict[str, Any]) -> None:
    without = [
        operation["operationId"]
        for method, _, operation in operations(document)
        if method == "POST"
        and "Idempotency-Key" not in [each["name"] for each in operation["parameters"]]
    ]
    assert without == ["predict"]


def test_routes_that_ask_for_a_right_say_so(document: dict[str, Any]) -> None:
    admin = [
        (method, path.removeprefix("/api/v1"), operation)
        for method, path, operation in operations(document)
        if operation.get("security") == [{"admin_token": []}]
    ]
    assert {(method, path) for method, path, _ in admin} == {
        ("POST", "/plugins"),
        ("DELETE", "/plugins/{kind}/{name}"),
    }
    assert document["components"]["securitySchemes"]["admin_token"]["scheme"] == "bearer"
    for _, _, operation in admin:
        assert "admin token" in operation["responses"]["403"]["description"]
        assert "application/problem+json" in operation["responses"]["401"]["content"]


def test_the_docs_page_is_the_start_page_too(http: httpx.Client) -> None:
    start = http.get("/").raise_for_status()
    assert start.text == http.get("/docs").raise_for_status().text
    assert start.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_docs_page_needs_no_network(http: httpx.Client, path: str) -> None:
    page = http.get(path).raise_for_status()
    assert not re.search(r"(?:https?:)?//", page.text.replace("<!doctype", ""))
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    own = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(own) == 4
    for path in own:
        assert http.get(f"/{path}").raise_for_status().content
    start = http.get("/docs/start.js").text
    assert 'url: "openapi.json"' in start


def test_assets_outside_of_the_page_are_not_served(http: httpx.Client) -> None:
    for path in ("/docs/assets/..%2f..%2f__init__.py", "/docs/assets/%2e%2e/plugins.py"):
        assert http.get(path).status_code == 404


def test_every_type_of_problem_explains_itself(http: httpx.Client) -> None:
    missing = http.get("/api/v1/projects/absent").json()
    assert missing["type"] == "/problems/not-found"
    assert "404" in http.get(missing["type"]).raise_for_status().text
    assert http.get("/problems/absent").status_code == 404


def test_the_document_is_made_without_a_server(document: dict[str, Any]) -> None:
    from limner.http.app import openapi_document

    assert openapi_document()["paths"].keys() == document["paths"].keys()


def test_the_application_imports_no_heavy_library() -> None:
    heavy = [
        "torch",
        "monai",
        "scipy",
        "nibabel",
        "SimpleITK",
        "PIL",
        "tifffile",
        "imagecodecs",
        "alembic",
        "httpx",
    ]
    code = (
        "import sys, limner.http.server, limner.loop.service, limner.engine.local\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
