"""One training by the engine, done once: a job that goes on finds what it has finished."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from limner.engine import CaseSource, Engine, ModelRef, TrainTask
from limner.loop.job_run import JobRun
from limner.loop.models import model_key
from limner.loop.plain import plain
from limner.loop.training_plan import TrainingPlan
from limner.plugin import Trained, Watch
from limner.records import jobs as job_rows
from limner.records.database import Records
from limner.stores.durable import full_disk_said

log = logging.getLogger(__name__)

_FINISHED = "finished.json"


@dataclass(frozen=True, slots=True)
class TrainingWork:
    """The folder of one job, and the engine that works in it."""

    engine: Engine
    plan: TrainingPlan
    folder: Path
    """`<home>/work/<project id>/<job id>`; kept while the job is not finished."""
    parent: Path | None
    """Weights to start from."""

    def train(
        self,
        name: str,
        train: Sequence[CaseSource],
        validation: Sequence[CaseSource],
        watch: Watch,
        *,
        effort: float,
        seed: int,
        from_parent: bool = True,
    ) -> Trained:
        """Train in a folder of this name, or return what a training there left before.

        Raises:
            Stopped: The watch said so; what was checkpointed stays.
            EngineError: The training failed.
            StorageFull: The disk is full.
        """
        workspace = self.folder / name
        with full_disk_said(self.folder):
            workspace.mkdir(parents=True, exist_ok=True)
        finished = workspace / _FINISHED
        trained = _read(finished)
        if trained is not None:
            return trained
        cache = self.folder.parent / "cache"
        with full_disk_said(cache):
            cache.mkdir(parents=True, exist_ok=True)
        trained = self.engine.train(
            TrainTask(
                app=self.plan.project.app,
                schema=self.plan.schema,
                train=train,
                validation=validation,
                parent=self.parent if from_parent else None,
                seed=seed,
                workspace=workspace,
                cache=cache,
                effort=effort,
                options=self.plan.options,
            ),
            watch,
        )
        _write(finished, trained)
        return trained

    def model(self, trained: Trained) -> ModelRef:
        """Return trained weights as a worker needs them."""
        return ModelRef(
            app=self.plan.project.app,
            key=model_key(
                self.plan.project.app, str(trained.weights), self.plan.schema, self.plan.options
            ),
            weights=trained.weights,
            schema=self.plan.schema,
            options=self.plan.options,
        )

    def remove(self) -> None:
        """Delete the folder: the job is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def workspace(
    run: JobRun,
    records: Records,
    engine: Engine,
    plan: TrainingPlan,
    root: Path,
    *,
    parent: Path | None = None,
) -> Iterator[TrainingWork]:
    """Give a job the folder that it trains in, once those of ended jobs are swept.

    After the block it is deleted, unless the job goes on from it later.

    Args:
        run: The job.
        records: The database.
        engine: What trains.
        plan: What is trained by.
        root: Where all projects have their workspaces.
        parent: Weights to start from, where the plan has any.
    """
    folder = root / str(plan.project.id)
    with records.read() as tx:
        open_jobs = job_rows.unfinished(tx, project_id=plan.project.id)
    sweep(folder, [job.id for job in open_jobs])
    work = TrainingWork(engine=engine, plan=plan, folder=folder / str(run.job.id), parent=parent)
    try:
        yield work
    except Exception as error:
        if not run.goes_on_after(error):
            work.remove()
        raise
    work.remove()


def sweep(folder: Path, jobs: Sequence[int]) -> None:
    """Delete the folders of jobs that are not among the unfinished ones given."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.isdigit() and int(entry.name) not in jobs:
            shutil.rmtree(entry, ignore_errors=True)
            log.info("workspace of job %s removed", entry.name)


def _write(path: Path, trained: Trained) -> None:
    values = {**plain(asdict(trained)), "weights": str(trained.weights)}
    temporary = path.with_suffix(".tmp")
    with full_disk_said(path.parent):
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(values, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _read(path: Path) -> Trained | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    weights = Path(values["weights"])
    if not weights.is_file():
        return None
    return Trained(
        weights=weights,
        plan=values["plan"],
        metrics={
            name: float("nan") if value is None else value
            for name, value in values["metrics"].items()
        },
        seed=values["seed"],
        steps=values["steps"],
        libraries=values["libraries"],
        notes=tuple(values["notes"]),
    )
