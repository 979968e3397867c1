"""Every exception that the server raises on purpose.

LimnerError
├── PluginError              what plugins raise themselves: see `limner.plugin.errors`
│   ├── UnsuitableInput
│   └── Stopped
├── InvalidRequest           a value that was given cannot be used
│   ├── ImageError           a file cannot be used as image or mask
│   │   ├── UnreadableImage      truncated, foreign, damaged or not finite
│   │   ├── UnsupportedFormat    a format that Limner does not read or write
│   │   ├── ImageTooLarge        over the limits of the settings
│   │   ├── GeometryMismatch     a label does not lie on its image
│   │   └── InvalidLabelValues   a label holds values that the schema does not
│   └── PayloadTooLarge      a body is over the limits of the settings
├── NotFound                 no such project, sample, label, job, …
├── Conflict                 the present state does not allow it
│   └── NoModel              the project has no model version that serves yet
├── Unauthorised             a token is missing or wrong
├── SettingsError            the settings or the command line cannot be used
├── StorageFull              the disk is full; nothing was recorded
├── RecordsBusy              the database is locked by somebody else
├── RecordsDamaged           the database is damaged, or was taken away
└── EngineError              heavy work failed
├── WorkerDied           a worker process ended; carries its last words
├── WorkerTimeout        a worker did not answer in time and was ended
├── WorkerOutOfMemory    a worker needed more memory than there is
├── EngineBusy           too much work is waiting
└── PluginFailed         a plugin raised what it should not, or broke the contract
"""

from __future__ import annotations

from collections.abc import Sequence

from limner.plugin.errors import LimnerError, PluginError, Stopped, UnsuitableInput

__all__ = [
    "Conflict",
    "EngineBusy",
    "EngineError",
    "GeometryMismatch",
    "ImageError",
    "ImageTooLarge",
    "InvalidLabelValues",
    "InvalidRequest",
    "LimnerError",
    "NoModel",
    "NotFound",
    "PayloadTooLarge",
    "PluginError",
    "PluginFailed",
    "RecordsBusy",
    "RecordsDamaged",
    "SettingsError",
    "Stopped",
    "StorageFull",
    "Unauthorised",
    "UnreadableImage",
    "UnsuitableInput",
    "UnsupportedFormat",
    "WorkerDied",
    "WorkerOutOfMemory",
    "WorkerTimeout",
]


class InvalidRequest(LimnerError):
    """A value that was given cannot be used."""

    def __init__(self, message: str, *, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ImageError(InvalidRequest):
    """A file cannot be used as an image or a mask."""


class UnreadableImage(ImageError):
    """A file is truncated, foreign, damaged or holds values that are not finite."""


class UnsupportedFormat(ImageError):
    """A format that Limner does not read or write."""


class ImageTooLarge(ImageError):
    """An image is over the limits of the settings."""


class GeometryMismatch(ImageError):
    """A label's shape or affine differs from its image's."""


class InvalidLabelValues(ImageError):
    """A label holds values that the project's schema does not have."""


class PayloadTooLarge(InvalidRequest):
    """A request's body is over the limits of the settings."""


class NotFound(LimnerError):
    """There is no such project, sample, label, assignment, job, version or blob."""


class Conflict(LimnerError):
    """The present state does not allow what was asked."""

    def __init__(self, message: str, *, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class NoModel(Conflict):
    """The project has no model version that serves yet."""


class Unauthorised(LimnerError):
    """A token is missing or wrong."""


class SettingsError(LimnerError):
    """The settings or the command line cannot be used."""


class StorageFull(LimnerError):
    """The disk is full; nothing was recorded."""


class RecordsBusy(LimnerError):
    """The database stayed locked by somebody else for too long."""


class RecordsDamaged(LimnerError):
    """The database is damaged, cannot be read, or was taken away while the server ran."""


class EngineError(LimnerError):
    """Heavy work failed."""


class WorkerDied(EngineError):
    """A worker process ended while it held the work."""

    def __init__(self, message: str, *, last_words: str = "") -> None:
        super().__init__(message)
        self.last_words = last_words


class WorkerTimeout(EngineError):
    """A worker did not answer in time and was ended."""


class WorkerOutOfMemory(EngineError):
    """A worker needed more memory than there is."""


class EngineBusy(EngineError):
    """Too much work is waiting; come back later."""


class PluginFailed(EngineError):
    """A plugin raised what it should not, or its answer broke the contract."""
