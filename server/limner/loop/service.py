"""The whole service, wired: what every dialect translates to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from limner.engine import Engine
from limner.loop.assign import Assignments
from limner.loop.collect import Labels
from limner.loop.corrections import Corrections
from limner.loop.events import Events
from limner.loop.export import Exports
from limner.loop.ingest import Ingest
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.plugin_followers import PluginFollowers
from limner.loop.plugins import Plugins
from limner.loop.predict import Predictions
from limner.loop.prediction_files import PredictionFiles
from limner.loop.prediction_keeper import PredictionKeeper
from limner.loop.progress import ProgressReports
from limner.loop.projects import Projects
from limner.loop.retrain import Retrain
from limner.loop.review import Review
from limner.loop.samples import Samples
from limner.loop.score import Score
from limner.loop.sessions import Sessions
from limner.loop.suspect_list import SuspectList
from limner.loop.tags import Tags
from limner.loop.trials import Trials
from limner.records.database import Records
from limner.records.rows import JobKind
from limner.registry import Registry, check_given_plugins
from limner.settings import Settings
from limner.stores.blobs import Blobs
from limner.stores.plugin_copies import PluginCopies

log = logging.getLogger(__name__)

FIRST_LOOK_S = 0.5
"""How long a start waits for the folders to be looked at, in seconds."""

Clock = Callable[[], float]
"""Seconds since 1970-01-01 UTC; tests give their own."""


class Service:
    """Owns the parts of the loop and their life; holds no rule of its own."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        engine: Engine,
        registry: Registry,
        clock: Clock = time.time,
    ) -> None:
        """Wire the parts; nothing runs before `start`."""
        home: Path = settings.home
        self.settings = settings
        self.records = records
        self.engine = engine
        self.registry = registry
        self.events = Events()
        self.blobs = blobs = Blobs(home / "blobs")
        self.jobs = jobs = Jobs(records, self.events, clock)
        self.projects = Projects(
            records,
            registry,
            self.events,
            clock,
            settings.limits,
            # Whoever changes the strategy wants that one, whatever a waiting job was asked for.
            ask_for_picks=lambda project_id: jobs.ensure(
                project_id, JobKind.SCORE, {"strategy": None}
            ),
        )
        self.samples = Samples(records, self.projects, self.events, clock)
        self.models = Models(records, self.projects, blobs, self.jobs, engine, self.events, clock)
        self.plugins = Plugins(
            records,
            registry,
            PluginCopies(home / "plugins"),
            PluginFollowers(self.models, jobs, engine, self.events),
            clock,
            settings.plugin_folder,
        )
        self.assignments = Assignments(records, self.projects, self.jobs, self.events, clock)
        self.trials = Trials(
            records, self.projects, jobs, engine, blobs, registry, home / "work", clock
        )
        self.retrain = Retrain(
            records,
            self.projects,
            self.models,
            self.jobs,
            engine,
            blobs,
            registry,
            home / "work",
            clock,
            trained=self.trials.consider,
        )
        self.review = Review(
            records, self.projects, jobs, engine, blobs, registry, home / "work", clock
        )
        self.suspects = SuspectList(records, self.projects)
        # Predictions are let go by the thousand, so labels and weights do not share their folder.
        self.drawn = Blobs(home / "predictions")
        files = PredictionFiles(records, self.drawn, clock)
        self._keeper = PredictionKeeper(files)
        self._corrections = Corrections(
            records, self.projects, self.models, blobs, files, self._keeper
        )
        self.labels = Labels(
            records,
            self.projects,
            blobs,
            self.retrain,
            self.events,
            clock,
            settings.limits,
            self._corrections,
        )
        self.tags = Tags(records, self.projects, self.events, clock)
        self.sessions = Sessions(
            records,
            self.projects,
            home / "sessions",
            clock,
            settings.monai_label.session_expiry_s,
        )
        self.predictions = Predictions(
            records, self.projects, self.models, engine, files, self._keeper
        )
        self.score = Score(
            records,
            self.projects,
            self.models,
            self.jobs,
            engine,
            files,
            registry,
            self.events,
            clock,
            self._corrections,
        )
        self.ingest = Ingest(records, self.projects, self.labels, self.jobs, self.events, clock)
        self.progress = ProgressReports(records, self.projects, self.models, self.jobs)
        self.exports = Exports(records, self.projects, blobs)

    def start(self) -> None:
        """Start workers, watched folders and the job runner.

        Returns once small stores have been looked at, so that the first request finds samples, and
        after half a second at the latest.
        """
        for each in (self.blobs, self.drawn):
            each.sweep_temporary()  # what a crash left half-written
        self.sessions.sweep()
        self.sessions.sweep_debris()
        self.engine.start()
        self.plugins.open()
        self.projects.open_all(self.settings.projects)
        parts = (self.retrain, self.score, self.review, self.trials)
        self.jobs.start({kind: do for each in parts for kind, do in each.handlers().items()})
        self.ingest.start()
        self.retrain.start()
        self._corrections.start()
        threading.Thread(
            target=check_given_plugins, args=(self.registry,), name="plugin-check", daemon=True
        ).start()
        self.ingest.wait_until_looked((each.name for each in self.settings.projects), FIRST_LOOK_S)

    def stop(self) -> None:
        """End everything in the reverse order; running jobs go back to queued."""
        self.ingest.stop()
        self.retrain.stop()
        self.jobs.stop()
        self.engine.stop()
        self._keeper.stop()
        self._corrections.stop()
        self.events.close()
        self.records.close()
