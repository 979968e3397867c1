"""Exceptions on their way: what a plugin raised becomes something of `limner.errors`."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import limner.errors
from limner.engine.messages import Failure
from limner.engine.numbers import Broken
from limner.errors import (
    EngineError,
    InvalidRequest,
    LimnerError,
    PluginFailed,
    StorageFull,
    WorkerOutOfMemory,
)

log = logging.getLogger(__name__)

FRAMES_SHOWN = 3
"""How many of a plugin's own frames a message names, innermost last."""

_KINDS: dict[str, type[LimnerError]] = {
    name: kind
    for name, kind in vars(limner.errors).items()
    if isinstance(kind, type) and issubclass(kind, LimnerError)
}


def told(error: LimnerError) -> Failure:
    """Put an exception into words that any process can read."""
    kind = next(each.__name__ for each in type(error).__mro__ if _KINDS.get(each.__name__) is each)
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    return Failure(kind=kind, message=str(error), problems=problems)


def raised(failure: Failure) -> LimnerError:
    """Make the exception again."""
    kind = _KINDS.get(failure.kind, EngineError)
    if issubclass(kind, InvalidRequest):
        return kind(failure.message, problems=failure.problems)
    return kind(failure.message)


@contextmanager
def foreign_code(who: str, doing: str) -> Iterator[None]:
    """Let only exceptions of Limner out of a block that calls a plugin.

    Args:
        who: The plugin, as the beginning of a sentence: `App 'tiny'`.
        doing: What it was asked, as the name of a method.

    Raises:
        LimnerError: What the plugin, or reading an image for it, raised on purpose.
        WorkerOutOfMemory: Memory of the processor or of the device ran out.
        StorageFull: The disk is full.
        PluginFailed: Anything else; the full traceback is in the worker's log alone.
    """
    try:
        yield
    except LimnerError:
        raise
    except BaseException as error:
        log.exception("%s failed in %s.", who, doing)
        raise _translated(error, who, doing) from error


@contextmanager
def contract(who: str, doing: str) -> Iterator[None]:
    """Blame a plugin for what a check of its answer finds.

    Args:
        who: The plugin, as the beginning of a sentence.
        doing: What it was asked, as the name of a method.

    Raises:
        PluginFailed: The answer breaks the contract.
    """
    try:
        yield
    except (Broken, AttributeError, KeyError, TypeError, ValueError) as error:
        # A field of a wrong type makes a check stumble: that is the answer's fault as well.
        raise PluginFailed(f"{who} broke the contract in {doing}: {error}.") from error


def _translated(error: BaseException, who: str, doing: str) -> LimnerError:
    if is_out_of_memory(error):
        return WorkerOutOfMemory(
            f"{who} needed more memory in {doing} than there is: {error}. Give it smaller images, "
            "or a machine with more memory."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFull(f"The disk is full: {who} could not write in {doing}. Make room.")
    return PluginFailed(
        f"{who} failed in {doing}: {type(error).__name__}: {error}{_place(error)}. "
        "The worker's log has the traceback."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, whichever library raised it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in words or "can't allocate memory" in words
    )


def _place(error: BaseException) -> str:
    """Say where in the plugin's own code, leaving out the frames of the engine."""
    ours = Path(limner.errors.__file__).parent
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if ours not in Path(frame.filename).parents
    ]
    return f" ({', '.join(frames[-FRAMES_SHOWN:])})" if frames else ""
