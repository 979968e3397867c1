"""What the dialect's clients send, read as they send it and checked.

They post JSON without saying so, send paths of their own disks as file names, and put JSON into
fields of forms.
"""

from __future__ import annotations

import json
import ntpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from flask import current_app, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from limner.errors import InvalidRequest
from limner.http.json_text import MAX_BYTES, check_json
from limner.http.requests import INCOMING
from limner.stores.durable import full_disk_said

_TRUE = frozenset({"true", "1", "yes", "on", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "off", "n", "f"})
_LONGEST_NAME = 255


def asked(name: str) -> str | None:
    """Return a parameter of the query; None where it is missing or empty.

    Raises:
        InvalidRequest: It holds what cannot be a name: control characters, or no Unicode.
    """
    value = request.args.get(name)
    if not value:
        return None
    if len(value) > 4096 or "\ufffd" in value or any(ord(each) < 32 for each in value):
        raise InvalidRequest(f"{name} is {value[:80]!r}, which cannot be used.")
    return value


def asked_flag(name: str, *, default: bool = False) -> bool:
    """Return a truth value of the query.

    Raises:
        InvalidRequest: It is none.
    """
    value = asked(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise InvalidRequest(f"{name} is {value[:50]!r}; take true or false.")


def asked_number(name: str, *, default: int, least: int = 0, most: int = 10**9) -> int:
    """Return a whole number of the query.

    Raises:
        InvalidRequest: It is none, or out of bounds.
    """
    value = asked(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise InvalidRequest(f"{name} is {value[:50]!r}; take {least} to {most}.")
    return number


def asked_choice(name: str, *choices: str) -> str | None:
    """Return one of several words of the query; None where it is missing.

    Raises:
        InvalidRequest: It is another one.
    """
    value = asked(name)
    if value is not None and value not in choices:
        raise InvalidRequest(f"{name} is {value[:50]!r}; take one of {', '.join(choices)}.")
    return value


def json_object() -> dict[str, Any]:
    """Read the body as a JSON object, whatever its type is said to be; no body is an empty one.

    Raises:
        InvalidRequest: No JSON, or no object.
        RequestEntityTooLarge: Over 1 MiB.
    """
    too_large = RequestEntityTooLarge(f"A JSON body has at most {MAX_BYTES} bytes.")
    if (request.content_length or 0) > MAX_BYTES:
        raise too_large
    raw = request.get_data(parse_form_data=False)
    if len(raw) > MAX_BYTES:
        raise too_large
    return _object(raw, "The body") if raw.strip() else {}


def form_object(name: str) -> dict[str, Any]:
    """Read a field of the form as a JSON object; a field that is missing is an empty one.

    Raises:
        InvalidRequest: No JSON, or no object.
    """
    text = request.form.get(name)
    if text is None or not text.strip():
        return {}
    if len(text) > MAX_BYTES:
        raise RequestEntityTooLarge(f"{name} has at most {MAX_BYTES} bytes.")
    return _object(text.encode("utf-8", "surrogatepass"), name)


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        check_json(raw)
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{what} cannot be used: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} is no JSON object; send one in braces.")
    return value


def form_file(name: str) -> FileStorage | None:
    """Return a file of the form; None where it is missing."""
    file = request.files.get(name)
    return file if file is not None and file.filename else None


def needed_file(*names: str) -> FileStorage:
    """Return the first file of the form with one of these names.

    Raises:
        InvalidRequest: There is none.
    """
    for name in names:
        file = form_file(name)
        if file is not None:
            return file
    raise InvalidRequest(f"The form has no file {names[0]!r}; send it as multipart/form-data.")


def plain_name(filename: str | None) -> str:
    r"""Return the last part of a client's own path, of Windows or not.

    Example:
        >>> plain_name(r"C:\scans\a b.nii.gz"), plain_name("/tmp/x/a.nii.gz")
        ('a b.nii.gz', 'a.nii.gz')

    Raises:
        InvalidRequest: Nothing is left that could be a name.
    """
    name = PurePosixPath(ntpath.basename(filename or "")).name
    is_odd = not name.isprintable() or name.startswith(".")
    if not name or is_odd or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        raise InvalidRequest(f"File name {(filename or '')[:200]!r} cannot be used.")
    return name


@contextmanager
def saved(file: FileStorage, suffix: str) -> Iterator[Path]:
    """Write a file of the form to a passing place, under a name of the server's own."""
    folder: Path | None = current_app.config.get(INCOMING)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with (
        full_disk_said(folder or Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(dir=folder) as place,
    ):
        path = Path(place, f"upload{suffix}")
        with open(path, "xb") as aside:
            shutil.copyfileobj(file.stream, aside, 1 << 20)
        yield path
