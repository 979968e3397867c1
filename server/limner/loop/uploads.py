"""A label file on its way: written aside and bounded, before anything is known of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from limner.errors import ImageError, PayloadTooLarge
from limner.images import label_suffix
from limner.plugin import Task
from limner.settings import Limits
from limner.stores.blobs import Blobs
from limner.stores.durable import chunks_of, full_disk_said


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent, as it lies aside."""

    path: Path
    suffix: str


@contextmanager
def received(
    file: BinaryIO, filename: str, task: Task, blobs: Blobs, limits: Limits
) -> Iterator[Upload]:
    """Write a sent label aside, in little memory; it is removed at the end unless it was moved.

    What is wrong with it is said by the name it was sent under.

    Raises:
        UnsupportedFormat: Its name is none of a label of this task.
        PayloadTooLarge: It is over the limits.
        StorageFull: The disk is full.
    """
    suffix = label_suffix(filename, task)
    # Not synced here: that is done once, when the file gets its place among the blobs.
    path = blobs.incoming / f"{uuid.uuid4().hex}.part"
    try:
        with full_disk_said(blobs.incoming):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file, filename, limits)
        yield Upload(path, suffix)
    except ImageError as error:
        # People know the file by the name they gave it, not by the one it has aside.
        words = str(error).replace(path.name, filename[:200])
        raise type(error)(words, problems=error.problems) from error
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, file: BinaryIO, filename: str, limits: Limits) -> None:
    received_bytes = 0
    with open(path, "xb") as aside:
        for chunk in chunks_of(file):
            received_bytes += len(chunk)
            if received_bytes > limits.max_file_bytes:
                raise PayloadTooLarge(
                    f"{filename[:200]!r} has more than the {limits.max_file_bytes:,} bytes of "
                    "max_file_bytes in the limits."
                )
            aside.write(chunk)
