"""An annotator who knows every label: answers what the server asks for, over HTTP."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.client import Assignment, Label, Limner, ProjectHandle
from limner.client.errors import ClientError
from limner.simulate.jitter import jittered_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One assignment that was answered."""

    assignment: Assignment
    label: Label
    seconds: float
    """From asking for the sample until the label was on the server's disk."""


class NothingKnown(ClientError):
    """The server asked for a sample whose label is not known."""


class SimulatedAnnotator:
    """Asks for the next sample and submits its known label, as a person with a drawing tool would.

    Knows the server by its REST interface only.
    """

    def __init__(
        self,
        limner: Limner,
        project: ProjectHandle,
        truth: Mapping[str, Path],
        *,
        name: str = "simulated",
        jitter_voxels: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Take a project and the labels that are known.

        Args:
            limner: The server.
            project: Where on it to label.
            truth: Label files by the name of their sample.
            name: Who the annotator says to be.
            jitter_voxels: How far contours are off, as the standard deviation of a smooth
                displacement in voxels; 0 hands in the known labels as they are.
            seed: Decides the jitter.
        """
        self._limner = limner
        self.project = project
        self.truth = truth
        self.name = name
        self._jitter_voxels = jitter_voxels
        self._random = np.random.default_rng(seed)

    def answer(self) -> Answered | None:
        """Ask for a sample and label it.

        Returns:
            What was done, or None when the server has nothing to hand out.

        Raises:
            NothingKnown: Its label is not among the known ones; the sample is released.
        """
        started = time.monotonic()
        lent = self.project.next(self.name).assignment
        if lent is None:
            return None
        known = self.truth.get(lent.sample.name)
        if known is None:
            self._limner.release(lent.id)
            raise NothingKnown(
                f"The server asked for {lent.sample.name!r}, whose label is not known."
            )
        label = self.project.submit(
            lent.sample.id,
            self._drawn(known),
            filename=known.name,
            annotator=self.name,
            assignment=lent.id,
            seconds=round(time.monotonic() - started, 3),
        )
        return Answered(assignment=lent, label=label, seconds=time.monotonic() - started)

    def _drawn(self, known: Path) -> Path | io.BytesIO:
        if self._jitter_voxels <= 0:
            return known
        return io.BytesIO(jittered_file(known, self._jitter_voxels, self._random))
