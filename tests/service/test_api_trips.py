"""``POST /v1/trips``: recordings in by every format, through the real pipeline."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from litestar.testing import TestClient

from evitals.service.app import create_app
from evitals.service.routes.vehicles import description_example
from evitals.settings import Settings

Client = TestClient[Any]
CSV = "text/csv"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
START = "2025-11-10T08:00:00Z"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    app = create_app(Settings(home=tmp_path), watch=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def drive(seconds: int = 3600, current_a: float = -20.0) -> pl.DataFrame:
    """A made-up drive: constant current of a 60 Ah pack from 90 % SoC, in signal names."""
    time = np.arange(float(seconds))
    soc = 0.9 + current_a * time / 3600.0 / 60.0
    ripple = np.where(np.arange(seconds) % 20 < 10, 5.0, -5.0)
    return pl.DataFrame(
        {
            "time_s": time,
            "current_a": current_a + ripple,
            "voltage_v": 330.0 + 60.0 * soc + 0.1 * (current_a + ripple),
            "soc": np.round(soc, 3),
            "temperature_degc": np.full(seconds, 22.0),
        }
    )


def encoded(table: pl.DataFrame, kind: str) -> bytes:
    out = io.BytesIO()
    if kind == CSV:
        table.write_csv(out)
    elif kind == NDJSON:
        table.write_ndjson(out)
    elif kind == PARQUET:
        table.write_parquet(out)
    else:
        table.write_ipc_stream(out)
    return out.getvalue()


def send(client: Client, content: bytes, kind: str = CSV, **params: str) -> httpx.Response:
    return client.post("/v1/trips", content=content, headers={"content-type": kind}, params=params)


def describe(client: Client, vehicle_id: str = "van-7") -> httpx.Response:
    return client.put(f"/v1/vehicles/{vehicle_id}", json=description_example())


@pytest.mark.parametrize("kind", [CSV, NDJSON, PARQUET, ARROW])
def test_every_format_is_stored_and_answered(client: Client, kind: str) -> None:
    describe(client)
    reply = send(client, encoded(drive(), kind), kind, vehicle_id="van-7", start=START)
    assert reply.status_code == 201, reply.text
    report = reply.json()
    (file,) = report["files"]
    assert file["state"] == "stored"
    (vehicle,) = report["vehicles"]
    assert vehicle["vehicle_id"] == "van-7"
    assert vehicle["new_trips"] >= 1
    trend = client.get("/v1/vehicles/van-7/trend").json()
    assert len(trend["predictions"]) == vehicle["new_trips"]
    assert trend["predictions"][0]["event_time"] == START


def test_the_same_trip_twice_changes_nothing(client: Client) -> None:
    describe(client)
    content = encoded(drive(), CSV)
    assert send(client, content, vehicle_id="van-7", start=START).status_code == 201
    before = client.get("/v1/vehicles/van-7/trend").json()
    again = send(client, content, vehicle_id="van-7", start=START)
    assert again.status_code == 200
    assert again.json()["files"][0]["state"] == "duplicate"
    assert client.get("/v1/vehicles/van-7/trend").json() == before


def test_evidence_is_shown_with_its_refusals(client: Client) -> None:
    describe(client)
    send(client, encoded(drive(), CSV), vehicle_id="van-7", start=START)
    short = encoded(drive(seconds=300), CSV)
    send(client, short, vehicle_id="van-7", start="2025-11-11T08:00:00Z")
    evidence = client.get("/v1/vehicles/van-7/trend").json()["evidence"]
    bms = [point for point in evidence if point["method"] == "bms_soc"]
    accepted = [point for point in bms if not point["refused"]]
    assert accepted[0]["capacity_ah"] == pytest.approx(60.0, rel=0.05)
    assert {point["refused"] for point in bms if point["refused"]} == {"low_delta_soc"}
    later = client.get("/v1/vehicles/van-7/trend", params={"since": "2025-11-11T00:00:00Z"}).json()[
        "evidence"
    ]
    assert {point["event_time"][:10] for point in later} == {"2025-11-11"}


def test_evidence_that_is_followed_equals_evidence_from_the_start(client: Client) -> None:
    describe(client)

    def evidence() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get("/v1/vehicles/van-7/trend").json()["evidence"]
        return found

    content = encoded(drive(), CSV)
    for day in ("10", "12", "13", "11"):  # the last one comes late
        send(client, content, vehicle_id="van-7", start=f"2025-11-{day}T08:00:00Z")
        followed = evidence()
        client.app.state.service.evidence.clear()
        assert followed == evidence()
        assert f"2025-11-{day}" in {point["event_time"][:10] for point in followed}
    days = [point["event_time"][:10] for point in followed if point["method"] == "bms_soc"]
    assert days == ["2025-11-10", "2025-11-11", "2025-11-12", "2025-11-13"]


def test_evidence_follows_the_description(client: Client) -> None:
    describe(client)
    send(client, encoded(drive(), CSV), vehicle_id="van-7", start=START)

    def refused() -> set[str]:
        evidence = client.get("/v1/vehicles/van-7/trend").json()["evidence"]
        return {point["refused"] for point in evidence if point["method"] == "bms_soc"}

    assert refused() == refused() == {""}
    other = description_example()
    other["battery"]["reference_capacity_ah"] = 20.0
    client.put("/v1/vehicles/van-7", json=other)
    assert refused() == {"implausible_capacity"}


def test_an_unknown_vehicle_is_held_and_released_by_its_description(client: Client) -> None:
    reply = send(client, encoded(drive(), CSV), vehicle_id="van-9", start=START)
    assert reply.status_code == 202
    (file,) = reply.json()["files"]
    assert (file["state"], file["reason"]) == ("held", "unknown_vehicle")
    assert client.get("/v1/files", params={"state": "held"}).json()["files"]
    described = describe(client, "van-9").json()
    assert [f["state"] for f in described["released"]] == ["stored"]
    predictions = client.get("/v1/vehicles/van-9/trend").json()["predictions"]
    assert predictions[0]["event_time"] == START


def test_two_vehicles_in_one_body_are_told_apart(client: Client) -> None:
    describe(client, "van-1")
    describe(client, "van-2")
    table = pl.concat(
        [drive(600).with_columns(vehicle_id=pl.lit(name)) for name in ("van-1", "van-2")]
    )
    reply = send(client, encoded(table, PARQUET), PARQUET, start=START)
    assert reply.status_code == 201, reply.text
    assert {v["vehicle_id"] for v in reply.json()["vehicles"]} == {"van-1", "van-2"}


def test_without_an_event_time_it_is_stored_but_not_believed(client: Client) -> None:
    describe(client)
    reply = send(client, encoded(drive(), CSV), vehicle_id="van-7")
    assert reply.status_code == 201
    (vehicle,) = reply.json()["vehicles"]
    assert vehicle["status"] == "Unknown"
    assert vehicle["soh"]["value"] is None


def test_a_start_without_offset_is_in_the_given_zone(client: Client) -> None:
    describe(client)
    content = encoded(drive(), CSV)
    refused = send(client, content, vehicle_id="van-7", start="2025-11-10T09:00:00")
    assert refused.status_code == 422
    assert refused.json()["field"] == "start"
    reply = send(
        client, content, vehicle_id="van-7", start="2025-11-10T09:00:00", tz="Europe/Berlin"
    )
    assert reply.status_code == 201
    (prediction,) = client.get("/v1/vehicles/van-7/trend").json()["predictions"]
    assert prediction["event_time"] == START


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"start": "noon"}, "start"),
        ({"vehicle_id": "a b"}, "vehicle_id"),
        ({"vehicle_id": "x' OR 1=1"}, "vehicle_id"),
        ({"source": "no_such_source"}, "source"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_parameters_are_named(client: Client, params: dict[str, str], field: str) -> None:
    reply = send(client, encoded(drive(60), CSV), **params)
    assert reply.status_code == 422, reply.text
    assert field in reply.json()["field"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", CSV),
        (b"time_s,current_a,voltage_v\n", CSV),
        (bytes(range(256)) * 40, CSV),
        (b"\x00" * 1000, CSV),
        (b"PAR1 but no more", PARQUET),
        (b"not arrow", ARROW),
        (b"{broken\n", NDJSON),
        (b"a;b\n1;2\n", CSV),
    ],
)
def test_what_no_source_can_read_is_refused_with_a_reason(
    client: Client, content: bytes, kind: str
) -> None:
    describe(client)
    reply = send(client, content, kind, vehicle_id="van-7", start=START)
    assert reply.status_code == 422, reply.text
    problem = reply.json()
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert problem["reason"]
    assert problem["remedy"]
    assert client.get("/v1/vehicles/van-7/trend").json()["predictions"] == []


def test_a_name_with_a_path_stays_in_the_home(client: Client, tmp_path: Path) -> None:
    reply = send(client, encoded(drive(), CSV), vehicle_id="van-9", name="../../escape.csv")
    assert reply.status_code == 202
    assert "/" not in reply.json()["files"][0]["name"]
    assert not list(tmp_path.parent.glob("escape*"))
    assert not list(tmp_path.parent.parent.glob("escape*"))


def test_another_media_type_is_415(client: Client) -> None:
    reply = send(client, b"{}", "application/json")
    assert reply.status_code == 415
    assert CSV in reply.json()["remedy"]
