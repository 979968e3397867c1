"""Reading `limner.toml`: several projects and everything that can be set.

```toml
[server]            # home, host, port, token, threads, plugins, plugin_folder, admin_token
[limits]            # sizes of files
[engine]            # devices, threads, time limits
[monai_label]       # project at the root, origins of pages, ohif, session_expiry_s
[monai_label.dicomweb]  # url, username, password of a DICOMweb server
[[projects]]        # name, app, images, labels, adopt, title
[projects.settings] # how its loop runs
```

Paths are relative to the file's folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from limner.errors import SettingsError
from limner.settings import Settings

TABLES = ("server", "limits", "engine", "monai_label", "projects")
"""What stands at the top of a settings file."""

_OWN_TABLE = ("limits", "engine", "monai_label", "projects")
_PATHS = ("home", "plugin_folder")
_SECRET = {"token", "admin_token", "password"}
_PROJECT_PATHS = ("images", "adopt")


def read_settings(path: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read a settings file.

    Args:
        path: The file.
        overrides: Fields of `[server]` that the command line gives; None counts as not given.

    Raises:
        SettingsError: It cannot be read, is not TOML, or holds keys or values that cannot be used;
            the message lists all of them.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings {path} are not TOML: {error}.") from error
    unknown = [_unknown(name, TABLES, "at the top") for name in document if name not in TABLES]
    server = document.get("server", {})
    if not isinstance(server, dict):
        unknown.append("server must be a table: [server]")
        server = {}
    unknown += [
        _unknown(name, _server_fields(), "in [server]")
        for name in server
        if name not in _server_fields()
    ]
    if unknown:
        raise SettingsError(_listed(path, unknown))
    given = {**server, **{name: document[name] for name in _OWN_TABLE if name in document}}
    given = _absolute(given, path.resolve().parent)
    given.update({name: each for name, each in (overrides or {}).items() if each is not None})
    given.setdefault("home", path.resolve().parent / ".limner")
    return checked_settings(given, source=str(path))


def checked_settings(given: Mapping[str, Any], *, source: str) -> Settings:
    """Make settings, with every problem in one message.

    Args:
        given: Fields of `Settings`.
        source: Where they come from, for the message.

    Raises:
        SettingsError: A key or a value cannot be used, or two projects share a name.
    """
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_listed(source, list(_problems(error)))) from None
    names = [project.name for project in settings.projects]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"{source}: two projects are named {twice[0]!r}; names must differ.")
    folder = settings.plugin_folder
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"{source}: there is no folder {folder} (plugin_folder).")
    for project in settings.projects:
        if not project.images.is_dir():
            raise SettingsError(
                f"{source}: there is no folder {project.images} (images of project "
                f"{project.name!r})."
            )
        if project.adopt is not None and not project.adopt.exists():
            raise SettingsError(
                f"{source}: there is no {project.adopt} (adopt of project {project.name!r})."
            )
    return settings


def _server_fields() -> list[str]:
    return [name for name in Settings.model_fields if name not in _OWN_TABLE]


def _absolute(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make every path absolute; what is no text is left for the check to complain of."""

    def placed(value: Any) -> Any:
        return folder / Path(value).expanduser() if isinstance(value, str) else value

    made = {name: placed(each) if name in _PATHS else each for name, each in given.items()}
    if isinstance(made.get("plugins"), list):
        made["plugins"] = [placed(each) for each in made["plugins"]]
    viewers = made.get("monai_label")
    if isinstance(viewers, dict) and "ohif" in viewers:
        made["monai_label"] = {**viewers, "ohif": placed(viewers["ohif"])}
    if isinstance(made.get("projects"), list):
        made["projects"] = [
            {name: placed(each) if name in _PROJECT_PATHS else each for name, each in table.items()}
            if isinstance(table, dict)
            else table
            for table in made["projects"]
        ]
    return made


def _problems(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        where = _where(each["loc"])
        if each["type"] == "extra_forbidden":
            name = str(each["loc"][-1])
            yield _unknown(name, _fields_at(each["loc"][:-1]), f"in {_where(each['loc'][:-1])}")
        elif each["type"] == "missing":
            yield f"{where} is missing"
        else:
            shown = "" if _SECRET & set(each["loc"]) else f", got {str(each['input'])[:80]!r}"
            yield f"{where}: {each['msg'][:1].lower()}{each['msg'][1:]}{shown}"


def _fields_at(location: Sequence[int | str]) -> list[str]:
    """Names of the fields of the model at a place in the settings."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            for inner in (annotation, *get_args(annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    model = inner
    return list(model.model_fields)


def _where(location: Sequence[int | str]) -> str:
    """A place in the settings in words: `projects 1 settings`, counted from one."""
    words = [str(part + 1) if isinstance(part, int) else part for part in location]
    return " ".join(words) or "the settings"


def _unknown(name: str, known: Sequence[str], where: str) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    return f"unknown key {name!r} {where}; {hint}"


def _listed(source: Path | str, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{source}: {problems[0]}"
    return f"{source} cannot be used:\n" + "\n".join(f"- {each}" for each in problems)
