"""Processes that are killed at any moment: what was acknowledged is there, and the loop goes on."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from tests.faults.conftest import mask_of, settings_file, workers_of, write_image
from tests.faults.soundness import audit
from tests.http.conftest import wait_for

from limner.simulate.server_process import ServerProcess

IMAGES = 45
PROJECT = "/api/v1/projects/faults"
ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class Run:
    """A server that is killed and started again, and what its annotators were promised."""

    home: Path
    settings: Path
    server: ServerProcess | None = None
    port: int = 0
    promised: dict[int, str] = field(default_factory=dict)
    """SHA-256 of what was sent, by the id of the label that was acknowledged."""
    samples: dict[int, int] = field(default_factory=dict)
    """Sample of each of these labels."""
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server = ServerProcess(
            ["--config", str(self.settings)], home=self.home, port=self.port
        )
        self.server.__enter__()
        self.port = int(self.server.url.rpartition(":")[2])

    def kill_server(self) -> None:
        assert self.server is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()
        self.start()

    def kill_worker(self, kind: str) -> None:
        def kill() -> bool:
            assert self.server is not None
            found = workers_of(self.server)[kind]
            for each in found:
                with suppress(psutil.Error):
                    each.kill()
            return bool(found)

        wait_for(kill)

    def ask(self, http: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask until there is an answer: the server may be dead just now."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}

        def answer() -> httpx.Response | None:
            try:
                found = http.request(method, self.url + path, headers=headers, **more)
            except httpx.TransportError:
                return None
            # A key whose first request still runs, or a server that is busy: later.
            return None if found.status_code in (409, 503) and method == "POST" else found

        return wait_for(answer)

    def annotate(self, name: str) -> None:
        """Label what is handed out until there is nothing more."""
        with httpx.Client(timeout=30) as http:
            while not self.over.is_set():
                found = self.ask(http, "POST", f"{PROJECT}/next", json={"annotator": name})
                assert found.status_code == 200, found.text
                lent = found.json()["assignment"]
                if lent is None:
                    if self.ask(http, "GET", PROJECT).json()["counts"]["labelled"] == IMAGES:
                        return
                    self.over.wait(0.1)  # the rest is held, or will be given back
                    continue
                sample = lent["sample"]
                self.over.wait(1.1)  # drawing takes a while, so there are several rounds
                seen = self.ask(http, "GET", f"{PROJECT}/samples/{sample['id']}/predict")
                assert seen.status_code in (200, 409, 503), seen.text
                content = mask_of(sample["name"])
                given = self.ask(
                    http,
                    "POST",
                    f"{PROJECT}/samples/{sample['id']}/labels",
                    files={"file": ("mask.nii.gz", content)},
                    data={"annotator": name, "assignment": lent["id"]},
                )
                assert given.status_code in (200, 201), given.text
                with self.lock:
                    label = given.json()["label"]
                    self.promised[label["id"]] = hashlib.sha256(content).hexdigest()
                    self.samples[label["id"]] = sample["id"]

    def jobs(self, http: httpx.Client) -> list[dict[str, Any]]:
        found = self.ask(http, "GET", f"{PROJECT}/jobs", params={"limit": 1000})
        jobs: list[dict[str, Any]] = found.raise_for_status().json()["items"]
        return jobs

    def ended_jobs(self, http: httpx.Client) -> list[dict[str, Any]]:
        """Wait until no job waits or runs; return them all."""

        def look() -> list[dict[str, Any]] | None:
            jobs = self.jobs(http)
            return jobs if all(job["state"] in ENDED for job in jobs) else None

        return wait_for(look)

    def ended_job(self, http: httpx.Client, number: int) -> None:
        """Wait until a job has ended."""
        wait_for(lambda: self.ask(http, "GET", f"/api/v1/jobs/{number}").json()["state"] in ENDED)

    def training_under_way(self, http: httpx.Client) -> int:
        """Wait until the last part of a training has written checkpoints; return its job."""

        def look() -> int | None:
            for job in self.jobs(http):
                progress = job["progress"] or {}
                is_final = str(progress.get("message", "")).startswith("training")
                if job["state"] == "running" and is_final and progress.get("step", 0) >= 2:
                    return int(job["id"])
            return None

        return wait_for(look)


@contextmanager
def running(tmp_path: Path) -> Iterator[Run]:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(IMAGES):
        write_image(images, f"case{number}")
    project = {
        "retrain_every": 4,
        "lease_minutes": 0.08,
        "app_options": {"step_seconds": 0.06, "predict_seconds": 0.05},
    }
    settings = settings_file(tmp_path / "limner.toml", images, project, {})
    run = Run(tmp_path / "home", settings)
    try:
        run.start()
        yield run
    finally:
        run.over.set()
        if run.server is not None:
            run.server.stop()


def test_kills_of_every_process_at_any_moment_lose_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(20)
    pause = threading.Event()
    with (
        running(tmp_path) as run,
        httpx.Client(timeout=30) as http,
        ThreadPoolExecutor(3) as pool,
    ):
        annotators = [pool.submit(run.annotate, f"annotator-{n}") for n in range(3)]
        try:
            resumed = [run.training_under_way(http)]
            run.kill_server()
            run.ended_job(http, resumed[0])
            resumed.append(run.training_under_way(http))
            run.kill_worker("learner")
            run.ended_job(http, resumed[1])
            for kind in random.permutation(["predictor", "learner", "server"] * 2):
                pause.wait(float(random.uniform(0.05, 0.8)))
                if kind == "server":
                    run.kill_server()
                else:
                    run.kill_worker(str(kind))
            for each in annotators:
                each.result(60)
        finally:
            run.over.set()
        jobs = run.ended_jobs(http)
        # A job that the server's end met three times is given up, and says so.
        failed = [job["error"]["type"] for job in jobs if job["state"] == "failed"]
        assert set(failed) <= {"GivenUp", "WorkerDied"}
        assert sum(job["state"] == "succeeded" for job in jobs if job["kind"] == "train") >= 3
        assert len(set(run.samples.values())) == IMAGES
        for label, sha256 in run.promised.items():
            content = http.get(f"{run.url}/api/v1/labels/{label}/content").raise_for_status()
            assert hashlib.sha256(content.content).hexdigest() == sha256
        models = http.get(f"{run.url}{PROJECT}/models").raise_for_status().json()["items"]
        by_job = {each["job_id"]: each for each in models}
        notes = [" ".join(by_job[job]["notes"]) for job in resumed]
        assert all("went on from step" in note for note in notes), notes
    assert audit(tmp_path / "home") == []


def test_what_a_kill_left_half_written_is_gone_after_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        assert run.server is not None
        os.kill(run.server.pid, signal.SIGKILL)
        run.server.stop()
        for place in ("blobs/incoming", "predictions/incoming"):
            folder = run.home / place
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{uuid.uuid4().hex}.part").write_bytes(b"half")
        assert len(audit(run.home)) >= 2
        run.start()
    assert audit(tmp_path / "home") == []
