"""Several plugins in one file, each of which can be read and none of which can be made to work."""

from __future__ import annotations

import os
import sys
import time

from limner.plugin import (
    Ability,
    AppManifest,
    Image,
    LoadRequest,
    PromptKind,
    StrategyManifest,
    Task,
)


def _app(name: str, factory: str) -> AppManifest:
    return AppManifest(
        name=name,
        version="1.0.0",
        factory=factory,
        task=Task.SEGMENTATION,
        dimensions=frozenset({2}),
        abilities=frozenset(Ability),
        prompts=frozenset(PromptKind),
        title=name,
        licence="MIT",
    )


def _strategy(name: str, factory: str) -> StrategyManifest:
    return StrategyManifest(
        name=name, version="1.0.0", factory=factory, needs=frozenset(), title=name, licence="MIT"
    )


class Incomplete:
    """Cannot train, and its model can neither describe nor be asked properly."""

    def load(self, request: LoadRequest) -> IncompleteModel:
        return IncompleteModel()


class IncompleteModel:
    def predict(self, image: Image) -> None:
        """Takes no request."""

    async def evaluate(self, cases: object, watch: object) -> None:
        """Would have to be awaited."""


class Shy:
    """A strategy that takes other parameters than the contract's."""

    def pick(self, pool: object, how_many: int) -> list[int]:
        return []


class Demanding:
    def __init__(self, licence_key: str) -> None:
        self.licence_key = licence_key


class Chatty:
    """In order, though it prints all over the place."""

    def __init__(self) -> None:
        print("loading ...")  # noqa: T201 - the point of it
        os.write(1, b'{"problems": ["this is not the answer"]}\n')

    def pick(self, pool: object, count: int, seed: int) -> list[int]:
        return []


def fails() -> object:
    raise KeyError("settings.ini")


def hangs() -> object:
    while True:
        time.sleep(0.05)


def crashes() -> object:
    print("the driver is not there", file=sys.stderr)  # noqa: T201 - its last words
    sys.stderr.flush()
    os._exit(41)


manifests = (
    _app("incomplete", ":Incomplete"),
    _app("fails", ":fails"),
    _app("hangs", ":hangs"),
    _app("crashes", ":crashes"),
    _app("demanding", ":Demanding"),
    _app("absent", ":Absent"),
    _app("elsewhere", "no_such_package_anywhere.app:App"),
    _strategy("shy", ":Shy"),
    _strategy("chatty", ":Chatty"),
)
