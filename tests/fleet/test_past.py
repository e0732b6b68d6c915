"""The fleet on a day gone, filters by SoH and by a set of vehicles, files by state."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evitals.fleet.open import open_store
from evitals.fleet.records import (
    Batch,
    FileRecord,
    FileState,
    FleetQuery,
    LatestRecord,
    ModelRecord,
    PastFleet,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.fleet.store import Store

DAY = 86_400
TODAY = 20_000
MODEL = ModelRecord(name="m", version="1", digest="ab" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path)) as opened:
        yield opened


def answered(vehicle: str, day: int, soh: float | None, risk: float | None, **more: Any) -> Batch:
    """One trip of a vehicle on a day, and its answer, which is its newest."""
    battery = more.get("battery_id", "1")
    digest = f"{hash((vehicle, day, battery)) & (2**128 - 1):032x}"
    at = (TODAY + day) * DAY + 3600
    trip = TripRecord(
        vehicle_id=vehicle, battery_id=battery, digest=digest, sequence=0, kind="drive",
        event_s=at, event_assumed=False, continues=False, duration_s=60.0, source="s",
        file_name="f", findings=(), features=b"",
    )  # fmt: skip
    answer = PredictionRecord(
        vehicle_id=vehicle, battery_id=battery, trip_digest=digest, event_s=at, scored_s=at,
        kind="drive", soh=soh, soh_low=soh, soh_high=soh, capacity_bms_ah=None,
        capacity_ocv_ah=None, resistance_growth=None, reference_sop_w=None, risk_score=risk,
        status="Unknown" if soh is None else "Healthy", evidence_count=1, reasons=(), model=MODEL,
    )  # fmt: skip
    newest = LatestRecord(
        prediction=answer, rated_power_w=None, reference_capacity_ah=None, group="", soc=None,
        temperature_degc=None, live_sop=None,
    )  # fmt: skip
    vehicles = (
        VehicleRecord(
            vehicle_id=vehicle, battery_id=battery, description={"battery": battery}, described_s=at
        ),
    )
    return Batch(vehicles=vehicles, trips=(trip,), predictions=(answer,), latest=(newest,))


def past(store: Store, day: int) -> PastFleet:
    return store.past(TODAY + day, 0.8, 0.5)


def test_each_vehicle_counts_as_it_stood_on_that_day(store: Store) -> None:
    for batch in (
        answered("a", -30, 0.95, 0.1),
        answered("a", -3, 0.75, 0.3),
        answered("b", -8, 0.90, 0.6),
        answered("c", -1, 0.85, 0.2),
        answered("d", -9, None, None),
    ):
        store.submit(batch).result()
    then, now = past(store, -7), past(store, 0)
    assert (then.vehicles, then.attention) == (3, 1)
    assert then.soh_mean == pytest.approx((0.95 + 0.90) / 2)
    assert (now.vehicles, now.attention) == (4, 2)
    assert now.soh_mean == pytest.approx((0.75 + 0.90 + 0.85) / 3)


def test_nothing_is_known_of_a_day_before_the_first(store: Store) -> None:
    store.submit(answered("a", -1, 0.9, 0.1)).result()
    assert past(store, -2) == PastFleet(vehicles=0, soh_mean=None, attention=0)


def test_a_replaced_battery_counts_with_its_own_answers_only(store: Store) -> None:
    store.submit(answered("a", -10, 0.6, 0.9)).result()
    store.submit(answered("a", -2, 0.99, 0.0, battery_id="2")).result()
    assert past(store, 0).soh_mean == pytest.approx(0.99)
    assert past(store, -7).vehicles == 0


def page(store: Store, **query: Any) -> tuple[int, list[str]]:
    found = store.fleet(FleetQuery(sort="soh", descending=False, **query))
    return found.total, [row.prediction.vehicle_id for row in found.rows]


@pytest.fixture
def five(store: Store) -> Store:
    for name, soh in (("a", 0.7), ("b", 0.8), ("c", 0.8999), ("d", 0.9), ("e", None)):
        store.submit(answered(name, 0, soh, 0.1)).result()
    return store


def test_a_range_of_soh_is_open_above_and_leaves_the_unknown_out(five: Store) -> None:
    assert page(five, soh_from=0.8, soh_to=0.9) == (2, ["b", "c"])
    assert page(five, soh_from=0.9) == (1, ["d"])
    assert page(five, soh_to=0.8) == (1, ["a"])


def test_a_set_of_vehicles_is_sorted_and_paged_like_all(five: Store) -> None:
    chosen = frozenset({"e", "d", "a", "c", "gone"})
    assert page(five, only=chosen) == (4, ["a", "c", "d", "e"])
    assert page(five, only=chosen, offset=1, limit=2) == (4, ["c", "d"])
    assert page(five, only=chosen, soh_from=0.85) == (2, ["c", "d"])
    assert page(five, only=frozenset()) == (0, [])


def test_a_large_set_is_no_longer_than_a_statement_allows(store: Store) -> None:
    first = answered("v0", 0, 0.9, 0.1)
    newest = [
        msgspec.structs.replace(
            first.latest[0],
            prediction=msgspec.structs.replace(first.latest[0].prediction, vehicle_id=f"v{i}"),
        )
        for i in range(1200)
    ]
    store.submit(Batch(latest=tuple(newest))).result()
    chosen = frozenset(f"v{i}" for i in range(1, 1200))
    total, ids = page(store, only=chosen, limit=2000)
    assert total == 1199
    assert set(ids) == chosen


def test_files_are_counted_by_state(store: Store) -> None:
    states: tuple[FileState, ...] = ("stored", "stored", "held", "quarantined")
    files = tuple(
        FileRecord(digest=f"{i:064x}", name="f", state=state, reason="", size_bytes=1, received_s=1)
        for i, state in enumerate(states)
    )
    store.submit(Batch(files=files)).result()
    assert store.file_counts() == {"stored": 2, "held": 1, "quarantined": 1}
