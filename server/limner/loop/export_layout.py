"""What a layout of an exported data set is: the files that samples become, and those at the end."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from limner.errors import Conflict
from limner.images import ImageSource
from limner.plugin import LabelSchema, Region
from limner.records.rows import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What a layout knows of the data before the first sample."""

    title: str
    schema: LabelSchema
    modality: str
    """DICOM modality code, or `unknown`."""
    first: Sample
    """A sample that stands for the others."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a data set: its path inside, and its bytes or where they lie."""

    name: str
    content: bytes | Path

    def open(self) -> BinaryIO:
        """Open the content for reading."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        return open(self.content, "rb")


class Layout(ABC):
    """How a data set is laid out; made anew for each export, and closed after it."""

    @abstractmethod
    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the files of one sample.

        Raises:
            ImageError: The image or the label cannot be read, or not be told in this layout.
        """

    def partial(
        self,
        name: str,
        source: ImageSource,
        label: Path,
        label_format: str,
        regions: Sequence[Region],
    ) -> list[Part]:
        """Return the files of one sample that is labelled in these regions only.

        Raises:
            ImageError: As in `parts`.
            Conflict: This layout cannot say that a part is not labelled.
        """
        raise Conflict("only parts of it are labelled, which this layout cannot tell")

    def add(self, name: str) -> None:  # noqa: B027 - most layouts count nothing
        """Count the sample in whose parts were asked for last: its files were written."""

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the files that come after all samples: path inside, and content in pieces."""
        yield from ()

    def close(self) -> None:  # noqa: B027 - most layouts hold nothing
        """Let go of what was held for this export."""
