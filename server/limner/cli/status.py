"""`limner status`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from limner.cli.connecting import ATTEMPTS, DEFAULT_URL, Token, Url
from limner.cli.terminal import out

if TYPE_CHECKING:
    from limner.client import Info, Job, Limner, Project

RECENT_JOBS = 20


def status(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Say how a running server and its projects are."""
    from limner.client import Limner

    with Limner(url, token, attempts=ATTEMPTS, timeout_s=10) as limner:
        _show_server(limner, limner.info())
        projects = list(limner.projects())
        if projects:
            _show_projects(limner, projects)
        else:
            out.print("No project yet.")


def _show_server(limner: Limner, info: Info) -> None:
    state = "ready" if limner.ready() else "not ready"
    out.print(f"Limner {info.version} at {limner.url}: {state}", markup=False)
    for worker in info.workers:
        restarts = f", restarted {worker.restarts} times" if worker.restarts else ""
        out.print(f"  {worker.name}: {worker.state} on {worker.device}{restarts}", markup=False)


def _show_projects(limner: Limner, projects: list[Project]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "Project", "App", "Samples", "Labelled", "Validation", "Queued", "Model", "Now", box=None
    )
    for each in projects:
        counts = [
            str(each.counts.get(name, "?"))
            for name in ("samples", "labelled", "validation", "queued")
        ]
        model = f"version {each.model_version}" if each.model_version else "none yet"
        active = [
            _words(job)
            for job in islice(limner.project(each.name).jobs(), RECENT_JOBS)
            if not job.ended
        ]
        cells = (each.name, each.app, *counts, model, "\n".join(active) or "idle")
        table.add_row(*map(Text, cells))
    out.print(table, soft_wrap=False)


def _words(job: Job) -> str:
    """A job in words: `train running, step 120 of 400, 35 s left`."""
    words = f"{job.kind} {job.state}"
    if job.state == "running" and job.progress.total:
        words += f", step {job.progress.step} of {job.progress.total}"
    if job.progress.eta_s is not None:
        words += f", {job.progress.eta_s:.0f} s left"
    return words
