"""What the interface's own description allows, and what it forbids, sent by a machine.

Schemathesis draws requests from the OpenAPI document, sound and broken ones, one at a time and in
chains that use the answers before. Every draw is seeded. It is given the real server, with
projects, labels, a model, running jobs and an admin token, so that plugins, cancellations and
deletions are among what it does.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import strategies as st
from PIL import Image
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from sqlalchemy import select, text

from limner.records.rows import SampleState
from limner.records.tables import labels, metadata, projects, samples

Live = Any

ADMIN = "only for the fuzzing"
EXAMPLES = 15
"""Requests drawn of each operation that takes anything; boundary values and chains come on top."""

CONFIG: dict[str, Any] = {
    "seed": 20,
    "continue-on-failure": True,
    "request-timeout": 20,
    "max-stream-events": 1,
    "headers": {"Authorization": f"Bearer {ADMIN}"},
    "generation": {
        "deterministic": True,
        "database": "none",
        "max-examples": EXAMPLES,
        "no-shrink": True,
    },
    # A cursor is opaque and a form's file is an image: what the description allows is refused
    # all the same where it makes no sense, with 4xx. Every other check is made.
    "checks": {"positive_data_acceptance": {"enabled": False}, "max_response_time": 5},
    "phases": {"stateful": {"max-steps": 6}},
}


def picture(value: int) -> bytes:
    """A PNG file of 8 × 8 pixels, which is an image and a mask."""
    import io

    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


FILES = st.one_of(st.sampled_from([picture(1), picture(9), picture(1)[:40]]), st.binary())


@pytest.fixture(scope="module")
def here(
    serve: Callable[..., AbstractContextManager[Live]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """A server of its own, since much is deleted on it, with something of every kind."""
    folder = tmp_path_factory.mktemp("fuzzed")
    plugins = folder / "plugins"
    plugins.mkdir()
    source = Path(__file__).parent.parent / "plugins" / "tiny_strategy.py"
    (plugins / "spare.py").write_text(source.read_text().replace('"tiny"', '"spare"'))
    with serve(folder, plugin_folder=plugins, admin_token=ADMIN) as live:
        for _ in range(2):
            project = live.project(images=6)
            for _ in range(4):
                lent = project.next()["assignment"]
                project.label(lent["sample"], assignment=lent["id"])
        train = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
        assert project.ended(train["id"])["state"] == "succeeded"
        yield live


class Errors(logging.Handler):
    """Keeps what the server did not foresee."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def keep_inside(live: Live) -> Callable[..., None]:
    """Make a hook that lets no drawn project look at folders of this machine."""

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        body = case.body
        if case.operation.path == "/api/v1/projects" and isinstance(body, dict):
            for key in ("images", "adopt"):
                given = body.get(key)
                if isinstance(given, str) and (not given or "\0" in given or Path(given).exists()):
                    body[key] = str(live.folder / "project-1")

    return before_call


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of a library that is made to draw nonsense
def test_what_a_machine_draws_from_the_description_is_answered_as_described(here: Live) -> None:
    schemathesis.openapi.format("binary", FILES)
    config = SchemathesisConfig.from_dict(CONFIG)
    schema = schemathesis.openapi.from_url(f"{here.url}/openapi.json", config=config)
    guard = keep_inside(here)
    schemathesis.hook("before_call")(guard)
    seen: Counter[str] = Counter()
    phases: set[str] = set()
    wrong: dict[str, str] = {}
    errors = Errors()
    logging.getLogger("limner").addHandler(errors)
    try:
        for event in engine.from_schema(schema).execute():
            if isinstance(event, events.NonFatalError):
                wrong[f"{event.label} {event.value!r}"] = "the tool could not go on"
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.ScenarioFinished):
                seen += told_by(event.recorder, wrong)
                phases.add(event.phase.value.lower())
    finally:
        schemathesis.hooks.unregister(guard)
        logging.getLogger("limner").removeHandler(errors)
    assert not wrong, "\n\n".join(f"{what}: {why}" for what, why in sorted(wrong.items()))
    assert not errors.messages
    operations = {
        f"{method.upper()} {path}"
        for path, item in httpx.get(f"{here.url}/openapi.json").json()["paths"].items()
        for method in item
    }
    assert seen.keys() >= operations
    assert sum(seen.values()) > 50 * len(operations)
    assert phases >= {"coverage", "fuzzing", "stateful"}
    assert here.http.get("/health/ready").status_code == 200
    check_records(here)


def told_by(recorder: Any, wrong: dict[str, str]) -> Counter[str]:
    """Count the requests of a scenario by operation, and note every failed check."""
    for id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                case = recorder.cases[id].value
                answer = recorder.interactions[id].response
                status = None if answer is None else answer.status_code
                if status == 503 and case.operation.path.endswith("/events"):
                    # As documented: there are more readers than the server has threads for.
                    continue
                name = f"{case.method} {case.operation.path}: {failure.title}"
                wrong[name] = f"{failure.message} ({status})\n{case.as_curl_command()[:1500]}"
    return Counter(
        f"{each.value.method} {each.value.operation.path}" for each in recorder.cases.values()
    )


def check_records(live: Live) -> None:
    """Hold that the database is sound, counts what it holds, and has a file for every label."""

    def is_idle() -> bool:
        from limner.records import jobs

        with live.service.records.read() as tx:
            return not jobs.unfinished(tx)

    live.wait_for(is_idle)
    with live.service.records.read() as tx:
        assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        assert not tx.execute(text("PRAGMA foreign_key_check")).all()
        assert all(tx.execute(select(table)).all() is not None for table in metadata.sorted_tables)
        states = Counter(
            (row.project_id, SampleState(row.state)) for row in tx.execute(select(samples))
        )
        for project in tx.execute(select(projects)).all():
            for state in (SampleState.LABELLED, SampleState.SET_ASIDE, SampleState.UNREADABLE):
                assert getattr(project, state.value) == states[project.id, state], project.name
        kept = tx.execute(select(labels)).all()
    assert kept
    for label in kept:
        content = live.http.get(f"/api/v1/labels/{label.id}/content")
        if content.status_code == 200:
            assert hashlib.sha256(content.content).hexdigest() == label.sha256
        else:
            # Of a project that was deleted: its files stay, and nobody is shown them.
            assert content.status_code == 404
