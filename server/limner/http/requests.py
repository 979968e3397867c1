"""Requests, with forms read strictly: Flask takes a broken form for an empty one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from flask import Request, current_app
from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser

INCOMING = "LIMNER_INCOMING"
"""Key of the application's configuration: the folder where files of forms lie while a request is
answered. Without it they lie where the system keeps passing files."""

_IN_MEMORY = 500 * 1024


class _StrictForms(FormDataParser):
    """Refuses a broken form.

    Raises:
        BadRequest: No boundary, cut off, or parts that cannot be told apart.
    """

    def parse(self, *args: Any, **options: Any) -> Any:
        self.silent = False
        try:
            stream, form, files = super().parse(*args, **options)
        except ValueError as error:
            raise BadRequest(f"The form is broken: {error}.") from None
        if None in form or None in files:
            raise BadRequest("The form is broken: a part has no name.")
        return stream, form, files


class StrictRequest(Request):
    """A request whose broken form is an error, and whose spooled files are always closed."""

    form_data_parser_class = _StrictForms

    def _get_file_stream(self, *args: Any, **options: Any) -> IO[bytes]:
        folder: Path | None = current_app.config.get(INCOMING)
        if folder is None:
            stream = super()._get_file_stream(*args, **options)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            spooled = SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115  (closed below)
            stream = cast(IO[bytes], spooled)
        self.__dict__.setdefault("_spooled", []).append(stream)
        return stream

    def close(self) -> None:
        """Close every file of the form, those of a form that broke off in the middle too."""
        super().close()
        for stream in self.__dict__.pop("_spooled", ()):
            with suppress(OSError):  # its last bytes, which a full disk did not take
                stream.close()
