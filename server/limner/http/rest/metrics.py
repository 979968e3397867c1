"""Figures for Prometheus."""

from __future__ import annotations

from flask import Response

from limner.http.context import parts
from limner.http.routes import Routes

routes = Routes("Metrics", "Figures for monitoring.")


@routes.get("/metrics", answers={"text/plain": "All figures in Prometheus' text format."})
def get_metrics() -> Response:
    """Give all figures in Prometheus' text format."""
    return parts().metrics.page()
