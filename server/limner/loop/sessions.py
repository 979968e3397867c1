"""Sessions: images that clients bring to be predicted, kept for a while and no samples.

The files lie in a folder named by the session, the row says which and how long. Whatever has
expired goes when the next one is made, and at the start.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from limner.errors import ImageError, InvalidRequest, NotFound, PayloadTooLarge
from limner.images import IMAGE_SUFFIXES, ImageSource, image_suffix
from limner.loop.projects import Projects
from limner.records import sessions as session_rows
from limner.records.database import Records
from limner.records.rows import Session
from limner.stores.archives import File, damage_told, plain_name, unpacked
from limner.stores.durable import chunks_of, full_disk_said

MOST_FILES = 10_000
"""Most files of one session, such as the slices of a series."""


class Sessions:
    """Every session of the server. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        folder: Path,
        clock: Callable[[], float],
        expiry_s: float,
    ) -> None:
        """Wire.

        Args:
            records: The database.
            projects: The projects.
            folder: Where sessions have their folders; made when the first one is.
            clock: Seconds since 1970.
            expiry_s: How long a session lasts after it was last used, at most.
        """
        self._records = records
        self._projects = projects
        self._folder = folder
        self._clock = clock
        self._expiry_s = expiry_s

    def create(
        self,
        project: str,
        files: Sequence[File],
        *,
        expiry_s: float = 0,
        unpack: bool = False,
    ) -> Session:
        """Keep files for a while.

        Args:
            project: Name of the project whose model is to see them.
            files: Their names with their contents; of a path the last part is the name.
            expiry_s: How long after the last use; the longest where it is 0 or more than that.
            unpack: Whether a single file is an archive (zip or tar) of the files.

        Raises:
            InvalidRequest: No file, too many, a name that cannot be used or comes twice, or an
                archive that cannot be unpacked.
            NotFound: There is no such project.
            PayloadTooLarge: They are over the limits together.
            StorageFull: The disk is full.
        """
        if not 1 <= len(files) <= MOST_FILES:
            raise InvalidRequest(f"A session has 1 to {MOST_FILES} files, not {len(files)}.")
        if unpack and len(files) > 1:
            raise InvalidRequest(f"One archive can be unpacked, not {len(files)} files.")
        found = self._projects.get(project)
        self.sweep()
        now = self._clock()
        session = Session(
            id=secrets.token_hex(16),
            project_id=found.id,
            files=[],
            created_at=now,
            last_access_at=now,
            expiry_s=min(expiry_s, self._expiry_s) if expiry_s > 0 else self._expiry_s,
        )
        place = self._place(session.id)
        try:
            with full_disk_said(self._folder):
                place.mkdir(parents=True)
                names = self._written(place, self._unpacked(files[0]) if unpack else files)
            session = replace(session, files=names)
            with self._records.write() as tx:
                session_rows.add(tx, session)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return session

    def get(self, project: str, session_id: str, *, touch: bool = False) -> Session:
        """Return a session that has not expired.

        Args:
            project: Whose.
            session_id: Its id.
            touch: Whether it lasts for the full time again, from now on.

        Raises:
            NotFound: There is none, or it has expired.
        """
        now = self._clock()
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            session = session_rows.find(tx, session_id)
        if (
            session is None
            or session.project_id != found.id
            or session.last_access_at + session.expiry_s < now
        ):
            raise NotFound(
                f"Session ({session_id[:64]}) Not Found: there is none, or not any more."
            )
        if not touch:
            return session
        with self._records.write() as tx:
            session_rows.touch(tx, session.id, at=now)
        return replace(session, last_access_at=now)

    def remove(self, project: str, session_id: str) -> Session:
        """Let a session go, with its files.

        Raises:
            NotFound: There is none.
        """
        session = self.get(project, session_id)
        self._let_go([session])
        return session

    def paths(self, session: Session) -> list[Path]:
        """Return where a session's files lie."""
        return [self._place(session.id) / name for name in session.files]

    def place(self, session: Session) -> Path:
        """Return the folder of a session's files."""
        return self._place(session.id)

    def source(self, project: str, session: Session) -> ImageSource:
        """Return a session's image, for whoever reads it.

        Raises:
            ImageError: It is not one image in a format that is read.
        """
        found = self._projects.get(project)
        images = [path for path in self.paths(session) if image_suffix(path.name)]
        if len(images) != 1:
            raise ImageError(
                f"The session has {len(session.files)} files, {len(images)} of them images that "
                f"are read; give one, in {', '.join(IMAGE_SUFFIXES)}."
            )
        return ImageSource(
            paths=(images[0],),
            name=images[0].name,
            modality=self._projects.settings(found).modality,
            limits=self._projects.limits,
        )

    def sweep(self) -> int:
        """Let go of what has expired; return how many sessions that were."""
        with self._records.read() as tx:
            overdue = session_rows.expired(tx, at=self._clock())
        self._let_go(overdue)
        return len(overdue)

    def sweep_debris(self) -> None:
        """Remove folders that no session names: a crash left them. For the start only."""
        if not self._folder.is_dir():
            return
        for path in list(self._folder.iterdir()):
            with self._records.read() as tx:
                is_known = session_rows.find(tx, path.name) is not None
            if not is_known:
                shutil.rmtree(path, ignore_errors=True)

    def _let_go(self, gone: Iterable[Session]) -> None:
        for each in gone:
            with self._records.write() as tx:
                session_rows.remove(tx, each.id)
            shutil.rmtree(self._place(each.id), ignore_errors=True)

    def _place(self, session_id: str) -> Path:
        return self._folder / session_id

    def _unpacked(self, archive: File) -> Iterable[File]:
        return unpacked(*archive, self._projects.limits.max_file_bytes)

    def _written(self, place: Path, files: Iterable[File]) -> list[str]:
        """Write files below a folder, within the limits; return their names in order."""
        names: list[str] = []
        left = self._projects.limits.max_file_bytes
        for told, stream in files:
            name = plain_name(told)
            if len(names) == MOST_FILES:
                raise InvalidRequest(f"The archive has more than {MOST_FILES:,} files.")
            if (place / name).exists():
                raise InvalidRequest(f"The session has two files {name[:200]!r}; rename one.")
            with open(place / name, "xb") as file, damage_told(name):
                for chunk in chunks_of(stream):
                    left -= len(chunk)
                    if left < 0:
                        raise PayloadTooLarge(
                            "The files of the session have more than the "
                            f"{self._projects.limits.max_file_bytes:,} bytes of max_file_bytes in "
                            "the limits."
                        )
                    file.write(chunk)
            names.append(name)
        if not names:
            raise InvalidRequest("The archive has no file.")
        return names
