"""The REST interface under `/api/v1`: one file a resource, one route a function."""

from __future__ import annotations

from limner.http.routes import Routes


def resources() -> tuple[Routes, ...]:
    """Return the routes of every resource."""
    from limner.http.rest import (
        assignments,
        audit,
        export,
        health,
        info,
        jobs,
        labels,
        metrics,
        models,
        next,
        plugins,
        predictions,
        progress,
        projects,
        samples,
        suspects,
    )

    return (
        info.routes,
        plugins.routes,
        projects.routes,
        samples.routes,
        next.routes,
        assignments.routes,
        predictions.routes,
        labels.routes,
        suspects.routes,
        jobs.routes,
        models.routes,
        progress.routes,
        audit.routes,
        export.routes,
        health.routes,
        metrics.routes,
    )
