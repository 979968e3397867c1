"""The audit of a home: what must hold of its database and folders, whatever has happened to them.

It reads the files as any stranger could, and uses none of the server's code but its settings, so it
does not believe what it is to check.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from limner.settings import ProjectSettings

COUNTING = ("submitted", "approved")
FINISHED = ("succeeded", "failed", "cancelled")
PASSING = (".part", ".tmp", ".tmp.npz")


def audit(home: Path, *, now: float | None = None) -> list[str]:
    """Return all that is wrong with the home of a server that was stopped; nothing if it is sound.

    Args:
        home: The home.
        now: What the server's clock says, where it is not the machine's.
    """
    with closing(sqlite3.connect(f"file:{home / 'limner.sqlite'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        found = [
            *_broken(database),
            *_files(database, home),
            *_passing(home),
            *_jobs(database, home),
            *_models(database),
        ]
        for project in database.execute("SELECT * FROM projects WHERE deleted_at IS NULL"):
            settings = ProjectSettings(**json.loads(project["settings"]))
            found += [
                *_samples(database, project, settings),
                *_assignments(database, project, settings, time.time() if now is None else now),
                *_counts(database, project),
                *_queue(database, project, settings),
            ]
        return found


def _rows(database: sqlite3.Connection, query: str, *values: Any) -> list[sqlite3.Row]:
    return database.execute(query, values).fetchall()


def _broken(database: sqlite3.Connection) -> Iterator[str]:
    for (told,) in _rows(database, "PRAGMA integrity_check"):
        if told != "ok":
            yield f"the database is damaged: {told}"
    for row in _rows(database, "PRAGMA foreign_key_check"):
        yield f"a row of {row[0]} refers to nothing"


def _files(database: sqlite3.Connection, home: Path) -> Iterator[str]:
    """Check that each file has the content that it is named for, and that all that is named is."""
    sizes: dict[tuple[str, str], int] = {}
    for folder in ("blobs", "predictions"):
        for path in (home / folder).glob("*/*"):
            if path.parent.name == "incoming":
                yield f"{path} was left on its way in"
                continue
            content = path.read_bytes()
            sizes[folder, path.parent.name + path.name] = len(content)
            if hashlib.sha256(content).hexdigest() != path.parent.name + path.name:
                yield f"{path} holds something else than its name says"
    named = [
        ("blobs", "labels", "SELECT id, sha256, size_bytes FROM labels"),
        (
            "blobs",
            "model_versions",
            "SELECT id, weights_sha256, weights_bytes FROM model_versions "
            "WHERE weights_sha256 IS NOT NULL",
        ),
        ("predictions", "predictions", "SELECT sample_id, sha256, size_bytes FROM predictions"),
    ]
    for folder, table, query in named:
        for id_, sha256, size in _rows(database, query):
            if sizes.get((folder, sha256)) != size:
                yield f"row {id_} of {table} names a file that is not there whole: {sha256}"


def _passing(home: Path) -> Iterator[str]:
    for path in home.rglob("*"):
        is_passing = path.name.endswith(PASSING) or path.parent.name == "incoming"
        if is_passing and path.is_file():
            yield f"{path} is a passing file that was left"


def _jobs(database: sqlite3.Connection, home: Path) -> Iterator[str]:
    unfinished = set()
    for row in _rows(database, "SELECT * FROM jobs"):
        what = f"job {row['id']} ({row['kind']})"
        if row["state"] == "running":
            yield f"{what} is running though no server does"
        if row["state"] == "failed" and not json.loads(row["error"] or "{}").get("detail"):
            yield f"{what} failed without a reason"
        if (row["state"] in FINISHED) != (row["finished_at"] is not None):
            yield f"{what} is {row['state']} and ended at {row['finished_at']}"
        if row["state"] not in FINISHED:
            unfinished.add(row["id"])
    for path in (home / "work").glob("*/*"):
        if path.name.isdigit() and int(path.name) not in unfinished:
            yield f"{path} is the workspace of a job that has ended"


def _models(database: sqlite3.Connection) -> Iterator[str]:
    for row in _rows(database, "SELECT * FROM projects"):
        serving = _rows(
            database,
            "SELECT id FROM model_versions WHERE project_id = ? AND state = 'serving'",
            row["id"],
        )
        if [each["id"] for each in serving] != [row["serving_model_id"]] * (
            row["serving_model_id"] is not None
        ):
            yield f"project {row['name']} says that another version serves than the versions do"
    for row in _rows(
        database,
        "SELECT job_id FROM model_versions WHERE job_id IS NOT NULL "
        "GROUP BY job_id HAVING count(*) > 1",
    ):
        yield f"job {row['job_id']} recorded more than one version"
    for row in _rows(database, "SELECT id FROM model_versions WHERE state = 'candidate'"):
        yield f"version {row['id']} was never decided on"


def _samples(
    database: sqlite3.Connection, project: sqlite3.Row, settings: ProjectSettings
) -> Iterator[str]:
    """Check that samples stand where their labels put them."""
    for sample in _rows(database, "SELECT * FROM samples WHERE project_id = ?", project["id"]):
        labels = _rows(
            database, "SELECT * FROM labels WHERE sample_id = ? ORDER BY version", sample["id"]
        )
        what = f"sample {sample['id']} ({sample['state']})"
        if [each["version"] for each in labels] != list(range(1, len(labels) + 1)):
            yield f"{what} has gaps between the versions of its labels"
        given = [each for each in labels if each["state"] in COUNTING]
        if sample["label_id"] != (given[-1]["id"] if given else None):
            yield f"{what} does not name its newest label"
        readings = len({each["author"] for each in given})
        if sample["readings"] != readings:
            yield f"{what} counts {sample['readings']} readings and has {readings}"
        wanted = "labelled" if readings >= settings.readings else "ready"
        if sample["state"] in ("labelled", "ready") and sample["state"] != wanted:
            yield f"{what} should be {wanted}"
        for label in given:
            told = _rows(
                database,
                "SELECT 1 FROM audit WHERE action = 'label.submitted' AND subject = ?",
                f"label:{label['id']}",
            )
            if not told:
                yield f"the audit trail does not know label {label['id']}"


def _assignments(
    database: sqlite3.Connection, project: sqlite3.Row, settings: ProjectSettings, now: float
) -> Iterator[str]:
    held = _rows(
        database,
        "SELECT * FROM assignments WHERE project_id = ? AND state = 'held'",
        project["id"],
    )
    places: set[tuple[int, int]] = set()
    for each in held:
        what = f"assignment {each['id']}"
        if (each["sample_id"], each["slot"]) in places or each["slot"] >= settings.readings:
            yield f"{what} lends what is lent already"
        places.add((each["sample_id"], each["slot"]))
        if each["expires_at"] > now + settings.lease_minutes * 60 + 5:
            yield f"{what} lends for longer than a lease"
        answers = _rows(
            database,
            "SELECT 1 FROM labels WHERE assignment_id = ? AND state IN ('submitted', 'approved')",
            each["id"],
        )
        if answers:
            yield f"{what} is held and has its label"
    lent = _rows(database, "SELECT * FROM assignments WHERE project_id = ?", project["id"])
    if project["next_calls"] != len(lent):
        yield f"{project['name']} counts {project['next_calls']} hand-outs and made {len(lent)}"
    for each in lent:
        if (each["state"] == "held") != (each["ended_at"] is None):
            yield f"assignment {each['id']} is {each['state']} and ended at {each['ended_at']}"


def _counts(database: sqlite3.Connection, project: sqlite3.Row) -> Iterator[str]:
    """Check that the kept counts are those of the rows."""
    rows = _rows(
        database, "SELECT state, is_validation FROM samples WHERE project_id = ?", project["id"]
    )
    states = [row["state"] for row in rows]
    queued = _rows(database, "SELECT 1 FROM queue WHERE project_id = ?", project["id"])
    counted = {
        "samples": sum(each not in ("vanished", "removed") for each in states),
        **{each: states.count(each) for each in ("labelled", "unreadable", "set_aside")},
        "vanished": states.count("vanished"),
        "validation": sum(r["state"] == "labelled" and bool(r["is_validation"]) for r in rows),
        "queued": len(queued),
    }
    for name, number in counted.items():
        if project[name] != number:
            yield f"{project['name']} keeps {name} = {project[name]}, and there are {number}"
    labels = _rows(database, "SELECT 1 FROM labels WHERE project_id = ?", project["id"])
    if not 0 <= project["labels_since_training"] <= len(labels):
        yield f"{project['name']} keeps {project['labels_since_training']} labels for training"


def _queue(
    database: sqlite3.Connection, project: sqlite3.Row, settings: ProjectSettings
) -> Iterator[str]:
    query = (
        "SELECT samples.*, (SELECT count(*) FROM assignments WHERE sample_id = samples.id "
        "AND state = 'held') AS held FROM queue JOIN samples ON samples.id = queue.sample_id "
        "WHERE queue.project_id = ?"
    )
    for row in _rows(database, query, project["id"]):
        if row["state"] != "ready" or row["is_validation"]:
            yield f"the queue holds sample {row['id']}, which is {row['state']}"
        if row["readings"] + row["held"] >= settings.readings:
            yield f"the queue holds sample {row['id']}, which has no room for another annotator"
        if row["project_id"] != project["id"]:
            yield f"the queue of {project['name']} holds a sample of another project"
