"""Score: what the serving version says of the pool, and the queue that a strategy makes of it.

The pool is walked in its seeded random order, so whatever part is described when the strategy picks
is a fair sample of the whole; it picks at doubling sizes, so a queue is there long before a large
pool is done. Only what is new or has changed is described.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from limner.engine import Engine
from limner.errors import InvalidRequest
from limner.loop.describe import BATCH, Describer, Tally
from limner.loop.events import Events
from limner.loop.job_run import JobRun
from limner.loop.jobs import Handler, Jobs
from limner.loop.models import Models, serving_or_refuse
from limner.loop.pool import assemble
from limner.loop.prediction_files import PredictionFiles
from limner.loop.projects import Projects
from limner.loop.seeds import derived_seed
from limner.loop.strategies import Chosen, Strategies
from limner.plugin import Ability, Json, Need, Progress
from limner.records import counts
from limner.records import descriptions as description_rows
from limner.records import models as model_rows
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records.database import Records
from limner.records.descriptions import START, Due
from limner.records.rows import Job, JobKind, ModelVersion, Project, QueueEntry, Sample, SampleState
from limner.registry import Registry

log = logging.getLogger(__name__)

FIRST_PART = 500
"""So many described samples are enough for a first queue; then at each doubling, and at the end."""
_PAGE = 256


class Score:
    """Does the jobs that describe pools, fill queues and predict in bulk."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        models: Models,
        jobs: Jobs,
        engine: Engine,
        files: PredictionFiles,
        registry: Registry,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._models = models
        self._jobs = jobs
        self._engine = engine
        self._files = files
        self._registry = registry
        self._strategies = Strategies(projects, registry)
        self._events = events
        self._clock = clock

    def request(self, project: str, strategy: str | None = None) -> Job:
        """Queue a scoring because somebody asks; one that waits already does what both ask for.

        Args:
            project: The project's name.
            strategy: Name of one that fills the queue this once; the project's own when None.

        Raises:
            NotFound: There is no such project.
            InvalidRequest: There is no such strategy, or it cannot be used.
            Conflict: The strategy needs what the app does not say, or a model before there is one.
        """
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            version = model_rows.serving(tx, found.id)
        if strategy is None:
            return self._jobs.ensure(found.id, JobKind.SCORE)
        self._strategies.choose(found, version, strategy)
        return self._jobs.ensure(found.id, JobKind.SCORE, {"strategy": strategy})

    def handlers(self) -> Mapping[JobKind, Handler]:
        """Return what scores and predicts in bulk."""
        return {JobKind.SCORE: self._score, JobKind.PREDICT: self._predict}

    def _score(self, run: JobRun) -> Mapping[str, Json]:
        project, version = self._now(run.project_id)
        began = self._clock()
        chosen = self._strategies.choose(project, version, _asked(run))
        if version is None:
            picked = self._pick(project, None, chosen)
            return {"version": None, "queued": picked, "strategy": chosen.manifest.name}
        with self._describer(project, version) as describer:
            work = _Scoring(self, run, describer, chosen, Tally())
            finished = work.run()
        result: dict[str, Json] = {
            "version": version.number,
            "strategy": chosen.manifest.name,
            "queued": work.queued,
            **work.tally.as_json(),
            "seconds": round(max(0.0, self._clock() - began), 3),  # the clock may be set back,
        }
        if finished:
            self._files.forget_others(project.id, version.id, lambda: not run.should_stop())
            run.check()
        else:
            # Another version serves meanwhile: its word is wanted, not this one's.
            self._jobs.ensure(project.id, JobKind.SCORE, self._wish(run.job))
            result["superseded"] = True
        return result

    def _wish(self, job: Job) -> Mapping[str, Json]:
        """Return what a scoring that was in vain was asked, unless it was asked anew since."""
        since = (each for each in self._jobs.unfinished(job.project_id) if each.id > job.id)
        is_asked_anew = any(
            each.kind == JobKind.SCORE and "strategy" in each.params for each in since
        )
        return {} if is_asked_anew else job.params

    def _predict(self, run: JobRun) -> Mapping[str, Json]:
        """Predict the samples of the job's parameters, or those of the queue."""
        project, version = self._now(run.project_id)
        version = serving_or_refuse(version, project.name)
        tally, current, total = Tally(), 0, 0
        with self._describer(project, version) as describer:
            for found in self._wanted(run, project, version):
                due = [each.sample for each in found if each.is_due]
                current += len(found) - len(due)
                total += len(due)
                for start in range(0, len(due), BATCH):
                    done = total - len(due) + start
                    run.progress(Progress(step=done, total=total, message="predicting"))
                    describer.batch(run, due[start : start + BATCH], tally)
        run.progress(Progress(step=total, total=total, message="predicting"))
        return {"version": version.number, "current": current, **tally.as_json()}

    def _wanted(
        self, run: JobRun, project: Project, version: ModelVersion
    ) -> Iterator[Sequence[Due]]:
        """Yield the samples that a job names: by id, by state, or those of the queue."""
        ids, states = run.job.params.get("samples"), run.job.params.get("states")
        if ids is not None:
            yield self._among(project, version, _sample_ids(ids))
        if states is not None:
            for state in _sample_states(states):
                yield from self._walked(project, version, state)
        if ids is None and states is None:
            with self._records.read() as tx:
                found = description_rows.along_queue(tx, project.id, version.id)
            yield found

    def _walked(
        self, project: Project, version: ModelVersion, state: SampleState
    ) -> Iterator[Sequence[Due]]:
        """Yield every sample in a state, in the random order, page by page."""
        place = START
        while True:
            with self._records.read() as tx:
                found = description_rows.walk(
                    tx, project.id, version.id, after=place, state=state, limit=_PAGE
                )
            if not found:
                return
            yield found
            place = (found[-1].sample.draw, found[-1].sample.id)

    def _now(self, project_id: int) -> tuple[Project, ModelVersion | None]:
        with self._records.read() as tx:
            project = self._projects.numbered(tx, project_id)
            return project, model_rows.serving(tx, project_id)

    def _among(self, project: Project, version: ModelVersion, ids: Sequence[int]) -> list[Due]:
        found: list[Due] = []
        for start in range(0, len(ids), _PAGE):
            with self._records.read() as tx:
                found += description_rows.among(
                    tx, project.id, version.id, ids[start : start + _PAGE]
                )
        return [each for each in found if each.sample.state in _READABLE]

    def _describer(self, project: Project, version: ModelVersion) -> Describer:
        return Describer(
            engine=self._engine,
            projects=self._projects,
            files=self._files,
            project=project,
            version=version,
            ref=self._models.ref(project, version),
            describes=Ability.DESCRIBE in self._registry.app(version.app).abilities,
        )

    def _pick(self, project: Project, version: ModelVersion | None, chosen: Chosen) -> int | None:
        """Put a strategy's picks in the queue; None when another version serves meanwhile."""
        settings = self._projects.settings(project)
        model_id = None if version is None else version.id
        strategy = chosen.manifest
        pool = assemble(self._records, project, model_id, strategy.needs, chosen.options)
        picks = (
            self._engine.pick(
                strategy.name,
                pool,
                min(settings.queue_length, len(pool.ids)),
                derived_seed(settings.seed, "pick", project.round),
            )
            if len(pool.ids)
            else ()
        )
        entries = [
            QueueEntry(
                sample_id=int(pool.ids[pick.index]),
                strategy=strategy.name,
                score=float(pick.score),
                reason=pick.reason[:500],
                model_id=model_id,
            )
            for pick in picks
        ]
        with self._records.write() as tx:
            fresh = project_rows.find(tx, project.id, to_change=True)
            if fresh is None or fresh.serving_model_id != model_id:
                return None
            queued = queue_rows.replace(tx, project.id, entries)
        self._events.publish("queue", project.name, {"queued": queued, "strategy": strategy.name})
        return queued


