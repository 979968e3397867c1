"""Figures for Prometheus: what requests took, and what the records and workers say now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from limner.http.logs import route_template
from limner.records import jobs

if TYPE_CHECKING:
    from limner.loop.service import Service
    from limner.records.rows import Project

_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300)
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAGE = 1000

_PROJECT_GAUGES: dict[str, tuple[str, Callable[[Project], float]]] = {
    "limner_samples": ("Samples of a project.", lambda project: project.samples),
    "limner_labelled_samples": (
        "Samples with a submitted label.",
        lambda project: project.labelled,
    ),
    "limner_unreadable_samples": (
        "Samples that cannot be read.",
        lambda project: project.unreadable,
    ),
    "limner_queue_length": ("Samples picked to be labelled next.", lambda project: project.queued),
    "limner_labels_since_training": (
        "Submitted labels that no training has seen.",
        lambda project: project.labels_since_training,
    ),
    "limner_round": ("How many promotions there were.", lambda project: project.round),
}


class Metrics:
    """One application's figures, in a registry of their own."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.duration = Histogram(
            "limner_request_seconds",
            "Time until a request's answer began.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "limner_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.registry.register(_FromService(service))

    def register(self, app: Flask) -> None:
        """Measure every request of an application."""
        app.before_request(self._begin)
        app.after_request(self._measure)
        app.teardown_request(self._end)

    def page(self) -> Response:
        """Answer with all figures as text."""
        return Response(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)

    def _begin(self) -> None:
        g.measured_from = time.perf_counter()
        self.in_flight.inc()

    def _measure(self, response: Response) -> Response:
        if (began := g.get("measured_from")) is not None:
            method = request.method if request.method in _KNOWN_METHODS else "other"
            self.duration.labels(method, route_template(), str(response.status_code)).observe(
                time.perf_counter() - began
            )
        return response

    def _end(self, _: BaseException | None) -> None:
        if g.pop("measured_from", None) is not None:
            self.in_flight.dec()


class _FromService(Collector):
    """Reads kept counts when asked: never counts samples."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        yield from self._projects()
        yield self._jobs()
        yield from self._workers()

    def _projects(self) -> Iterator[Metric]:
        families = {
            name: GaugeMetricFamily(name, text, labels=["project"])
            for name, (text, _) in _PROJECT_GAUGES.items()
        }
        looked = families["limner_store_looked_at"] = GaugeMetricFamily(
            "limner_store_looked_at",
            "1 once the whole store has been looked at since the start.",
            labels=["project"],
        )
        cursor: str | None = None
        while True:
            page = self._service.projects.list(cursor, _PAGE)
            for project in page.items:
                looked.add_metric([project.name], self._service.ingest.has_looked(project.name))
                for name, (_, read) in _PROJECT_GAUGES.items():
                    families[name].add_metric([project.name], read(project))
            cursor = page.next
            if cursor is None:
                break
        yield from families.values()

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily(
            "limner_jobs", "Jobs that wait or run.", labels=["kind", "state"]
        )
        with self._service.records.read() as tx:
            counts = Counter((each.kind, each.state) for each in jobs.unfinished(tx))
        for (kind, state), count in sorted(counts.items()):
            family.add_metric([kind, state], count)
        return family

    def _workers(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "limner_worker_state", "1 for the state a worker is in.", labels=["worker", "state"]
        )
        restarts = GaugeMetricFamily(
            "limner_worker_restarts", "How often a worker was restarted.", labels=["worker"]
        )
        for worker in self._service.engine.status():
            states.add_metric([worker.name, worker.state], 1)
            restarts.add_metric([worker.name], worker.restarts)
        yield states
        yield restarts
