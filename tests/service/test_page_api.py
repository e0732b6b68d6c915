"""What the page asks: trips, usage, measurements, comparison, change, lasso, retry."""

import csv as csv_format
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from evitals.errors import StoreBusy
from evitals.service.app import create_app
from evitals.service.routes.vehicles import description_example
from evitals.settings import Settings

from .made_up import csv, drive

Client = TestClient[Any]
MINUTES = 25


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with TestClient(create_app(Settings(home=tmp_path_factory.mktemp("home")))) as client:
        for vehicle, first in (("van-a", 0), ("van-b", 5)):
            assert client.put(f"/v1/vehicles/{vehicle}", json=description_example()).is_success
            for day in range(3):
                send(client, vehicle, first + day)
        yield client


def send(client: Client, vehicle: str, day: float, **changes: Any) -> httpx.Response:
    reply = client.post(
        f"/v1/trips?vehicle_id={vehicle}",
        content=csv(drive(day, **changes)),
        headers={"content-type": "text/csv"},
    )
    assert reply.is_success, reply.text
    return reply


def get(client: Client, path: str, **query: Any) -> dict[str, Any]:
    reply = client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_trips_come_newest_first_with_what_they_moved(client: Client) -> None:
    reply = get(client, "/v1/vehicles/van-a/trips", limit=2)
    assert reply["total"] == 3
    assert [t["event_time"] for t in reply["trips"]] == [
        "2024-03-03T08:00:00Z",
        "2024-03-02T08:00:00Z",
    ]
    trip = reply["trips"][0]
    assert (trip["kind"], trip["samples"]) == ("drive", True)
    assert trip["charge_out_ah"] == pytest.approx(45 * MINUTES / 60, rel=0.1)
    assert trip["distance_km"] == pytest.approx(14 * MINUTES * 60 / 1000, rel=0.02)


def test_usage_adds_up(client: Client) -> None:
    reply = get(client, "/v1/vehicles/van-a/usage")
    hours = 3 * MINUTES / 60
    assert reply["hours"] == pytest.approx(hours, rel=0.01)
    for name in ("temperature", "c_rate", "soc"):
        shape = reply[name]
        assert len(shape["values"]) == len(shape["edges"]) + 1
        assert sum(shape["values"]) == pytest.approx(hours, rel=0.02)
    assert reply["temperature"]["values"][3] == pytest.approx(hours, rel=0.02), "all at 20 degC"
    assert sum(reply["depth"]["values"]) == 3
    assert reply["equivalent_full_cycles"] > 0


def test_usage_of_an_undriven_vehicle_is_empty(client: Client) -> None:
    client.put("/v1/vehicles/parked", json=description_example())
    reply = get(client, "/v1/vehicles/parked/usage")
    assert (reply["trips"], reply["distance_km"]) == (0, None)
    assert not any(reply["soc"]["values"])


def test_measurements_zoom_from_all_trips_to_single_samples(client: Client) -> None:
    whole = get(client, "/v1/vehicles/van-a/samples", points=50)
    assert (whole["level"], whole["trips"], whole["not_kept"]) == ("samples", 3, 0)
    assert len(whole["time_s"]) <= 55
    voltages = drive(0)["voltage_v"].to_numpy()
    first = [v for v in whole["signals"]["voltage_v"]["high"] if v is not None]
    assert max(first) >= voltages.max() - 0.01
    near = get(
        client,
        "/v1/vehicles/van-a/samples",
        since="2024-03-01T08:01:00Z",
        until="2024-03-01T08:01:10Z",
    )
    assert near["trips"] == 1
    assert near["signals"]["voltage_v"]["low"][:10] == pytest.approx(
        voltages[60:70].tolist(), abs=1e-3
    )


def test_one_trip_can_be_chosen(client: Client) -> None:
    digest = get(client, "/v1/vehicles/van-a/trips")["trips"][1]["digest"]
    reply = get(client, "/v1/vehicles/van-a/samples", trip=digest, points=5000)
    assert reply["trips"] == 1
    assert len(reply["time_s"]) == MINUTES * 60
    missing = client.get("/v1/vehicles/van-a/samples", params={"trip": "0" * 32})
    assert missing.status_code == 404


def test_many_trips_are_drawn_by_their_extremes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evitals.service.routes.samples.MOST_TRIPS", 2)
    reply = get(client, "/v1/vehicles/van-a/samples")
    assert reply["level"] == "trips"
    known = [v for v in reply["signals"]["current_a"]["low"] if v is not None]
    assert len(known) == 6
    assert min(known) == pytest.approx(drive(0)["current_a"].to_numpy().min(), rel=0.2)


def test_samples_are_not_kept_where_nobody_wants_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, keep_samples=False)
    with TestClient(create_app(settings, watch=False)) as client:
        client.put("/v1/vehicles/van-a", json=description_example())
        send(client, "van-a", 0, minutes=5)
        assert not (tmp_path / "samples").exists()
        reply = get(client, "/v1/vehicles/van-a/samples")
        assert (reply["trips"], reply["not_kept"], reply["time_s"]) == (1, 1, [])
        assert not get(client, "/v1/vehicles/van-a/trips")["trips"][0]["samples"]


def test_a_disk_that_refuses_samples_does_not_stop_a_trip(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(home=tmp_path), watch=False)) as client:
        (tmp_path / "samples").write_text("a file where the folder should be")
        client.put("/v1/vehicles/van-a", json=description_example())
        assert send(client, "van-a", 0, minutes=5).json()["files"][0]["state"] == "stored"
        assert get(client, "/v1/vehicles/van-a/trips")["trips"][0]["samples"] is False


