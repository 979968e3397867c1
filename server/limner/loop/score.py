"""Score: what the serving version says of the pool, and the queue that a strategy makes of it.

The pool is walked in its seeded random order, so whatever part is described when the strategy picks
is a fair sample of the whole; it picks at doubling sizes, so a queue is there long before a large
pool is done. Only what is new or has changed is described. Before a version serves, and where its
app describes nothing, descriptors of the pixels stand for embeddings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from limner.engine import Engine
from limner.errors import InvalidRequest
from limner.loop.corrections import Corrections
from limner.loop.describe import BATCH, Describer, Tally
from limner.loop.events import Events
from limner.loop.job_run import JobRun
from limner.loop.jobs import Handler, Jobs
from limner.loop.models import Models, serving_or_refuse
from limner.loop.pixels import PixelDescriber, forget_pixels
from limner.loop.pool import assemble
from limner.loop.prediction_files import PredictionFiles
from limner.loop.projects import Projects
from limner.loop.regions import asked_text, parts_wanted
from limner.loop.scoring import Scoring
from limner.loop.seeds import derived_seed
from limner.loop.stability import Stability
from limner.loop.strategies import Chosen, Strategies
from limner.plugin import Ability, Json, Need, Progress
from limner.records import counts
from limner.records import descriptions as description_rows
from limner.records import models as model_rows
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records.database import Records
from limner.records.descriptions import START, Due
from limner.records.rows import Job, JobKind, ModelVersion, Project, QueueEntry, SampleState
from limner.registry import Registry

log = logging.getLogger(__name__)

_LABELLED_TOO = (SampleState.LABELLED, SampleState.READY)
_OF_LABELLED = frozenset({Need.EMBEDDING, Need.COST})
"""What a strategy needs that is learnt from labelled samples, so that they are described, too."""
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
        corrections: Corrections,
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
        self._corrections = corrections
        self._stability = Stability(records, projects, models, files)

    def request(self, project: str, strategy: str | None = None) -> Job:
        """Queue a scoring because somebody asks; one that waits already does what both ask for.

        Args:
            project: The project's name.
            strategy: Name of one that fills the queue this once; the project's own when None.

        Raises:
            NotFound: There is no such project.
            InvalidRequest: There is no such strategy, or it cannot be used.
            Conflict: The strategy needs more than embeddings, and there is no model or its app does
                not say it.
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
        if version is None and not chosen.by_pixels:
            picked = self._pick(project, None, chosen)
            return {"version": None, "queued": picked, "strategy": chosen.manifest.name}
        tally = Tally()
        is_finished, queued = self._described(run, project, version, chosen, tally)
        result: dict[str, Json] = {
            "version": None if version is None else version.number,
            "strategy": chosen.manifest.name,
            "queued": queued,
            **tally.as_json(),
            "seconds": round(max(0.0, self._clock() - began), 3),  # the clock may be set back,
        }
        if not is_finished:
            # Another version serves meanwhile: its word is wanted, not this one's.
            self._jobs.ensure(project.id, JobKind.SCORE, self._wish(run.job))
            result["superseded"] = True
        elif version is not None:
            # Versions and labels are compared with what is about to be let go.
            with self._describer(project, version) as describer:
                self._stability.record(run, describer)
            self._corrections.fill(lambda: not run.should_stop())
            self._files.forget_others(project.id, version.id, lambda: not run.should_stop())
            if not chosen.by_pixels:
                forget_pixels(self._records, project.id, lambda: not run.should_stop())
            run.check()
        return result

    def _described(
        self,
        run: JobRun,
        project: Project,
        version: ModelVersion | None,
        chosen: Chosen,
        tally: Tally,
    ) -> tuple[bool, int | None]:
        """Have the pool described as the strategy wants it, and the strategy pick.

        Returns:
            Whether no other version served meanwhile, and how many picks are queued.
        """
        needs = chosen.manifest.needs
        scoring = partial(
            Scoring,
            job_run=run,
            states=_LABELLED_TOO if needs & _OF_LABELLED else (SampleState.READY,),
            ready=counts.ready(project),
            queue=partial(self._pick_afresh, project.id, version, chosen),
            still_serves=partial(self._still_serves, project.id, version),
            tally=tally,
        )
        picked, queued = True, None
        if chosen.by_pixels:
            with self._pixel_describer(project) as pixels:
                work = scoring(describer=pixels, walked=pixels.walked)
                picked, queued = work.walk(), work.queued
        if version is None or not picked:
            return picked, queued
        with self._describer(project, version) as describer:
            work = scoring(describer=describer, walked=partial(self._walked, project, version))
            if needs and not chosen.by_pixels:
                return work.walk(), work.queued
            if not chosen.by_pixels:
                picked, queued = work.pick(), work.queued
            # Nobody asks for descriptions: predictions of what is next to be labelled will do.
            with self._records.read() as tx:
                found = description_rows.along_queue(
                    tx, project.id, version.id, self._asked(project)
                )
            due = [each.sample for each in found if each.is_due]
            return picked and work.describe(due), queued

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
                found = description_rows.along_queue(
                    tx, project.id, version.id, self._asked(project)
                )
            yield found

    def _walked(
        self, project: Project, version: ModelVersion, state: SampleState
    ) -> Iterator[Sequence[Due]]:
        """Yield every sample in a state, in the random order, page by page."""
        place = START
        while True:
            with self._records.read() as tx:
                found = description_rows.walk(
                    tx,
                    project.id,
                    version.id,
                    after=place,
                    state=state,
                    limit=_PAGE,
                    asked=self._asked(project),
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
                    tx, project.id, version.id, ids[start : start + _PAGE], self._asked(project)
                )
        return [each for each in found if each.sample.state in _READABLE]

    def _asked(self, project: Project) -> str:
        return asked_text(self._projects.settings(project))

    def _describer(self, project: Project, version: ModelVersion) -> Describer:
        return Describer(
            engine=self._engine,
            projects=self._projects,
            files=self._files,
            project=project,
            version=version,
            ref=self._models.ref(project, version),
            describes=Ability.DESCRIBE in self._registry.app(version.app).abilities,
            asked=self._asked(project),
            parts=partial(parts_wanted, self._records, self._projects.settings(project)),
        )

    def _pixel_describer(self, project: Project) -> PixelDescriber:
        return PixelDescriber(
            engine=self._engine,
            projects=self._projects,
            records=self._records,
            project=project,
            clock=self._clock,
        )

    def _still_serves(self, project_id: int, version: ModelVersion | None) -> bool:
        with self._records.read() as tx:
            project = project_rows.find(tx, project_id)
        wanted = None if version is None else version.id
        return project is not None and project.serving_model_id == wanted

    def _pick_afresh(
        self, project_id: int, version: ModelVersion | None, chosen: Chosen
    ) -> int | None:
        """Do `_pick` for a project as it is by now."""
        return self._pick(self._projects.of_id(project_id), version, chosen)

    def _pick(self, project: Project, version: ModelVersion | None, chosen: Chosen) -> int | None:
        """Put a strategy's picks in the queue; None when another version serves meanwhile."""
        settings = self._projects.settings(project)
        model_id = None if version is None else version.id
        strategy = chosen.manifest
        pool = assemble(
            self._records,
            project,
            model_id,
            strategy.needs,
            chosen.options,
            by_pixels=chosen.by_pixels,
        )
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
        regions: Mapping[int, dict[str, list[int]]] = {}
        if model_id is not None and strategy.needs and not chosen.by_pixels:
            with self._records.read() as tx:
                ids = [int(pool.ids[pick.index]) for pick in picks]
                regions = description_rows.regions(tx, model_id, ids)
        entries = [
            QueueEntry(
                sample_id=int(pool.ids[pick.index]),
                strategy=strategy.name,
                score=float(pick.score),
                reason=pick.reason[:500],
                model_id=model_id,
                arm=pick.arm,
                region=regions.get(int(pool.ids[pick.index])),
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
