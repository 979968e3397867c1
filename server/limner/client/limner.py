"""A server of Limner, as a client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

import httpx

from limner.client import answers
from limner.client.connection import API, Call, Connection
from limner.client.downloads import OnBytes, save
from limner.client.errors import HTTPProblem, ServerUnreachable
from limner.client.parse import parse
from limner.client.project import ProjectHandle
from limner.client.sse import ALIVE, listen
from limner.client.waiting import JobWait


class Limner:
    """Talks to one server over its REST interface. Safe to use from several threads.

    Requests that may be repeated without harm are repeated when no answer came or the server was
    busy: reading and deleting, and those posts that carry a key by which the server knows them.

    Example:
        >>> with Limner("http://127.0.0.1:8000") as limner:  # doctest: +SKIP
        ...     project = limner.project("hippocampus")
        ...     lent = project.next("ann").assignment
        ...     project.submit(lent.sample.id, "drawn.nii.gz", annotator="ann", assignment=lent.id)
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        actor: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet; the first request connects.

        Args:
            url: The server's root.
            token: Bearer token, where the server asks for one.
            actor: Who asks, for the server's audit trail.
            timeout_s: Most seconds to connect, and between two signs of life.
            attempts: How often a repeatable request is sent before giving up.
            transport: Another way to carry requests, for tests.
            sleep: Waits between two attempts.
        """
        self._sleep = sleep
        self._connection = Connection(
            url,
            token=token,
            actor=actor,
            timeout_s=timeout_s,
            attempts=attempts,
            transport=transport,
            sleep=sleep,
        )

    @property
    def url(self) -> str:
        """The server's root."""
        return self._connection.url

    def __enter__(self) -> Limner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._connection.close()

    # The server

    def info(self) -> answers.Info:
        """Say which server this is."""
        return parse(answers.Info, self._get("/info"))

    def plugins(self) -> tuple[answers.Plugin, ...]:
        """List the apps and strategies that the server found, broken ones with their problems."""
        found = self._connection.pages(Call(method="GET", path=f"{API}/plugins"))
        return tuple(parse(answers.Plugin, each) for each in found)

    def register_plugin(
        self,
        path: str | None = None,
        *,
        name: str | None = None,
        kind: Literal["app", "strategy"] | None = None,
        timeout_s: float = 240.0,
    ) -> tuple[answers.Plugin, ...]:
        """Register a plugin while the server runs, or anew one whose code has changed.

        Needs the server's admin token. Give a path, or the name and kind of an installed plugin.

        Args:
            path: A .py file or a package folder, relative to the server's plugin folder.
            name: Name of an installed plugin.
            kind: What the installed plugin is.
            timeout_s: Longest wait: the server makes the plugin first, which may load libraries.

        Returns:
            All plugins that the file or the entry point holds.
        """
        given = {"path": path, "name": name, "kind": kind}
        body = {key: each for key, each in given.items() if each is not None}
        call = Call(method="POST", path=f"{API}/plugins", json=body, timeout_s=timeout_s)
        found = self._connection.json(call.once_only())
        return parse(answers.Registered, found).items

    def retire_plugin(self, kind: Literal["app", "strategy"], name: str) -> None:
        """Retire a plugin that no project uses. Needs the server's admin token."""
        path = f"{API}/plugins/{kind}/{quote(name, safe='')}"
        self._connection.answer(Call(method="DELETE", path=path))

    def ready(self) -> bool:
        """Tell whether the server is up and can do its work; never raises when it is not."""
        call = Call(method="GET", path="/health/ready", impatient=True)
        try:
            self._connection.answer(call)
        except (HTTPProblem, ServerUnreachable):
            return False
        return True

    def openapi(self) -> Mapping[str, Any]:
        """Get the OpenAPI 3.1 document of the server."""
        document: Mapping[str, Any] = self._connection.json(
            Call(method="GET", path="/openapi.json")
        )
        return document

    def metrics(self) -> str:
        """Get the server's metrics in Prometheus' text format."""
        return self._connection.answer(Call(method="GET", path="/metrics")).text

    # Projects

    def projects(self) -> Iterator[answers.Project]:
        """Yield every project."""
        for each in self._connection.pages(Call(method="GET", path=f"{API}/projects")):
            yield parse(answers.Project, each)

    def project(self, name: str) -> ProjectHandle:
        """Give access to one project; asks nothing yet."""
        return ProjectHandle(self._connection, name, f"{API}/projects/{quote(name, safe='')}")

    def create_project(
        self,
        name: str,
        *,
        images: str | Path,
        labels: Sequence[str] | Mapping[str, int],
        app: str = "segmentation",
        **more: Any,
    ) -> answers.Project:
        """Create a project on a folder that the server can read.

        Args:
            name: Its name in URLs: lower-case letters, digits, inner dashes and underscores.
            images: Folder of images, as the server's machine names it.
            labels: Class names in the order of their values 1, 2, 3, …, or names with values.
            app: Name of an app.
            more: Other fields of a project: `title`, `adopt`, `settings`.
        """
        given = dict(labels) if isinstance(labels, Mapping) else list(labels)
        body = {"name": name, "app": app, "images": str(images), "labels": given, **more}
        return parse(answers.Project, self._post("/projects", body))

    # Assignments

    def assignment(self, number: int) -> answers.Assignment:
        """Say how an assignment stands."""
        return parse(answers.Assignment, self._get(f"/assignments/{number}"))

    def renew(self, assignment: int) -> answers.Assignment:
        """Keep a sample for longer."""
        return self._assignment(assignment, "renew", {})

    def release(self, assignment: int) -> answers.Assignment:
        """Give a sample back; somebody else may get it."""
        return self._assignment(assignment, "release", {})

    def skip(self, assignment: int, reason: str) -> answers.Assignment:
        """Give a sample back for good, saying why; it does not come again to this annotator."""
        return self._assignment(assignment, "skip", {"reason": reason})

    def _assignment(
        self, number: int, verb: Literal["renew", "release", "skip"], body: Mapping[str, Any]
    ) -> answers.Assignment:
        return parse(answers.Assignment, self._post(f"/assignments/{number}/{verb}", body))

    # Labels

    def label_content(
        self, label: int, target: str | Path, on_bytes: OnBytes | None = None
    ) -> Path:
        """Download the file of a label, as it was submitted."""
        call = Call(method="GET", path=f"{API}/labels/{label}/content")
        with self._connection.stream(call) as response:
            return save(response, Path(target), on_bytes)

    def approve(self, label: int) -> answers.Label:
        """Approve a label after a look at it."""
        return self._reviewed(label, "approve")

    def reject(self, label: int) -> answers.Label:
        """Reject a label: nothing is trained on it any more."""
        return self._reviewed(label, "reject")

    def _reviewed(self, label: int, verb: Literal["approve", "reject"]) -> answers.Label:
        return parse(answers.LabelAnswer, self._post(f"/labels/{label}/{verb}", {})).label

    # Jobs

    def job(self, number: int) -> answers.Job:
        """Say how a job stands."""
        return parse(answers.Job, self._get(f"/jobs/{number}"))

    def cancel(self, job: int) -> answers.Job:
        """Cancel a job; a running one ends within seconds."""
        call = Call(method="DELETE", path=f"{API}/jobs/{job}")
        return parse(answers.Job, self._connection.json(call))

    def job_events(self, job: int) -> Iterator[answers.Event]:
        """Yield the events of a job as they happen, until it ends or the server does."""
        with listen(self._connection, f"{API}/jobs/{job}/events") as stream:
            yield from (event for event in stream if event.kind != ALIVE)

    def wait(
        self,
        job: int | answers.Job,
        on_change: Callable[[answers.Job], None] | None = None,
        timeout_s: float | None = None,
        *,
        poll_s: float = 1.0,
    ) -> answers.Job:
        """Wait until a job has ended, by its events or, where they do not come, by asking.

        Args:
            job: The job or its id.
            on_change: Told of the job whenever its state or progress has changed.
            timeout_s: Longest wait; None for as long as it takes.
            poll_s: Seconds between two questions where events do not come.

        Raises:
            JobFailed: It failed or was cancelled; carries the job.
            WaitTimeout: It has not ended in time; it goes on.
        """
        number = job.id if isinstance(job, answers.Job) else job
        waiting = JobWait(
            lambda: self.job(number),
            lambda: listen(self._connection, f"{API}/jobs/{number}/events"),
            poll_s=poll_s,
            sleep=self._sleep,
        )
        return waiting.until_ended(on_change, timeout_s)

    def _get(self, path: str) -> Any:
        return self._connection.json(Call(method="GET", path=f"{API}{path}"))

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        call = Call(method="POST", path=f"{API}{path}", json=dict(body))
        return self._connection.json(call.once_only())
