"""Looking at stores: at start as a whole, then at what their watchers tell.

One thread does all the looking, so that two looks never race and a server with many projects stays
responsive. Known files that have not changed are recognised by their size and time alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Set
from pathlib import Path, PurePosixPath

from limner.errors import LimnerError, NotFound
from limner.images import image_suffix
from limner.loop.adoption import Adoption
from limner.loop.collect import Labels
from limner.loop.events import Events
from limner.loop.intake import BATCH, Intake, Tally, batches
from limner.loop.jobs import Jobs
from limner.loop.projects import Projects
from limner.loop.sync_report import SyncReport
from limner.records import audit, store_problems
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import JobKind, Project, SampleState
from limner.stores.entries import Entry, Problem
from limner.stores.folder import FolderStore
from limner.stores.watching import Watcher

log = logging.getLogger(__name__)

RETRY_S = 10.0
"""When a look that failed is tried again."""

_GONE = {SampleState.VANISHED, SampleState.REMOVED}


class Ingest:
    """Keeps samples in step with the files of their stores."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        labels: Labels,
        jobs: Jobs,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._labels = labels
        self._jobs = jobs
        self._events = events
        self._clock = clock
        self._intake = Intake(records, projects, clock)
        self._adoption = Adoption(records, projects, labels)
        self._looking = threading.Lock()
        # Names of projects to look at: with the changed paths, or None for everything.
        self._pending: dict[str, set[str] | None] = {}
        self._looked_at: set[str] = set()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._watchers: dict[str, tuple[FolderStore, Watcher]] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Watch every project's store, and look at each once as a whole, in the background."""
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._look_for_ever, name="ingest", daemon=True),
            threading.Thread(target=self._follow_projects, name="ingest-news", daemon=True),
        ]
        self._news = self._events.subscribe()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the watchers and the looking; a look that is under way ends at its next batch."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._threads:
            self._news.close()
        for thread in self._threads:
            thread.join(timeout=10)
        self._threads = []
        for name in list(self._watchers):
            self._unwatch(name)

    def wait_until_looked(self, names: Iterable[str], timeout_s: float) -> bool:
        """Wait until the stores of these projects have been looked at once, as a whole.

        Returns:
            Whether they all have; a large store takes longer than anybody wants to wait.
        """
        wanted = set(names)
        with self._changed:
            return self._changed.wait_for(
                lambda: wanted <= self._looked_at or self._is_stopping, timeout_s
            )

    def has_looked(self, name: str) -> bool:
        """Tell whether a project's store has been looked at as a whole since the start."""
        with self._changed:
            return name in self._looked_at

    def look_again(self, project: str) -> None:
        """Have a whole store looked at soon, in the background.

        Raises:
            NotFound: There is no such project.
        """
        self._expect(self._projects.get(project).name, None)

    def sync(self, project: str, *, adopts: bool = True) -> SyncReport:
        """Look at a whole store now: take in what is new, changed, back or gone; adopt labels.

        Args:
            project: Name of the project.
            adopts: Whether finished labels are looked for, too.

        Raises:
            NotFound: There is no such project.
        """
        with self._looking:
            return self._sync(self._projects.get(project), adopts=adopts)

    def sync_paths(self, project: str, paths: Iterable[str]) -> SyncReport:
        """Look at some files of a store now, and at nothing else.

        Args:
            project: Name of the project.
            paths: Paths inside the store that appeared, changed or vanished.
        """
        with self._looking:
            return self._sync_paths(self._projects.get(project), set(paths))

    def _sync(self, project: Project, *, adopts: bool) -> SyncReport:
        problems: dict[str, str] = {}
        with self._records.read() as tx:
            newest = sample_rows.newest_id(tx, project.id)
        # One byte a sample: a million known ids cost a megabyte.
        seen = bytearray(newest + 1)

        def note(sample_id: int) -> None:
            if sample_id <= newest:
                seen[sample_id] = 1

        tally = Tally()
        store = self._projects.store(project)
        for batch in batches(_sorted_out(store.scan(), problems)):
            tally += self._taken_in(project, batch, note)
            if self._is_stopping:
                return SyncReport(tally=tally, adopted=0, problems=problems, is_complete=False)
        # A store that is not there at all is a share that is not mounted: its samples stay.
        if "." not in problems:
            tally += self._intake.vanish(project, self._unseen(project, seen))
        adopted = self._adopt(project, problems) if adopts else []
        with self._records.write() as tx:
            store_problems.settle_all(tx, project.id)
            store_problems.report(tx, project.id, problems, at=self._clock())
        report = SyncReport(tally=tally, adopted=len(adopted), problems=problems)
        return self._done(project, report)

    def _sync_paths(self, project: Project, paths: set[str]) -> SyncReport:
        problems: dict[str, str] = {}
        folders = {_folder_of(each) for each in paths}
        # A folder of channels is one sample, which its parent's listing does not show; a new file
        # in it may also turn it back into single samples.
        found = list(_sorted_out(self._projects.store(project).scan(folders), problems))
        if "." in problems:
            return SyncReport(tally=Tally(), adopted=0, problems=problems)
        touched = [each for each in found if paths & set(each.files)]
        # How files group may change with one of them; in a small folder all are looked at again.
        affected = found if len(found) <= BATCH else touched
        tally = Tally()
        for batch in batches(affected):
            tally += self._taken_in(project, batch, None, told=paths)
        names = {each.name for each in found}
        files = paths | {file for each in affected for file in each.files}
        candidates = {name for file in files for name in _names_of(file)} - names
        tally += self._intake.vanish(project, self._known_ids(project, candidates))
        wants_labels = tally.new or tally.returned or self._has_labels(project, paths)
        adopted = self._adopt(project, problems) if wants_labels else []
        with self._records.write() as tx:
            store_problems.settle(tx, project.id, paths.union(adopted) - set(problems))
            store_problems.report(tx, project.id, problems, at=self._clock())
        report = SyncReport(tally=tally, adopted=len(adopted), problems=problems)
        return self._done(project, report)

    def _taken_in(
        self,
        project: Project,
        batch: list[Entry],
        seen: Callable[[int], None] | None,
        *,
        told: Set[str] = frozenset(),
    ) -> Tally:
        tally = self._intake.take_in(project, batch, seen, told=told)
        if tally.is_news:
            data = {"change": "taken_in", "new": tally.new, "changed": tally.changed}
            self._events.publish("sample", project.name, data)
        return tally

    def _adopt(self, project: Project, problems: dict[str, str]) -> list[str]:
        """Adopt finished labels; return the places where they were found."""
        adopted = []
        for place in self._adoption.adopt(project, problems):
            adopted.append(place)
            if self._is_stopping:
                break
        if adopted:
            self._labels.tell_retrain(project.id)
        return adopted

    def _has_labels(self, project: Project, paths: Iterable[str]) -> bool:
        """Tell whether paths inside the store are of finished labels that are to be adopted."""
        place = project.store.get("labels")
        inside = self._projects.store(project).inside(Path(place)) if place else None
        if not inside:  # among the images themselves they come with them
            return False
        return any(PurePosixPath(each).is_relative_to(inside) for each in paths)

    def _unseen(self, project: Project, seen: bytearray) -> list[int]:
        unseen: list[int] = []
        after = 0
        while True:
            with self._records.read() as tx:
                rows = sample_rows.names_beyond(tx, project.id, after=after, limit=5000)
            if not rows:
                return unseen
            after = rows[-1][0]
            unseen += [
                sample_id
                for sample_id, _, state in rows
                if sample_id < len(seen) and not seen[sample_id] and state not in _GONE
            ]

    def _known_ids(self, project: Project, names: set[str]) -> list[int]:
        ordered = sorted(names)
        ids: list[int] = []
        for start in range(0, len(ordered), BATCH):
            with self._records.read() as tx:
                known = sample_rows.known(tx, project.id, ordered[start : start + BATCH])
            ids += [each.id for each in known.values() if each.state not in _GONE]
        return ids

    def _done(self, project: Project, report: SyncReport) -> SyncReport:
        if report.tally.is_news or report.adopted:
            with self._records.write() as tx:
                audit.write(
                    tx,
                    at=self._clock(),
                    project_id=project.id,
                    actor=audit.SERVER,
                    action="store.synced",
                    subject=f"project:{project.id}",
                    details=report.as_json(),
                )
            log.info("project %s: %s", project.name, report)
            self._events.publish("project", project.name, {"change": "synced"})
        if report.tally.new or report.tally.changed or report.tally.returned:
            # The pool has changed: the strategy is to look at it, or at first to make a queue.
            self._jobs.ensure(project.id, JobKind.SCORE)
        return report

    def _all_projects(self) -> Iterable[Project]:
        cursor = None
        while True:
            page = self._projects.list(cursor, 1000)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def _watch(self, name: str) -> None:
        """Watch a project's store from now on, and have it looked at as a whole."""
        store = self._projects.store(self._projects.get(name))
        if name in self._watchers and self._watchers[name][0] is store:
            return
        self._unwatch(name)

        def tell(paths: set[str] | None) -> None:
            self._expect(name, paths)

        with self._changed:
            if self._is_stopping:
                return
            self._watchers[name] = (store, store.watch(tell))
        self._expect(name, None)

    def _unwatch(self, name: str) -> None:
        with self._changed:
            self._looked_at.discard(name)
        watched = self._watchers.pop(name, None)
        if watched is not None:
            watched[1].stop()

    def _expect(self, name: str, paths: set[str] | None) -> None:
        with self._changed:
            known = self._pending.get(name, set())
            self._pending[name] = None if paths is None or known is None else known | paths
            self._changed.notify_all()

    def _look_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._is_stopping)
                if self._is_stopping:
                    return
                name, paths = next(iter(self._pending.items()))
                del self._pending[name]
            try:
                if paths is None:
                    self.sync(name)
                else:
                    self.sync_paths(name, paths)
            except NotFound:
                log.info("project %s is gone; its store is not looked at", name)
            except Exception as error:
                # The one thread that looks must live on, whatever it meets.
                known = isinstance(error, LimnerError | OSError)
                log.warning(
                    "project %s: its store could not be looked at (%s); trying again",
                    name,
                    type(error).__name__,
                    exc_info=None if known else error,
                )
                self._expect(name, paths)
                with self._changed:
                    self._changed.wait_for(lambda: self._is_stopping, RETRY_S)
            else:
                with self._changed:
                    self._looked_at.add(name)
                    self._changed.notify_all()

    def _follow_projects(self) -> None:
        """Watch every store, also of projects that are made or changed while the server runs."""
        for project in self._all_projects():
            self._try_to_watch(project.name)
        while self._news.is_open:
            try:
                event = self._news.get(timeout_s=60)
            except Exception:
                log.exception("news of projects could not be read; the next ones will be")
                continue
            if event is not None and event.kind == "project":
                if event.data.get("change") == "deleted":
                    self._unwatch(event.project)
                elif event.data.get("change") in ("created", "changed"):
                    self._try_to_watch(event.project)

    def _try_to_watch(self, name: str) -> None:
        try:
            self._watch(name)
        except Exception as error:
            known = isinstance(error, LimnerError | OSError)
            log.warning(
                "project %s: its store cannot be watched (%s)",
                name,
                type(error).__name__,
                exc_info=None if known else error,
            )


def _sorted_out(found: Iterable[Entry | Problem], problems: dict[str, str]) -> Iterable[Entry]:
    """Yield the samples; put what is wrong aside."""
    for each in found:
        if isinstance(each, Entry):
            yield each
        else:
            problems[each.path] = each.problem


def _folder_of(path: str) -> str:
    folder = str(PurePosixPath(path).parent)
    return "" if folder == "." else folder


def _names_of(file: str) -> Iterable[str]:
    """Yield every name that the sample of a file may have had: of its own, or of its group."""
    suffix = image_suffix(PurePosixPath(file).name)
    if suffix is not None:
        stem = file[: -len(suffix)]
        yield stem
        if stem[-5:-4] == "_" and stem[-4:].isdigit():
            yield stem[:-5]
    yield _folder_of(file)
