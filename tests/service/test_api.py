"""``/predict``, refusals as problem details, health: the app tested in process."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn, cast

import httpx
import pytest
from litestar.testing import TestClient

from evitals.errors import StoreBusy, StoreError
from evitals.fleet.records import Batch, VehicleRecord
from evitals.fleet.store import Store
from evitals.service.app import create_app
from evitals.service.routes.context import KNOWN_S, KnownVehicles
from evitals.service.routes.predict import REFERENCE_EXAMPLE
from evitals.settings import Settings

Client = TestClient[Any]
STATED = REFERENCE_EXAMPLE | {"reference_capacity_ah": 2.5, "rated_power_w": 25.0}
REFERENCE_FIELDS = {"vehicle_id", "predicted_soh", "predicted_sop", "health_score", "status"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    app = create_app(Settings(home=tmp_path, max_request_bytes=200_000), watch=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def store_of(client: Client) -> Store:
    store: Store = client.app.state.service.store
    return store


def is_problem(reply: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")
    problem = reply.json()
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert problem["type"] == f"urn:evitals:problem:{reason}"
    assert problem["title"]
    assert problem["detail"]
    return dict(problem)


def test_reference_request_gets_its_five_fields_and_what_makes_them_honest(client: Client) -> None:
    reply = client.post("/predict", json=REFERENCE_EXAMPLE)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) >= REFERENCE_FIELDS | {"interval", "validity", "reasons", "model"}
    expected = 1.98 * 3245.8 / 3600 / 0.785 / 2.0
    assert body["predicted_soh"] == pytest.approx(expected)
    assert body["interval"]["low"] < expected < body["interval"]["high"]
    assert body["predicted_sop"] is None
    assert body["health_score"] is None
    assert {"reference_capacity_assumed", "rated_power_missing"} <= set(body["reasons"])
    assert set(body["model"]) == {"name", "version", "digest"}


def test_the_answer_is_committed_before_the_reply(client: Client) -> None:
    body = client.post("/predict", json=STATED | {"event_time": "2025-11-10T08:30:00Z"}).json()
    (row,) = store_of(client).trend("V001")
    assert row.kind == "test"
    assert row.trip_digest == body["trip_digest"]
    assert row.event_s == 1762763400
    assert row.soh == pytest.approx(body["predicted_soh"], abs=1e-4)
    assert row.model.digest == body["model"]["digest"]
    assert body["event_time"] == "2025-11-10T08:30:00Z"
    (trip,) = store_of(client).trips("V001", "1")
    assert trip.digest == body["trip_digest"]


def test_a_dated_request_repeated_is_one_row_undated_ones_are_two(client: Client) -> None:
    for _ in range(2):
        client.post("/predict", json=STATED | {"event_time": "2025-11-10T08:30:00Z"})
    assert len(store_of(client).trend("V001")) == 1
    for _ in range(2):
        client.post("/predict", json=STATED)
    assert len(store_of(client).trend("V001")) == 3


def test_unknown_fields_are_ignored_and_named(client: Client) -> None:
    body = client.post("/predict", json=STATED | {"colour": "red"}).json()
    assert body["ignored"] == ["colour"]
    assert "ignored_fields" in body["reasons"]


def test_pack_data_is_refused_with_the_reason(client: Client) -> None:
    problem = is_problem(
        client.post("/predict", json=STATED | {"avg_voltage": 360.0}), 422, "wrong_level"
    )
    assert problem["field"] == "avg_voltage"
    assert problem["value"] == "360.0"
    assert "/v1/trips" in problem["remedy"]
    assert problem["instance"] == "/predict"
    assert store_of(client).trend("V001") == []


@pytest.mark.parametrize("name", ["discharge_time_s", "avg_current", "vehicle_id"])
def test_a_missing_needed_feature_is_named(client: Client, name: str) -> None:
    body = {key: value for key, value in STATED.items() if key != name}
    assert is_problem(client.post("/predict", json=body), 422, "missing")["field"] == name


def test_a_missing_other_feature_stays_missing(client: Client) -> None:
    body = {key: STATED[key] for key in ("vehicle_id", "discharge_time_s", "avg_current")}
    reply = client.post("/predict", json=body)
    assert reply.status_code == 200
    assert "level_unchecked" in reply.json()["reasons"]


@pytest.mark.parametrize(
    "content", [b"", b"not json", b'{"avg_current": NaN}', b'{"avg_current": 1e999}', b"[1]"]
)
def test_malformed_bodies_are_400(client: Client, content: bytes) -> None:
    reply = client.post("/predict", content=content, headers={"content-type": "application/json"})
    is_problem(reply, 400, "malformed_body")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_415(client: Client, kind: str) -> None:
    reply = client.post("/predict", content=b"{}", headers={"content-type": kind})
    assert "application/json" in is_problem(reply, 415, "unsupported_media_type")["remedy"]


def test_a_large_body_is_413(client: Client) -> None:
    is_problem(client.post("/predict", json=STATED | {"x": "y" * 70_000}), 413, "too_large")
    many = client.post("/v1/trips", content=b"x" * 200_001, headers={"content-type": "text/csv"})
    is_problem(many, 413, "too_large")


def test_a_large_body_without_a_length_is_413(client: Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    reply = client.post("/predict", content=chunks(), headers={"content-type": "application/json"})
    is_problem(reply, 413, "too_large")


def test_another_method_is_405(client: Client) -> None:
    reply = client.get("/predict")
    is_problem(reply, 405, "method_not_allowed")
    assert "POST" in reply.headers["allow"]


def test_an_unknown_path_is_404(client: Client) -> None:
    is_problem(client.get("/v2/nothing"), 404, "not_found")


def test_a_fault_of_ours_tells_nothing_of_the_inside(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret: /home/user/fleet.sqlite")

    monkeypatch.setattr(client.app.state.service.predictor, "answer", broken)
    with caplog.at_level(logging.ERROR, logger="evitals.service"):
        reply = client.post("/predict", json=STATED)
    is_problem(reply, 500, "internal")
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("error", "reason"), [(StoreBusy("full"), "busy"), (StoreError("x"), "store_unavailable")]
)
def test_a_store_that_cannot_take_more_is_503_with_retry_after(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def refuse(batch: Batch) -> NoReturn:
        raise error

    monkeypatch.setattr(client.app.state.service, "store", Refusing(store_of(client), refuse))
    reply = client.post("/predict", json=STATED)
    is_problem(reply, 503, reason)
    assert int(reply.headers["retry-after"]) >= 1


class Refusing:
    """A store whose ``submit`` is another's."""

    def __init__(self, store: Store, submit: Callable[[Batch], Future[None]]) -> None:
        self.store = store
        self.submit = submit

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_the_reply_waits_for_the_commit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    commit: Future[None] = Future()
    monkeypatch.setattr(
        client.app.state.service, "store", Refusing(store_of(client), lambda batch: commit)
    )
    replies: list[int] = []
    thread = threading.Thread(
        target=lambda: replies.append(client.post("/predict", json=STATED).status_code)
    )
    thread.start()
    thread.join(0.3)
    assert replies == []
    commit.set_result(None)
    thread.join(10)
    assert replies == [200]


