"""`/proxy/dicom/`: the DICOMweb server of the settings, for viewers that reach only this one.

Its address and its password stay here: a viewer names a path below it, never another host.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
from flask import Response, request
from werkzeug.exceptions import BadGateway, GatewayTimeout

from limner.errors import InvalidRequest, NotFound
from limner.http.context import service
from limner.http.monai_label.routes import Here, Routes
from limner.settings import DicomWebSettings

routes = Routes()

_CHUNK = 1 << 16
_SENT_ON = ("Accept", "Content-Type", "If-None-Match", "Range")
_KEPT = frozenset({"content-type", "etag", "last-modified", "content-range", "accept-ranges"})


@routes.route("/proxy/dicom/<path:path>", "GET", "POST")
def pass_on(here: Here, path: str) -> Response:
    """Pass a request on, and stream its answer back."""
    dicomweb = service().settings.monai_label.dicomweb
    if dicomweb is None:
        raise NotFound(
            "No DICOMweb server is configured; name it as monai_label.dicomweb in the settings."
        )
    try:
        client, answer = _sent(dicomweb, _target(dicomweb, path))
    except httpx.TimeoutException:
        raise GatewayTimeout("The DICOMweb server did not answer in time.") from None
    except httpx.HTTPError as error:
        told = type(error).__name__
        raise BadGateway(f"The DICOMweb server could not be asked: {told}.") from None
    response = Response(answer.iter_bytes(_CHUNK), status=answer.status_code)
    response.headers.remove("Content-Type")
    for name, value in answer.headers.items():
        if name.lower() in _KEPT:
            response.headers[name] = value
    response.call_on_close(answer.close)
    response.call_on_close(client.close)
    return response


def _target(dicomweb: DicomWebSettings, path: str) -> str:
    """Return the address that a path means below the server's root.

    Raises:
        InvalidRequest: The path leads elsewhere.
    """
    kind, _, rest = path.partition("/")
    prefixes = {
        "qido": dicomweb.qido_prefix,
        "wado": dicomweb.wado_prefix,
        "stow": dicomweb.stow_prefix,
    }
    if kind in prefixes:
        # Metadata is asked for among queries, and given by retrieval.
        kind = "wado" if kind == "qido" and rest.rstrip("/").endswith("metadata") else kind
        path = f"{prefixes[kind].strip('/')}/{rest}".lstrip("/")
    if any(part in {".", ".."} for part in path.replace("\\", "/").split("/")):
        raise InvalidRequest(f"The path {path[:100]!r} leads out of the DICOMweb server's root.")
    query = request.query_string.decode("latin-1")
    target = f"{dicomweb.url.rstrip('/')}/{quote(path, safe='/:@!$&()*+,;=~')}"
    return f"{target}?{query}" if query else target


def _sent(dicomweb: DicomWebSettings, target: str) -> tuple[httpx.Client, httpx.Response]:
    auth = None
    if dicomweb.username:
        password = "" if dicomweb.password is None else dicomweb.password.get_secret_value()
        auth = httpx.BasicAuth(dicomweb.username, password)
    headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
    body = request.get_data(parse_form_data=False) if request.method == "POST" else None
    client = httpx.Client(timeout=dicomweb.timeout_s, follow_redirects=False)
    try:
        asked = client.build_request(request.method, target, headers=headers, content=body)
        answer = client.send(asked, stream=True, auth=auth)
    except BaseException:
        client.close()
        raise
    return client, answer
