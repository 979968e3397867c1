from __future__ import annotations

import errno
import inspect
import logging

import pytest

import limner.errors
from limner.engine.failures import contract, foreign_code, raised, told
from limner.errors import (
    EngineError,
    ImageError,
    InvalidRequest,
    LimnerError,
    PluginFailed,
    StorageFull,
    WorkerOutOfMemory,
)
from limner.plugin import UnsuitableInput

KINDS = [
    kind
    for _, kind in inspect.getmembers(limner.errors, inspect.isclass)
    if issubclass(kind, LimnerError)
]


class OutOfMemoryError(RuntimeError):
    """Named as a large library names its own."""


class Odd(UnsuitableInput):
    """A plugin's own class."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_limner_crosses_as_itself(kind: type[LimnerError]) -> None:
    back = raised(told(kind("what was wrong")))
    assert type(back) is kind
    assert str(back) == "what was wrong"


def test_all_problems_of_a_request_cross() -> None:
    back = raised(told(InvalidRequest("two things", problems=("one", "two"))))
    assert isinstance(back, InvalidRequest)
    assert back.problems == ("one", "two")


def test_a_plugins_own_error_crosses_as_what_limner_knows_of_it() -> None:
    back = raised(told(Odd("too odd")))
    assert type(back) is UnsuitableInput


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (RuntimeError("no"), PluginFailed, r"App 'x' failed in predict: RuntimeError: no \(test_"),
        (SystemExit(3), PluginFailed, "SystemExit: 3"),
        (KeyboardInterrupt(), PluginFailed, "KeyboardInterrupt"),
        (MemoryError("of 8 GiB"), WorkerOutOfMemory, "of 8 GiB"),
        (OutOfMemoryError("CUDA"), WorkerOutOfMemory, "CUDA"),
        (RuntimeError("can't allocate memory: 8 bytes"), WorkerOutOfMemory, "8 bytes"),
        (OSError(errno.ENOSPC, "No space left"), StorageFull, "disk is full"),
        (OSError(errno.EACCES, "Denied"), PluginFailed, "Denied"),
        (Odd("this one"), Odd, "this one"),
        (ImageError("that one"), ImageError, "that one"),
    ],
)
def test_what_foreign_code_raises_becomes_one_of_limners_errors(
    error: BaseException, kind: type[LimnerError], words: str
) -> None:
    with pytest.raises(kind, match=words), foreign_code("App 'x'", "predict"):
        raise error


def test_the_traceback_goes_to_the_log_and_not_to_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(PluginFailed) as caught,
        foreign_code("App 'x'", "predict"),
    ):
        raise RuntimeError("no")
    assert "Traceback" in caplog.text
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("error", [TypeError("no len"), AttributeError("no plan"), KeyError("id")])
def test_a_check_that_stumbles_blames_the_answer(error: Exception) -> None:
    with (
        pytest.raises(PluginFailed, match="App 'x' broke the contract in train"),
        contract("App 'x'", "train"),
    ):
        raise error


def test_an_unknown_kind_is_still_an_error_of_the_engine() -> None:
    failure = told(EngineError("from a newer worker"))
    object.__setattr__(failure, "kind", "NotInventedYet")
    assert type(raised(failure)) is EngineError
