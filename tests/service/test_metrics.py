"""``/metrics``: Prometheus counts what happened, per app, with bounded labels."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from evitals.errors import StoreBusy
from evitals.fleet.records import Batch, FileRecord, ModelRecord
from evitals.fleet.store import Store
from evitals.service.app import create_app
from evitals.service.metrics import Metrics
from evitals.settings import Settings

ROW = {"vehicle_id": "A", "discharge_time_s": 3600.0, "avg_current": -1.5}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    app = create_app(Settings(home=tmp_path), watch=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(client: TestClient[Any], metric: str, /, **labels: str) -> float:
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    return samples(reply.text).get((metric, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_route_and_status(client: TestClient[Any]) -> None:
    client.post("/predict", json=ROW)
    client.post("/predict", json={})
    for name in ("a", "b", "c"):
        client.get(f"/v1/vehicles/{name}")
    route = "/v1/vehicles/{vehicle_id}"
    predict = {"method": "POST", "route": "/predict"}
    assert value(client, "evitals_http_requests_total", **predict, status="200") == 1
    assert value(client, "evitals_http_requests_total", **predict, status="422") == 1
    assert value(client, "evitals_http_request_seconds_count", **predict) == 2
    assert (
        value(client, "evitals_http_requests_total", method="GET", route=route, status="404") == 3
    )


def test_labels_cannot_be_multiplied_by_a_client(client: TestClient[Any]) -> None:
    for number in range(20):
        client.request(f"VERB{number}", f"/nothing/{number}")
        client.get(f"/nothing/{number}")
    rows = samples(client.get("/metrics").text)
    labels = [dict(found) for name, found in rows if name == "evitals_http_requests_total"]
    assert {label["route"] for label in labels} <= {"unmatched", "/metrics"}
    assert {label["method"] for label in labels} <= {"GET", "other"}


def test_commits_are_counted_where_they_happen(client: TestClient[Any]) -> None:
    client.post("/v1/predictions:batch", json=[ROW, ROW, ROW])
    record = FileRecord(
        digest="0" * 64, name="f", state="held", reason="x", size_bytes=1, received_s=1
    )
    client.app.state.service.store.submit(Batch(files=(record,))).result()
    assert value(client, "evitals_predictions_committed_total") == 3
    assert value(client, "evitals_trips_committed_total") == 3
    assert value(client, "evitals_files_total", state="held") == 1
    assert value(client, "evitals_writer_queue_depth") == 0
    assert value(client, "evitals_commit_wait_seconds_count") == 2
    assert value(client, "evitals_batches_total") == 2
    assert 1 <= value(client, "evitals_commits_total") <= 2


def test_models_are_named_by_digest(client: TestClient[Any]) -> None:
    model = client.app.state.service.predictor.model
    labels = {"name": model.name, "version": model.version, "digest": model.digest}
    assert value(client, "evitals_model_info", **labels) == 1


def test_many_models_do_not_multiply_labels() -> None:
    metrics = Metrics()
    for number in range(150):
        metrics.announce(ModelRecord(name="m", version="1", digest=f"{number:064x}"))
    text = metrics.render().decode()
    assert text.count("evitals_model_info{") == 101
    assert 'digest="other"' in text


def test_two_apps_do_not_share_counters() -> None:
    first, second = Metrics(), Metrics()
    first.trips.inc(5)
    assert b"evitals_trips_committed_total 5.0" in first.render()
    assert b"evitals_trips_committed_total 0.0" in second.render()


class SlowStore:
    def __init__(self) -> None:
        self.futures: list[Future[None]] = []

    def submit(self, batch: Batch) -> "Future[None]":
        if len(self.futures) == 2:
            raise StoreBusy("full")
        self.futures.append(Future())
        return self.futures[-1]


def test_queue_depth_follows_what_waits() -> None:
    metrics, slow = Metrics(), SlowStore()
    store = metrics.over(cast(Store, slow))
    store.submit(Batch())
    store.submit(Batch())
    assert b"evitals_writer_queue_depth 2.0" in metrics.render()
    with pytest.raises(StoreBusy):
        store.submit(Batch())
    slow.futures[0].set_result(None)
    slow.futures[1].set_exception(OSError("disk"))
    text = metrics.render()
    assert b"evitals_writer_queue_depth 0.0" in text
    assert b"evitals_batches_refused_total 2.0" in text
