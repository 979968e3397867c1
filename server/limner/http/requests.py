"""Requests, with forms read strictly: Flask takes a broken form for an empty one."""

from __future__ import annotations

from typing import IO, Any

from flask import Request
from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser


class _StrictForms(FormDataParser):
    """Refuses a broken form.

    Raises:
        BadRequest: No boundary, cut off, or parts that cannot be told apart.
    """

    def parse(self, *args: Any, **options: Any) -> Any:
        self.silent = False
        try:
            return super().parse(*args, **options)
        except ValueError as error:
            raise BadRequest(f"The form is broken: {error}.") from None


class StrictRequest(Request):
    """A request whose broken form is an error, and whose spooled files are always closed."""

    form_data_parser_class = _StrictForms

    def _get_file_stream(self, *args: Any, **options: Any) -> IO[bytes]:
        stream = super()._get_file_stream(*args, **options)
        self.__dict__.setdefault("_spooled", []).append(stream)
        return stream

    def close(self) -> None:
        """Close every file of the form, those of a form that broke off in the middle too."""
        super().close()
        for stream in self.__dict__.pop("_spooled", ()):
            stream.close()