def test_a_changed_description_is_used_at_once(client: Client) -> None:
    body = {k: v for k, v in STATED.items() if k != "reference_capacity_ah"}
    assert client.post("/predict", json=body).json()["reference_capacity_ah"] == 2.0
    limits = {
        "cell_voltage_min_v": 2.5,
        "cell_voltage_max_v": 4.2,
        "discharge_current_a": 10,
        "charge_current_a": 4,
    }
    for capacity in (2.4, 2.6):
        battery = {"level": "cell", "chemistry": "NMC", "reference_capacity_ah": capacity}
        described = client.put("/v1/vehicles/V001", json={"battery": battery | {"limits": limits}})
        assert described.status_code == 200
        reply = client.post("/predict", json=body).json()
        assert reply["reference_capacity_ah"] == capacity
        assert "chemistry_assumed" not in reply["reasons"]


def test_known_vehicles_are_read_again_after_a_while(client: Client) -> None:
    now = [0.0]
    reads: list[str] = []
    store = store_of(client)

    class Counting:
        def vehicle(self, vehicle_id: str) -> VehicleRecord | None:
            reads.append(vehicle_id)
            return store.vehicle(vehicle_id)

    known = KnownVehicles(cast(Store, Counting()), lambda: now[0])
    assert known.get("bmw-i3-60ah") == known.get("bmw-i3-60ah")
    assert len(reads) == 1
    now[0] = KNOWN_S + 1.0
    known.get("bmw-i3-60ah")
    known.forget("bmw-i3-60ah")
    known.get("bmw-i3-60ah")
    assert len(reads) == 3