@dataclass(slots=True)
class _Scoring:
    """One scoring with one version."""

    score: Score
    job_run: JobRun
    describer: Describer
    chosen: Chosen
    tally: Tally
    queued: int | None = 0

    def run(self) -> bool:
        """Describe and pick; False when another version serves meanwhile."""
        if self.chosen.manifest.works_without_model:
            # Nobody asks for descriptions: predictions of what is next to be labelled will do.
            if not self._pick():
                return False
            with self.score._records.read() as tx:
                found = description_rows.along_queue(
                    tx, self.describer.project.id, self.describer.version.id
                )
            return self._describe_all([each.sample for each in found if each.is_due])
        return self._walk() and self._pick()

    def _walk(self) -> bool:
        """Describe what is due, picking at doubling sizes on the way."""
        total = max(counts.ready(self.describer.project), 1)
        passed, next_pick = 0, FIRST_PART
        batch: list[Sample] = []
        for due in self._along():
            passed += 1
            if due.is_due:
                batch.append(due.sample)
            if len(batch) >= BATCH:
                self._tell(passed, total)
                if not self._batch(batch):
                    return False
                batch = []
            if passed >= next_pick and not batch:
                next_pick = 2 * passed
                if passed < total and not self._pick():
                    return False
        self._tell(passed, max(total, passed))
        return self._batch(batch)

    def _along(self) -> Iterator[Due]:
        if Need.EMBEDDING in self.chosen.manifest.needs:
            yield from self._in_state(SampleState.LABELLED)
        yield from self._in_state(SampleState.READY)

    def _in_state(self, state: SampleState) -> Iterator[Due]:
        for found in self.score._walked(self.describer.project, self.describer.version, state):
            self.job_run.check()
            yield from found

    def _describe_all(self, samples: Sequence[Sample]) -> bool:
        for start in range(0, len(samples), BATCH):
            self._tell(start, len(samples))
            if not self._batch(samples[start : start + BATCH]):
                return False
        return True

    def _batch(self, samples: Sequence[Sample]) -> bool:
        """Describe a batch; False when another version serves meanwhile."""
        if samples:
            self.job_run.check()
            self.describer.batch(self.job_run, samples, self.tally)
        return self._still_serves()

    def _still_serves(self) -> bool:
        with self.score._records.read() as tx:
            project = project_rows.find(tx, self.describer.project.id)
        return project is not None and project.serving_model_id == self.describer.version.id

    def _pick(self) -> bool:
        self.describer.settle()
        self.job_run.check()
        project = self.score._projects.of_id(self.describer.project.id)
        self.queued = self.score._pick(project, self.describer.version, self.chosen)
        return self.queued is not None

    def _tell(self, step: int, total: int) -> None:
        self.job_run.progress(
            Progress(step=min(step, total), total=total, message="describing the pool")
        )


_READABLE = (SampleState.READY, SampleState.LABELLED, SampleState.SET_ASIDE)


def _asked(run: JobRun) -> str | None:
    """Return the strategy that the job is to use in place of the project's own."""
    name = run.job.params.get("strategy")
    return None if name is None else str(name)


def _sample_ids(wanted: object) -> list[int]:
    if not isinstance(wanted, list) or not all(isinstance(each, int) for each in wanted):
        raise InvalidRequest(f"samples is {wanted!r}; give a list of sample ids.")
    return wanted


def _sample_states(wanted: object) -> list[SampleState]:
    readable = {each.value for each in _READABLE}
    if not isinstance(wanted, list) or not readable.issuperset(wanted):
        raise InvalidRequest(f"states is {wanted!r}; give a list of {', '.join(sorted(readable))}.")
    return [SampleState(each) for each in wanted]
