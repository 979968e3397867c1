"""What the server says of itself and of its plugins."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from limner.http.rest.shapes.pages import Page
from limner.http.rest.shapes.values import Answered, Asked, Instant, Line


class Worker(Answered):
    """A process that does heavy work."""

    name: str = Field(
        description="`predictor`, `learner` or `picker`, with the device if there are several; "
        "`learner of keras-unet` where a plugin has workers of its own."
    )
    state: str = Field(description="`starting`, `idle`, `busy`, `dead` or `stopped`.")
    device: str = Field(description="`cpu`, `cuda:N` or `mps`.")
    restarts: int = Field(description="How often it was started again.")
    last_words: str = Field(description="What it wrote last before it ended, if it did.")


class Info(Answered):
    """What a client should know of a server first."""

    name: str = Field(description="`limner`.")
    version: str = Field(description="Version of the server.")
    api: str = Field(description="Version of this interface, as it stands in paths.")
    contract: str = Field(description="Version of the plugin contract.")
    time: Instant = Field(description="The server's clock.")
    token_required: bool = Field(description="Whether requests must carry a token.")
    max_body_bytes: int = Field(description="Largest body of a request.")
    image_suffixes: list[str] = Field(description="File name suffixes that are read as images.")
    mask_types: dict[str, str] = Field(
        description="Media types that a mask can be asked in, with their file name suffixes."
    )
    export_formats: list[str] = Field(description="Layouts that a project can be exported in.")
    workers: list[Worker] = Field(description="The processes that do heavy work.")


class Health(Answered):
    """Whether the server is well."""

    status: Literal["live", "ready", "not ready"] = Field(description="In one word.")
    checks: dict[str, str] = Field(description="What was looked at, with what was found.")


class PluginOption(Answered):
    """A setting that a project may give an app or a strategy."""

    default: object = Field(description="Value where a project gives none.")
    help: str = Field(description="What it does.")
    choices: list[object] = Field(description="Allowed values; empty for any of the right type.")
    minimum: float | None = Field(description="Smallest value, if bounded.")
    maximum: float | None = Field(description="Largest value, if bounded.")


class Plugin(Answered):
    """An app or a strategy, whether it can be used or not."""

    name: str = Field(description="Its name.")
    kind: Literal["app", "strategy"] = Field(description="What it is.")
    group: str = Field(description="The entry point group that it belongs to.")
    location: str = Field(description="Where it was found.")
    state: Literal["active", "retired"] = Field(
        description="`retired` ones were taken out and are shown so that they can be brought back."
    )
    revision: int = Field(
        description="0 for what was there at the start; grows whenever changed code is registered."
    )
    python: str | None = Field(
        description="Interpreter that its workers run in; null for the server's own."
    )
    usable: bool = Field(description="Whether projects can use it.")
    problems: list[str] = Field(description="Everything that speaks against using it.")
    version: str | None = Field(description="Its own version.")
    title: str | None = Field(description="What it is, in a few words.")
    licence: str | None = Field(description="SPDX identifier of its licence.")
    contract: str | None = Field(description="Contract version that it was made for.")
    task: str | None = Field(description="Of an app: kind of answer.")
    dimensions: list[int] = Field(description="Of an app: numbers of spatial axes it takes.")
    abilities: list[str] = Field(description="Of an app: what it can do beside predicting.")
    options: dict[str, PluginOption] = Field(description="Its settings, by name.")
    needs: list[str] = Field(description="Of a strategy: what it wants to see of the pool.")


class PluginPage(Page):
    """Plugins."""

    items: list[Plugin] = Field(description="In the order they were found.")


class NewPlugin(Asked):
    """A plugin to register: a path, or an installed one's name and kind."""

    path: Line | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="A .py file or a package folder, relative to the server's plugin folder.",
    )
    name: Line | None = Field(
        default=None, min_length=1, max_length=64, description="Name of an installed plugin."
    )
    kind: Literal["app", "strategy"] | None = Field(
        default=None, description="What the installed plugin is."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> NewPlugin:
        given = (self.path is not None, self.name is not None, self.kind is not None)
        if given not in {(True, False, False), (False, True, True)}:
            raise ValueError("give either path, or name and kind")
        return self


class Registered(Answered):
    """What came of registering a plugin."""

    change: Literal["registered", "changed", "unchanged"] = Field(
        description="`unchanged` where its code is what it was, and nothing was done."
    )
    items: list[Plugin] = Field(description="All that the file or the entry point holds.")