def test_batch_answers_each_row_and_commits_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(client)
    batches: list[Batch] = []

    def counted(batch: Batch) -> Future[None]:
        batches.append(batch)
        return store.submit(batch)

    monkeypatch.setattr(client.app.state.service, "store", Refusing(store, counted))
    rows = [STATED, STATED | {"avg_voltage": 400.0}, STATED | {"vehicle_id": "V002"}, 7]
    body = client.post("/v1/predictions:batch", json=rows).json()
    assert (body["answered"], body["refused"]) == (2, 2)
    assert [result["index"] for result in body["results"]] == [0, 1, 2, 3]
    assert body["results"][1]["problem"]["reason"] == "wrong_level"
    assert body["results"][3]["problem"]["reason"] == "malformed_body"
    assert body["results"][2]["answer"]["vehicle_id"] == "V002"
    assert len(batches) == 1
    assert len(store.trend("V001")) == len(store.trend("V002")) == 1


def test_batch_takes_ndjson_and_arrow_and_answers_arrow(client: Client) -> None:
    import io

    import polars as pl

    lines = b'{"vehicle_id":"A","discharge_time_s":3600,"avg_current":-1.5}\n' * 2
    reply = client.post(
        "/v1/predictions:batch", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    assert reply.json()["answered"] == 2
    table = pl.DataFrame(
        {
            "vehicle_id": ["A", "B", "C"],
            "discharge_time_s": [3600.0, 3000.0, None],
            "avg_current": [-1.5, -1.5, -1.5],
            "dod": [None, 90.0, 90.0],
        }
    )
    sent = io.BytesIO()
    table.write_ipc_stream(sent)
    arrow = "application/vnd.apache.arrow.stream"
    reply = client.post(
        "/v1/predictions:batch",
        content=sent.getvalue(),
        headers={"content-type": arrow, "accept": arrow},
    )
    assert reply.headers["content-type"].startswith(arrow)
    answer = pl.read_ipc_stream(io.BytesIO(reply.content))
    assert answer["predicted_soh"].to_list() == [
        pytest.approx(0.75),
        pytest.approx(1.5 * 3000 / 3600 / 0.9 / 2),
        None,
    ]
    assert answer["reason"].to_list() == [None, None, "missing"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b"{}"),
        ("application/json", b"["),
        ("application/x-ndjson", b"{\n"),
        ("application/vnd.apache.arrow.stream", b"garbage"),
        ("application/vnd.apache.arrow.stream", b""),
    ],
)
def test_batch_refuses_what_it_cannot_decode(client: Client, kind: str, content: bytes) -> None:
    reply = client.post("/v1/predictions:batch", content=content, headers={"content-type": kind})
    is_problem(reply, 400, "malformed_body")


def test_batch_is_bounded(client: Client) -> None:
    reply = client.post("/v1/predictions:batch", json=[0] * 10_001)
    is_problem(reply, 413, "too_large")


def test_health_is_ok_when_all_works(client: Client) -> None:
    assert client.get("/health/live").json()["status"] == "ok"
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ok", "checks": {"store": "ok", "watch": "off"}}


def test_ready_fails_where_the_store_cannot_commit(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(batch: Batch) -> NoReturn:
        raise StoreError("disk full")

    monkeypatch.setattr(client.app.state.service, "store", Refusing(store_of(client), refuse))
    reply = client.get("/health/ready")
    assert reply.status_code == 503
    assert reply.json()["checks"]["store"] == "failed"
    assert client.get("/health/live").status_code == 200


def test_ready_fails_where_the_watch_has_died(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path))
    with TestClient(app) as client:
        assert client.get("/health/ready").json()["checks"]["watch"] == "ok"
        app.state.service.watch.stop()
        assert client.get("/health/ready").json()["checks"]["watch"] == "stopped"
