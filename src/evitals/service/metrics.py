"""What Prometheus reads at ``/metrics``: requests, commits, intake. One registry per app."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from evitals import __version__
from evitals.fleet.records import Batch, ModelRecord
from evitals.fleet.store import Store

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
MODELS = 100
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Metrics:
    """The counters of one app, and the two places where they are fed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "evitals_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "evitals_http_request_seconds",
            "Time from a request's head to the end of its reply, s.",
            ["method", "route"],
            buckets=LATENCY_S,
            registry=self.registry,
        )
        self.trips = Counter("evitals_trips_committed", "Trips stored.", registry=self.registry)
        self.predictions = Counter(
            "evitals_predictions_committed", "Answers stored.", registry=self.registry
        )
        self.files = Counter(
            "evitals_files", "Files by what became of them.", ["state"], registry=self.registry
        )
        self.refused = Counter(
            "evitals_batches_refused", "Batches the store refused.", registry=self.registry
        )
        self.queue = Gauge(
            "evitals_writer_queue_depth",
            "Batches submitted and not yet committed.",
            registry=self.registry,
        )
        self.commit = Histogram(
            "evitals_commit_wait_seconds",
            "Time from submitting a batch to its commit, s.",
            buckets=LATENCY_S,
            registry=self.registry,
        )
        self.model = Gauge(
            "evitals_model_info",
            "What answers: 1 for each model that answered since the start.",
            ["name", "version", "digest"],
            registry=self.registry,
        )
        self._models: set[ModelRecord] = set()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        build = Gauge("evitals_build_info", "The version.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)

    def announce(self, model: ModelRecord) -> None:
        """Name a model that answers; beyond ``MODELS`` digests a model's are counted as other."""
        if model not in self._models:
            if len(self._models) < MODELS:
                self._models.add(model)
                self.model.labels(model.name, model.version, model.digest).set(1)
            else:
                self.model.labels(model.name, model.version, "other").set(1)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)

    def around(self, app: ASGIApp) -> ASGIApp:
        """``app`` with its HTTP requests counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            started = time.perf_counter()
            status = 500

            async def note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, note)
            finally:
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = scope.get("path_template") or "unmatched"
                self.count(method, route, status, started)

        return counted

    def count(self, method: str, route: str, status: int, started: float) -> None:
        """Count a request by its route's template (unbounded names never are)."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = self.requests.labels(*key), self.latency.labels(method, route)
            self._children[key] = children
        children[0].inc()
        children[1].observe(time.perf_counter() - started)

    def over(self, store: Store) -> Store:
        """``store`` with what it commits counted."""
        writer = getattr(store, "writer", None)
        if writer is not None:
            self.registry.register(_WriterCounts(writer))
        return cast("Store", _MeteredStore(store, self))

    def _committed(self, batch: Batch, started: float) -> Callable[["Future[None]"], None]:
        def done(future: "Future[None]") -> None:
            self.queue.dec()
            if future.cancelled() or future.exception() is not None:
                self.refused.inc()
                return
            self.commit.observe(time.perf_counter() - started)
            rows = batch.answered
            self.trips.inc(len(batch.trips) + (len(rows) if rows else 0))
            self.predictions.inc(len(batch.predictions) + (len(rows) if rows else 0))
            for model in {p.model for p in batch.predictions} | ({rows.model} if rows else set()):
                self.announce(model)
            for file in batch.files:
                self.files.labels(file.state).inc()

        return done


class _WriterCounts(Collector):
    """The writer's own counts, read when asked: batches over commits is the mean group size."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "evitals_commits", "Transactions of the writer.", value=self._writer.commits
        )
        yield CounterMetricFamily(
            "evitals_batches", "Batches those transactions held.", value=self._writer.batches
        )


class _MeteredStore:
    """Passes everything on; watches ``submit``."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def submit(self, batch: Batch) -> "Future[None]":
        started = time.perf_counter()
        try:
            future = self._store.submit(batch)
        except Exception:
            self._metrics.refused.inc()
            raise
        self._metrics.queue.inc()
        future.add_done_callback(self._metrics._committed(batch, started))
        return future

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
