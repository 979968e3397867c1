"""MkDocs hook: writes the parts of the reference that are read off the code."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

sys.path.insert(0, str(Path(__file__).parent))
from result_tables import results_table


def routes() -> Iterator[str]:
    """Describe every route of the OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        run_limner("openapi", "--out", str(file))
        document = json.loads(file.read_text(encoding="utf-8"))
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = ", ".join(code for code in operation["responses"] if code < "400")
            row = f"| `{method.upper()} {path}` | {operation.get('summary', '')} | {answers} |"
            by_tag.setdefault((operation.get("tags") or ["other"])[0], []).append(row)
    for tag, rows in by_tag.items():
        yield f"## {tag.capitalize()}\n"
        yield "| route | what it does | answers |\n| --- | --- | --- |"
        yield from rows
        yield ""


def commands() -> Iterator[str]:
    """Show the help of every command."""
    yield f"```text\n{run_limner('--help')}\n```\n"
    for name in (
        "serve", "demo", "status", "export", "import monai-label", "simulate", "plugins",
        "new", "openapi",
    ):  # fmt: skip
        yield f"## limner {name}\n\n```text\n{run_limner(*name.split(), '--help')}\n```\n"


def settings() -> Iterator[str]:
    """Describe every setting."""
    from limner import settings as module

    sections: tuple[tuple[str, type[BaseModel], set[str]], ...] = (
        ("[server]", module.Settings, {"limits", "engine", "projects"}),
        ("[limits]", module.Limits, set()),
        ("[engine]", module.EngineSettings, set()),
        ("[[projects]]", module.ProjectConfig, {"settings"}),
        ("[projects.settings]", module.ProjectSettings, {"gate"}),
        ("[projects.settings.gate]", module.GateSettings, set()),
    )
    for title, model, left_out in sections:
        yield f"## `{title}`\n\n| key | default | meaning |\n| --- | --- | --- |"
        yield from fields(model, left_out)
        yield ""


def fields(model: type[BaseModel], left_out: set[str]) -> Iterator[str]:
    """Describe the fields of one group of settings."""
    for name, field in model.model_fields.items():
        if name not in left_out:
            made = field.default_factory is not None
            needed = field.default is PydanticUndefined and not made
            default = "needed" if needed else "empty" if made else f"`{field.default!r}`"
            yield f"| `{name}` | {default} | {field.description or ''} |"


def options() -> Iterator[str]:
    """Describe the options of the segmentation app."""
    from limner_apps.segmentation import manifest

    yield "| option | default | allowed | meaning |\n| --- | --- | --- | --- |"
    for name, option in manifest.options.items():
        bounds = [f"from {option.minimum:g}"] if option.minimum is not None else []
        bounds += [f"to {option.maximum:g}"] if option.maximum is not None else []
        allowed = ", ".join(f"`{each}`" for each in option.choices) or " ".join(bounds)
        yield f"| `{name}` | `{option.default!r}` | {allowed} | {option.help} |"


def run_limner(*arguments: str) -> str:
    """Run the command line as a user does, and return what it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "limner.cli", *arguments],
        env={"PATH": "", "COLUMNS": "92", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.rstrip()


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "<!-- routes -->": routes,
    "<!-- commands -->": commands,
    "<!-- settings -->": settings,
    "<!-- options of the app `segmentation` -->": options,
    "<!-- results `chest-xray` -->": partial(results_table, "chest-xray"),
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each mark by what it stands for."""
    for mark, part in PARTS.items():
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(part()))
    return markdown
