"""Reads the image that comes next while a model computes. Used in workers only."""

from __future__ import annotations

import math
import threading

from limner.errors import LimnerError
from limner.images import ImageSource
from limner.plugin import Image

MOST_VOXELS = 32 * 2**20
"""Larger images are not read ahead: reading them takes little beside computing on them, and two of
them at once would double the memory of a worker."""


class _Reading:
    """One image on its way, in a thread that has started."""

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self.image: Image | None = None
        self.thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            header = self.source.header()
            if math.prod(header.shape) * header.channels <= MOST_VOXELS:
                self.image = self.source.read()
        except (LimnerError, OSError):
            self.image = None  # whoever takes it reads again, and is told the error


class ReadAhead:
    """Holds at most one image that nobody has asked for yet."""

    def __init__(self) -> None:
        self._reading: _Reading | None = None

    def begin(self, source: ImageSource) -> None:
        """Start to read in the background, unless a reading is still going on."""
        if self._reading is None or not self._reading.thread.is_alive():
            self._reading = _Reading(source)

    def take(self, source: ImageSource) -> Image:
        """Return the image, read already or now.

        Raises:
            ImageError: The file cannot be used.
        """
        reading, self._reading = self._reading, None
        if reading is not None and reading.source == source:
            reading.thread.join()
            if reading.image is not None:
                return reading.image
        return source.read()
