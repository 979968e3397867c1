"""Whether the server is well, for whoever starts and watches it. Needs no token."""

from __future__ import annotations

import logging

from flask import Response
from sqlalchemy import text

from limner.errors import LimnerError
from limner.http.answers import answer
from limner.http.context import parts, service
from limner.http.rest.shapes.server import Health
from limner.http.routes import Routes

log = logging.getLogger(__name__)

routes = Routes("Health", "Whether the server is well.")


@routes.get("/health/live", answers=Health)
def get_live() -> Response:
    """Say that the process answers."""
    return answer(Health(status="live", checks={}))


@routes.get("/health/ready", answers=Health, also={503: "Not ready: requests would fail."})
def get_ready() -> Response:
    """Say whether requests can be served: the database answers and heavy work can run."""
    checks = {"records": _records(), "engine": _engine()}
    if parts().streams.stopping:
        checks["server"] = "stops"
    ready = all(found == "ok" for found in checks.values())
    return answer(
        Health(status="ready" if ready else "not ready", checks=checks),
        200 if ready else 503,
        None if ready else {"Retry-After": "1"},
    )


def _records() -> str:
    try:
        with service().records.read() as tx:
            tx.execute(text("SELECT 1"))
    except LimnerError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (whatever a driver raises, the answer is: not ready)
        log.warning("The records cannot be read: %s", type(error).__name__)
        return "cannot be read"
    return "ok"


def _engine() -> str:
    workers = service().engine.status()
    gone = [each.name for each in workers if each.state in {"dead", "stopped"}]
    return f"no worker runs: {', '.join(gone)}" if workers and len(gone) == len(workers) else "ok"
