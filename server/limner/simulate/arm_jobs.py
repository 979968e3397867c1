"""The jobs of an arm: waited for, looked at, and the scoring that its next batch comes from."""

from __future__ import annotations

from limner.errors import EngineError
from limner.loop.service import Service
from limner.records import jobs as job_rows
from limner.records.rows import Job, JobKind, JobState
from limner.simulate.arm_home import PROJECT
from limner.simulate.arm_watch import ArmWatch

_POLL_S = 0.03
_DOING = {JobKind.TRAIN: "training", JobKind.SCORE: "scoring the pool"}


class ArmJobs:
    """Waits for the jobs of the arm's only project."""

    def __init__(self, service: Service, watch: ArmWatch) -> None:
        self._service = service
        self._watch = watch
        self._project_id = service.projects.get(PROJECT).id

    def open_jobs(self, kind: JobKind | None = None) -> list[Job]:
        """List the jobs that wait or run, of one kind or of all."""
        found = self._service.jobs.unfinished(self._project_id)
        return [each for each in found if kind in (None, each.kind)]

    def newest(self, kind: JobKind) -> Job | None:
        """Return the job of a kind that was asked for last."""
        with self._service.records.read() as tx:
            return job_rows.newest(tx, self._project_id, kind)

    def settle(self, kind: JobKind | None = None) -> None:
        """Wait until no job of a kind, or none at all, waits or runs.

        Raises:
            Stopped: The arm is to end.
        """
        while jobs := self.open_jobs(kind):
            job = next((each for each in jobs if each.state == JobState.RUNNING), jobs[0])
            progress = job.progress or {}
            what = progress.get("message") or _DOING.get(JobKind(job.kind), "working")
            self._watch.stage(what, progress.get("step", 0), progress.get("total", 0))
            self._watch.wait(_POLL_S)

    def make_picks(self, *, fresh: bool) -> None:
        """Have the strategy pick from the pool as it is, unless it has since the last training.

        Args:
            fresh: Have it pick in any case.

        Raises:
            Stopped: The arm is to end.
            EngineError: The scoring failed.
        """
        self.settle()
        if fresh or not self._are_picks_new():
            self._service.jobs.ensure(self._project_id, JobKind.SCORE)
            self.settle()
        job = self.newest(JobKind.SCORE)
        if job is not None and job.state == JobState.FAILED:
            detail = (job.error or {}).get("detail", "")
            raise EngineError(f"The pool could not be scored: {detail}")

    def _are_picks_new(self) -> bool:
        scored, trained = self.newest(JobKind.SCORE), self.newest(JobKind.TRAIN)
        if scored is None or scored.state != JobState.SUCCEEDED:
            return False
        serving = self._service.models.serving(PROJECT)
        settings = self._service.projects.settings(self._service.projects.get(PROJECT))
        version = None if serving is None else serving.number
        strategy = settings.cold_start if serving is None else settings.strategy
        return (
            (trained is None or scored.id > trained.id)
            and scored.result.get("version") == version
            and scored.result.get("strategy") == strategy
        )
