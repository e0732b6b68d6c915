"""``/v1/fleet``, ``/v1/export.csv``, ``/v1/vehicles``, trends and intake, from a real store."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from evitals.battery import builtin, dump_vehicle
from evitals.fleet.records import (
    Batch,
    FileRecord,
    FileState,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.service.app import create_app
from evitals.service.routes.fleet import harmless
from evitals.settings import Settings

Client = TestClient[Any]
MODEL = ModelRecord(name="m", version="1", digest="ab" * 32)
DAY = 86_400
START = 1_750_000_000


def answer(vehicle_id: str, soh: float | None, **changes: Any) -> PredictionRecord:
    fields: dict[str, Any] = {
        "vehicle_id": vehicle_id,
        "battery_id": "1",
        "trip_digest": f"{abs(hash((vehicle_id, changes.get('event_s')))):064x}",
        "event_s": START,
        "scored_s": START + 60,
        "kind": "drive",
        "soh": soh,
        "soh_low": None if soh is None else soh - 0.02,
        "soh_high": None if soh is None else soh + 0.02,
        "capacity_bms_ah": None,
        "capacity_ocv_ah": None,
        "resistance_growth": None,
        "reference_sop_w": 90_000.0,
        "risk_score": None if soh is None else 1.0 - soh,
        "status": "Unknown" if soh is None else ("Healthy" if soh >= 0.8 else "Monitor"),
        "evidence_count": 5,
        "reasons": () if soh is not None else ("too_little_evidence",),
        "model": MODEL,
    }
    return PredictionRecord(**(fields | changes))


def stored(vehicle_id: str, soh: float | None, group: str = "", **changes: Any) -> Batch:
    prediction = answer(vehicle_id, soh, **changes)
    trip = TripRecord(
        vehicle_id=vehicle_id,
        battery_id="1",
        digest=prediction.trip_digest,
        sequence=0,
        kind="drive",
        event_s=prediction.event_s,
        event_assumed=False,
        continues=False,
        duration_s=60.0,
        source="test",
        file_name="f.csv",
        findings=(),
        features=b"",
    )
    return Batch(
        vehicles=(
            VehicleRecord(
                vehicle_id=vehicle_id, battery_id="1", description=None, described_s=START
            ),
        ),
        trips=(trip,),
        predictions=(prediction,),
        latest=(
            LatestRecord(
                prediction=prediction,
                rated_power_w=100_000.0,
                reference_capacity_ah=60.0,
                group=group,
                soc=0.5,
                temperature_degc=20.0,
                live_sop=None,
            ),
        ),
    )


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with TestClient(create_app(Settings(home=tmp_path), watch=False)) as client:
        store = client.app.state.service.store
        for batch in (
            stored("van-1", 0.95, "north"),
            stored("van-2", 0.75, "north"),
            stored("van-3", 0.85, "south"),
            stored("car-1", None),
        ):
            store.submit(batch).result()
        yield client


def ids(reply: Any) -> list[str]:
    return [row["vehicle_id"] for row in reply.json()["rows"]]


def test_fleet_is_ranked_worst_first_with_unknown_last(client: Client) -> None:
    reply = client.get("/v1/fleet")
    assert ids(reply) == ["van-2", "van-3", "van-1", "car-1"]
    row = reply.json()["rows"][0]
    assert row["soh"] == pytest.approx(0.75, abs=1e-4)
    assert row["status"] == "Monitor"
    assert row["event_time"] == "2025-06-15T15:06:40Z"
    assert row["rated_power_w"] == 100_000.0
    assert reply.json()["rows"][3]["soh"] is None


def test_summary_counts_the_whole_fleet(client: Client) -> None:
    summary = client.get("/v1/fleet", params={"search": "car"}).json()["summary"]
    assert summary["vehicles"] == 4
    assert summary["attention"] == 1
    assert summary["soh_mean"] == pytest.approx(0.85, abs=1e-3)
    assert summary["soh_median"] == pytest.approx(0.85, abs=1e-3)
    assert summary["by_status"]["Unknown"] == 1


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"search": "van", "sort": "vehicle_id", "descending": "false"},
            ["van-1", "van-2", "van-3"],
        ),
        ({"status": "Monitor"}, ["van-2"]),
        ({"status": ["Monitor", "Unknown"]}, ["van-2", "car-1"]),
        ({"group": "north"}, ["van-2", "van-1"]),
        ({"group": ""}, ["car-1"]),
        ({"sort": "soh", "descending": "true", "limit": "2"}, ["van-1", "van-3"]),
        ({"sort": "soh", "offset": "2", "limit": "2"}, ["van-2", "car-1"]),
    ],
)
def test_fleet_filters_sorts_and_pages(
    client: Client, params: dict[str, Any], expected: list[str]
) -> None:
    assert ids(client.get("/v1/fleet", params=params)) == expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "nan"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"sort": "drop table"}, "sort"),
        ({"status": "Broken"}, "status"),
        ({"search": "x" * 121}, "search"),
        ({"descending": "maybe"}, "descending"),
    ],
)
def test_bad_queries_name_the_parameter(client: Client, params: dict[str, str], field: str) -> None:
    reply = client.get("/v1/fleet", params=params)
    assert reply.status_code == 422
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.json()["field"] == field


def test_sql_in_a_search_finds_nothing_and_harms_nothing(client: Client) -> None:
    for needle in ("'; DROP TABLE latest; --", "%", "_", "van%"):
        assert ids(client.get("/v1/fleet", params={"search": needle})) == []
    assert client.get("/v1/fleet").json()["total"] == 4


def test_export_is_the_filtered_fleet_in_its_order(client: Client) -> None:
    params = {"search": "van", "sort": "soh", "descending": "false"}
    reply = client.get("/v1/export.csv", params=params)
    assert reply.headers["content-type"].startswith("text/csv")
    assert "fleet.csv" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["vehicle_id"] for row in rows] == ids(client.get("/v1/fleet", params=params))
    assert float(rows[0]["soh"]) == pytest.approx(0.75, abs=1e-4)
    assert rows[0]["event_time"] == "2025-06-15T15:06:40Z"


def test_export_pages_through_more_rows_than_a_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evitals.service.routes.fleet.PAGE", 2)
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/export.csv").text)))
    assert [row["vehicle_id"] for row in rows] == ["van-2", "van-3", "van-1", "car-1"]


def test_export_makes_formulas_harmless(client: Client) -> None:
    client.app.state.service.store.submit(
        stored("evil", 0.9, '=HYPERLINK("http://x")', event_s=START + 1)
    ).result()
    text = client.get("/v1/export.csv", params={"search": "evil"}).text
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["group"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_only_text_that_starts_a_formula_is_changed(start: str) -> None:
    assert harmless(start + "1") == "'" + start + "1"
    assert harmless("a" + start) == "a" + start
    assert harmless(-1.5) == -1.5


def test_vehicles_are_listed_and_found(client: Client) -> None:
    body = client.get("/v1/vehicles", params={"search": "van", "limit": 2}).json()
    assert body["total"] == 3
    assert len(body["vehicles"]) == 2
    one = client.get("/v1/vehicles/van-2").json()
    assert one["latest"]["soh"] == pytest.approx(0.75, abs=1e-4)
    assert one["description"] is None


def test_built_in_descriptions_answer_before_first_use(client: Client) -> None:
    one = client.get("/v1/vehicles/bmw-i3-60ah").json()
    assert one["description"]["battery"]["level"] == "pack"
    assert one["described_time"] is None


@pytest.mark.parametrize("path", ["/v1/vehicles/nobody", "/v1/vehicles/nobody/trend"])
def test_an_unknown_vehicle_is_404(client: Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert reply.json()["value"] == "'nobody'"


@pytest.mark.parametrize("name", ["a'b", "..%2F..%2Fetc", "x" * 65, "%00", ".hidden"])
def test_an_id_that_cannot_be_one_is_refused(client: Client, name: str) -> None:
    reply = client.get(f"/v1/vehicles/{name}")
    assert reply.status_code in (404, 422)
    assert reply.headers["content-type"].startswith("application/problem+json")


def description() -> dict[str, Any]:
    described = dump_vehicle(builtin()["bmw-i3-60ah"])
    described.pop("vehicle_id")
    return described


def test_put_describes_and_get_returns_it(client: Client) -> None:
    body = description() | {"name": "Van seven", "group": "north"}
    reply = client.put("/v1/vehicles/van-7", json=body)
    assert reply.status_code == 200
    assert reply.json()["vehicle"]["vehicle_id"] == "van-7"
    assert reply.json()["released"] == []
    got = client.get("/v1/vehicles/van-7").json()["description"]
    assert got["name"] == "Van seven"
    assert got["battery"]["reference_capacity_ah"] == body["battery"]["reference_capacity_ah"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vehicle_id": "other"}, "vehicle_id"),
        ({"colour": "red"}, "colour"),
        ({"battery": {"level": "module"}}, "battery"),
        ({"name": "x" * 121}, "name"),
    ],
)
def test_a_bad_description_names_the_field(
    client: Client, change: dict[str, Any], field: str
) -> None:
    reply = client.put("/v1/vehicles/van-7", json=description() | change)
    assert reply.status_code == 422
    assert field in reply.json()["field"] + reply.json()["detail"]
    assert client.get("/v1/vehicles/van-7").status_code == 404


def test_a_description_against_its_own_rules_says_which(client: Client) -> None:
    body = description()
    body["battery"] |= {"level": "cell"}
    reply = client.put("/v1/vehicles/van-7", json=body)
    assert reply.status_code == 422
    assert reply.json()["field"] == "series, parallel"
    assert reply.json()["remedy"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_description_that_is_no_object_is_400(client: Client, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert client.put("/v1/vehicles/v", content=content, headers=headers).status_code == 400


def test_trend_is_in_event_order_and_bounded_by_time(client: Client) -> None:
    store = client.app.state.service.store
    for day in (2, 1, 3):
        store.submit(stored("van-1", 0.95 - day / 100, event_s=START + day * DAY)).result()
    body = client.get("/v1/vehicles/van-1/trend").json()
    assert [round(p["soh"], 2) for p in body["predictions"]] == [0.95, 0.94, 0.93, 0.92]
    assert body["evidence"] == []
    within = client.get(
        "/v1/vehicles/van-1/trend",
        params={"since": "2025-06-16T00:00:00Z", "until": "2025-06-17T23:59:59+00:00"},
    ).json()
    assert [p["event_time"][:10] for p in within["predictions"]] == ["2025-06-16", "2025-06-17"]


@pytest.mark.parametrize("value", ["yesterday", "2025-01-01T00:00:00", "12"])
def test_a_time_without_an_offset_is_refused(client: Client, value: str) -> None:
    reply = client.get("/v1/vehicles/van-1/trend", params={"since": value})
    assert reply.status_code == 422
    assert reply.json()["field"] == "since"


def test_files_are_listed_by_state(client: Client) -> None:
    states: tuple[FileState, ...] = ("stored", "held", "quarantined")
    for number, state in enumerate(states):
        record = FileRecord(
            digest=f"{number:064x}",
            name=f"{state}.csv",
            state=state,
            reason="" if state == "stored" else "why",
            size_bytes=10,
            received_s=START + number,
        )
        client.app.state.service.store.submit(Batch(files=(record,))).result()
    assert len(client.get("/v1/files").json()["files"]) == 3
    (held,) = client.get("/v1/files", params={"state": "held"}).json()["files"]
    assert (held["name"], held["reason"]) == ("held.csv", "why")
    assert held["received_time"] == "2025-06-15T15:06:41Z"
    assert client.get("/v1/files", params={"state": "lost"}).status_code == 422