def test_vehicles_are_aligned_by_their_own_use(client: Client) -> None:
    query = {"vehicle_id": ["van-a", "van-b", "van-a"]}
    by_age = get(client, "/v1/compare", **query)
    assert [one["vehicle_id"] for one in by_age["series"]] == ["van-a", "van-b"]
    assert all(one["x"] == [0.0, 1.0, 2.0] for one in by_age["series"])
    by_distance = get(client, "/v1/compare", by="distance", **query)
    assert by_distance["unit"] == "km"
    trips = get(client, "/v1/vehicles/van-a/trips")["trips"]
    driven = sum(trip["distance_km"] for trip in trips)
    assert by_distance["series"][0]["x"][-1] == pytest.approx(driven, rel=1e-4)
    cycles = get(client, "/v1/compare", by="throughput", **query)["series"][0]["x"]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("ids", [[], [f"v{i}" for i in range(9)]])
def test_none_or_too_many_vehicles_are_refused(client: Client, ids: list[str]) -> None:
    reply = client.get("/v1/compare", params={"vehicle_id": ids})
    assert reply.status_code in (400, 422)


@pytest.mark.parametrize("path", ["trips", "usage", "samples", "descriptions"])
def test_an_unknown_vehicle_is_not_found(client: Client, path: str) -> None:
    assert client.get(f"/v1/vehicles/nobody/{path}").status_code == 404
    assert client.get("/v1/compare?vehicle_id=nobody").status_code == 404


def test_a_fleet_that_only_has_a_past_has_not_changed(client: Client) -> None:
    reply = get(client, "/v1/fleet/change")
    assert (reply["vehicles"], reply["attention"]) == (0, 0)


def test_an_empty_fleet_has_no_past(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(home=tmp_path), watch=False)) as client:
        reply = get(client, "/v1/fleet/change")
    assert reply == {"days": 7, "vehicles": None, "soh_mean": None, "attention": None}


def test_a_lasso_filters_the_page_and_the_csv_alike(client: Client) -> None:
    everything = "evidence_count,evidence_count;-1,-2;1000,-2;1000,1000;-1,1000"
    nothing = "evidence_count,evidence_count;500,500;600,500;600,600"
    assert get(client, "/v1/fleet", lasso=everything)["total"] == 2
    assert get(client, "/v1/fleet", lasso=nothing)["total"] == 0
    text = client.get("/v1/export.csv", params={"lasso": everything, "sort": "vehicle_id"}).text
    rows = list(csv_format.DictReader(io.StringIO(text)))
    assert [row["vehicle_id"] for row in rows] == ["van-b", "van-a"]
    refused = client.get("/v1/fleet", params={"lasso": "soh,weight;0,0;1,1;2,2"})
    assert (refused.status_code, refused.json()["field"]) == (422, "lasso")


def test_a_held_message_can_be_retried_as_another_vehicles(client: Client) -> None:
    held = client.post(
        "/v1/trips", content=csv(drive(40)), headers={"content-type": "text/csv"}
    ).json()["files"][0]
    assert held["state"] == "held"
    counts = get(client, "/v1/files")["counts"]
    assert counts["held"] == 1
    again = client.post(f"/v1/files/{held['digest']}:retry", json={})
    assert (again.status_code, again.json()["file"]["state"]) == (200, "held")
    said = client.post(f"/v1/files/{held['digest']}:retry", json={"vehicle_id": "van-b"})
    assert said.json()["file"]["state"] == "stored", said.text
    assert get(client, "/v1/files")["counts"].get("held", 0) == 0
    gone = client.post(f"/v1/files/{held['digest']}:retry", json={})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("0" * 64 + ":retry", "{}", 404),
        ("0" * 64, "{}", 400),
        ("..%2f..%2fetc:retry", "{}", 404),
        ("0" * 64 + ":retry", "{", 400),
        ("0" * 64 + ":retry", "[]", 422),
        ("0" * 64 + ":retry", '{"vehicle_id": "a b"}', 422),
        ("0" * 64 + ":retry", '{"force": true}', 422),
    ],
)
def test_a_retry_of_nothing_is_refused(client: Client, name: str, body: str, status: int) -> None:
    reply = client.post(
        f"/v1/files/{name}", content=body, headers={"content-type": "application/json"}
    )
    assert reply.status_code in {status, 422 if status == 400 else status}, reply.text


def test_a_retry_that_the_store_cannot_take_leaves_the_file_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise StoreBusy("the queue is full")

    with TestClient(create_app(Settings(home=tmp_path), watch=False)) as client:
        held = client.post(
            "/v1/trips", content=csv(drive(1)), headers={"content-type": "text/csv"}
        ).json()["files"][0]
        with monkeypatch.context() as patched:
            patched.setattr("evitals.service.intake.Intake.take", busy)
            reply = client.post(f"/v1/files/{held['digest']}:retry", json={})
            assert reply.status_code == 503
        assert len(list((tmp_path / "held").glob("*.csv"))) == 1
        reply = client.post(f"/v1/files/{held['digest']}:retry", json={})
        assert reply.json()["file"]["state"] == "held"


def test_a_retry_that_fails_by_our_fault_ends_in_quarantine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with TestClient(create_app(Settings(home=tmp_path), watch=False)) as client:
        held = client.post(
            "/v1/trips", content=csv(drive(1)), headers={"content-type": "text/csv"}
        ).json()["files"][0]
        monkeypatch.setattr("evitals.service.intake.Intake.take", broken)
        file = client.post(f"/v1/files/{held['digest']}:retry", json={}).json()["file"]
    assert (file["state"], file["reason"]) == ("quarantined", "internal_error")
    assert len(list((tmp_path / "quarantine").glob("*.csv"))) == 1
