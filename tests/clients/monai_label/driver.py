"""Makes calls of the real `MONAILabelClient` in its own environment.

Each line that comes is one call as JSON: `name` of a client, and `method`, `args` and `kwargs`; for
the method `new` the arguments are the constructor's. Each line that goes is its `result`, or what
it `raised`. Bytes travel as `{"base64": …}`.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from typing import Any


def main() -> None:
    made = importlib.import_module("monailabel.client").MONAILabelClient
    clients: dict[str, Any] = {}
    for line in sys.stdin:
        call = json.loads(line)
        told: dict[str, Any]
        try:
            if call["method"] == "new":
                clients[call["name"]] = made(*call["args"], **call["kwargs"])
                told = {"result": None}
            else:
                method = getattr(clients[call["name"]], call["method"])
                told = {"result": _plain(method(*call["args"], **call["kwargs"]))}
        except Exception as error:  # noqa: BLE001 - whatever the client raises is told
            told = {
                "raised": {
                    "kind": type(error).__name__,
                    "message": str(getattr(error, "msg", None) or error),
                    "status": getattr(error, "status_code", None),
                }
            }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


if __name__ == "__main__":
    main()
