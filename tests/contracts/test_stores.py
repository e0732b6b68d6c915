"""What every fleet store promises, run over all of them."""

import hashlib
import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection

from evitals.errors import InputError, StoreError
from evitals.fleet.codec import optional_values
from evitals.fleet.open import open_store
from evitals.fleet.records import (
    Answered,
    Batch,
    BatteryState,
    FileRecord,
    FileState,
    FleetQuery,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    SortKey,
    TripRecord,
    VehicleRecord,
)
from evitals.fleet.sqlstore import SqlStore
from evitals.fleet.store import Store

DAY = 86_400
T0 = 20_000 * DAY
MODEL = ModelRecord(name="assessor", version="1", digest="ab" * 32)
STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite folder": open_store,
    "sqlite file": lambda folder: open_store(folder / "fleet of ünits?100%.db"),
    "sqlite url": lambda folder: open_store(f"sqlite:///{folder}/fleet.sqlite"),
}


@pytest.fixture(params=STORES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    opened: list[Store] = []

    def again() -> Store:
        for store in opened:
            store.close()
        opened.append(STORES[request.param](tmp_path))
        return opened[-1]

    yield again
    opened[-1].close()


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def a_trip(vehicle: str = "v1", number: int = 0, **changes: Any) -> TripRecord:
    fields: dict[str, Any] = {
        "vehicle_id": vehicle, "battery_id": "1", "digest": digest(vehicle, number),
        "sequence": number, "kind": "drive", "event_s": T0 + 1000 * number,
        "event_assumed": False, "continues": False, "duration_s": 1370.0, "source": "bdf",
        "file_name": "a.csv", "findings": ("gap",), "features": b"\x00\x01features",
    }  # fmt: skip
    return TripRecord(**fields | changes)


def an_answer(trip: TripRecord, **changes: Any) -> PredictionRecord:
    fields: dict[str, Any] = {
        "vehicle_id": trip.vehicle_id, "battery_id": trip.battery_id, "trip_digest": trip.digest,
        "event_s": trip.event_s, "scored_s": (trip.event_s or 0) + 4000, "kind": trip.kind,
        "soh": 0.9, "soh_low": 0.88, "soh_high": 0.93, "capacity_bms_ah": None,
        "capacity_ocv_ah": None, "resistance_growth": 1.25, "reference_sop_w": 125_000.0,
        "risk_score": 0.1, "status": "Healthy", "evidence_count": 7, "reasons": ("no_rest",),
        "model": MODEL,
    }  # fmt: skip
    return PredictionRecord(**fields | changes)


def newest(answer: PredictionRecord, **changes: Any) -> LatestRecord:
    fields: dict[str, Any] = {
        "prediction": answer, "rated_power_w": 125e3, "reference_capacity_ah": 62.0,
        "group": "", "soc": 0.5, "temperature_degc": 20.0,
        "live_sop": {"discharge_10s": {"power_w": 1.0, "limit": "voltage"}},
    }  # fmt: skip
    return LatestRecord(**fields | changes)


def ingest(*trips: TripRecord, **changes: Any) -> Batch:
    answers = tuple(an_answer(trip, **changes) for trip in trips)
    return Batch(
        files=(a_file(digest(trips)),),
        trips=trips,
        predictions=answers,
        latest=(newest(answers[-1]),),
        states=(
            BatteryState(
                vehicle_id=trips[-1].vehicle_id, battery_id="1", last_event_s=T0,
                last_digest=trips[-1].digest, model_digest="m", state={"x": [0.1, None]},
            ),
        ),
    )  # fmt: skip


def a_file(name: str, state: FileState = "stored", **changes: Any) -> FileRecord:
    return FileRecord(
        digest=digest(name), name=name, state=state, reason="", size_bytes=9, received_s=T0,
        **changes,
    )  # fmt: skip


def everything(store: Store, vehicle: str = "v1") -> tuple[Any, ...]:
    return (
        store.trips(vehicle, "1"), store.trend(vehicle), store.latest(vehicle),
        store.daily(vehicle), store.files(), store.state(vehicle, "1"), store.vehicles(),
        store.description_history(vehicle), [(s.table, s.rows) for s in store.sizes()],
    )  # fmt: skip


def test_what_was_committed_is_read_back(reopen: Callable[[], Store]) -> None:
    batch = ingest(a_trip(), a_trip(number=1, findings=(), kind="charge", duration_s=math.pi))
    reopen().submit(batch).result()
    store = reopen()
    assert store.trips("v1", "1") == list(batch.trips)
    assert store.trend("v1") == list(batch.predictions)
    assert store.latest("v1") == batch.latest[0]
    assert list(store.all_latest()) == list(batch.latest)
    assert store.state("v1", "1") == batch.states[0]
    assert store.file(batch.files[0].digest) == batch.files[0]
    assert store.files("held") == []
    known = {t.digest for t in batch.trips}
    assert store.known_trips([*known, digest("none")]) == known


def test_of_many_vehicles_those_stored_are_found(store: Store) -> None:
    rows = [
        VehicleRecord(vehicle_id=f"v{k}", battery_id="1", description={"k": k}, described_s=k)
        for k in range(3)
    ]
    store.submit(Batch(vehicles=tuple(rows))).result()
    asked = ["v2", "nobody", "v0", "v2", *(f"x{k}" for k in range(1200))]
    assert store.described(asked) == {"v0": rows[0], "v2": rows[2]}
    assert store.described([]) == {}


def test_trips_of_many_files_cost_few_statements(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = [a_trip(number=k, file_name=f"{k}.csv", findings=(f"f{k % 7}",)) for k in range(700)]
    store.submit(ingest(*trips)).result()
    asked: list[Any] = []
    execute = Connection.execute

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(args)
        return execute(*args, **options)

    monkeypatch.setattr(Connection, "execute", counted)
    assert store.trips("v1", "1") == trips
    assert 0 < len(asked) < 20


def test_repeating_a_batch_changes_nothing(store: Store) -> None:
    batches = [ingest(a_trip(number=k), soh=0.9 - k / 100) for k in range(3)]
    for batch in batches:
        store.submit(batch).result()
    before = everything(store)
    for batch in batches:
        store.submit(batch).result()
    assert everything(store) == before


def test_rescoring_replaces_the_answer_and_the_rollup(store: Store) -> None:
    batch = ingest(a_trip(), a_trip(number=1))
    store.submit(batch).result()
    again = [an_answer(t, soh=0.8, scored_s=T0 + 9999) for t in batch.trips]
    store.submit(Batch(predictions=tuple(again), latest=(newest(again[-1]),))).result()
    assert store.trend("v1") == again
    assert store.latest("v1") == newest(again[-1])
    (day,) = store.daily("v1")
    assert (day.day, day.trips, day.soh_mean, day.soh_last) == (20_000, 2, 0.8, 0.8)


def test_daily_rollup_takes_mean_and_last_in_event_order(store: Store) -> None:
    for number, soh in ((5, 0.9), (2, 0.8), (3, None), (100, 0.7)):
        trip = a_trip(number=number)
        store.submit(ingest(trip, soh=soh, risk_score=soh and 1 - soh)).result()
    first, second = store.daily("v1")
    assert (first.day, first.trips, first.soh_mean, first.soh_last) == (20_000, 3, 0.85, 0.9)
    assert (second.day, second.trips, second.risk_last) == (20_001, 1, 0.3)
    assert store.daily("v1", limit=1) == [second]


def test_history_is_in_event_order_and_bounded(store: Store) -> None:
    trips = [a_trip(number=k) for k in (3, 1, 2)]
    undated = a_trip(number=9, event_s=None)
    store.submit(ingest(*trips, undated)).result()
    by_event = sorted(trips, key=lambda t: t.event_s or 0)
    assert store.trips("v1", "1") == [*by_event, undated]
    trend = [p.trip_digest for p in store.trend("v1")]
    assert trend == [t.digest for t in [*by_event, undated]]
    bounded = store.trend("v1", since_s=T0 + 1000, until_s=T0 + 3000)
    assert [p.event_s for p in bounded] == [T0 + 1000, T0 + 2000]
    assert [p.event_s for p in store.trend("v1", until_s=T0 + 10_000, limit=1)] == [T0 + 3000]


def test_a_stale_answer_never_replaces_a_newer_one(store: Store) -> None:
    old, new = an_answer(a_trip()), an_answer(a_trip(number=1))
    store.submit(Batch(latest=(newest(new),))).result()
    store.submit(Batch(latest=(newest(old),))).result()
    assert store.latest("v1") == newest(new)


def test_a_description_keeps_its_history(store: Store) -> None:
    first = VehicleRecord(vehicle_id="v1", battery_id="1", description={"a": 1}, described_s=10)
    second = replace(first, battery_id="2", description={"a": [2.5]}, described_s=20)
    named = replace(first, description=None, described_s=30)
    for record in (first, first, second, first, named):
        store.submit(Batch(vehicles=(record,))).result()
    assert store.vehicle("v1") == second
    assert store.description_history("v1") == [first, second]
    assert store.vehicles("V1") == (1, [second])
    assert store.vehicles("%") == (0, [])
    assert store.vehicle("v2") is None


def test_a_replaced_battery_starts_anew(store: Store) -> None:
    store.submit(ingest(a_trip())).result()
    store.submit(Batch(trips=(a_trip(number=1, battery_id="2"),))).result()
    assert len(store.trips("v1", "1")) == len(store.trips("v1", "2")) == 1
    assert store.state("v1", "2") is None


def test_a_stored_file_stays_stored(store: Store) -> None:
    for state in ("held", "stored", "held", "duplicate", "quarantined"):
        store.submit(Batch(files=(a_file("x", state),))).result()
    assert store.files() == [a_file("x", "stored")]


def test_a_prediction_needs_its_trip(store: Store) -> None:
    good, bad = ingest(a_trip()), Batch(predictions=(an_answer(a_trip(number=1)),))
    futures = [store.submit(batch) for batch in (good, bad, ingest(a_trip("v2")))]
    futures[0].result()
    futures[2].result()
    with pytest.raises(StoreError, match="submit its TripRecord"):
        futures[1].result()
    assert len(store.trend("v1")) == len(store.trend("v2")) == 1


@pytest.mark.parametrize(
    "changes", [{"soh": math.nan}, {"reference_sop_w": math.inf}, {"evidence_count": -1}]
)
def test_a_bad_record_fails_whole_and_alone(store: Store, changes: dict[str, Any]) -> None:
    bad = store.submit(ingest(a_trip(), **changes))
    good = store.submit(ingest(a_trip("v2")))
    with pytest.raises(InputError, match=next(iter(changes))):
        bad.result()
    good.result()
    assert store.trips("v1", "1") == []
    assert store.files() == list(ingest(a_trip("v2")).files)


SQL = "x'; DROP TABLE trips; --"


def test_sql_in_an_id_is_only_text(store: Store) -> None:
    store.submit(ingest(a_trip(SQL))).result()
    assert store.latest(SQL) is not None
    assert store.fleet(FleetQuery(search=SQL)).total == 1
    assert store.fleet(FleetQuery(search="' OR 1=1 --", group=SQL)).total == 0
    assert store.fleet(FleetQuery(search="%")).total == 0
    assert len(store.trips(SQL, "1")) == 1


@pytest.fixture
def ranked(store: Store) -> Store:
    rows = (("a", 0.9, 0.1, "Healthy"), ("b", None, None, "Unknown"),
            ("c", 0.7, 0.6, "Priority Maintenance"), ("d", 0.8, 0.3, "Monitor"))  # fmt: skip
    for name, soh, risk, status in rows:
        answer = an_answer(a_trip(name), soh=soh, risk_score=risk, status=status)
        group = "north" if name in "ab" else "south"
        store.submit(Batch(latest=(newest(answer, group=group),))).result()
    return store


def order(store: Store, **query: Any) -> str:
    page = store.fleet(FleetQuery(**query))
    return "".join(row.prediction.vehicle_id for row in page.rows)


@pytest.mark.parametrize(
    ("sort", "down", "up"),
    [
        ("risk_score", "cdab", "adcb"),
        ("soh", "adcb", "cdab"),
        ("status", "cdab", "adcb"),
        ("vehicle_id", "dcba", "abcd"),
    ],
)
def test_fleet_sorts_with_unknown_last_either_way(
    ranked: Store, sort: SortKey, down: str, up: str
) -> None:
    assert order(ranked, sort=sort) == down
    assert order(ranked, sort=sort, descending=False) == up
    pages = [order(ranked, sort=sort, offset=k, limit=1) for k in range(5)]
    assert "".join(pages) == down


def test_fleet_filters(ranked: Store) -> None:
    assert order(ranked, status=("Unknown", "Monitor")) == "db"
    assert order(ranked, status=("Unknown",)) == "b"
    assert order(ranked, status=("Healthy",)) == "a"
    assert order(ranked, group="south") == "cd"
    assert order(ranked, search="C") == "c"
    assert ranked.fleet(FleetQuery(group="south", limit=1)).total == 2


def test_listeners_hear_of_committed_answers_only(store: Store) -> None:
    heard: list[LatestRecord] = []
    done = threading.Event()

    def fails(_: object) -> None:
        raise ValueError("a listener's own fault")

    def listens(changed: Sequence[LatestRecord]) -> None:
        assert all(store.latest(r.prediction.vehicle_id) == r for r in changed)
        heard.extend(changed)
        done.set()

    store.on_commit(fails)
    store.on_commit(listens)
    batch = ingest(a_trip(), capacity_bms_ah=61.9)
    store.submit(batch).result()
    assert done.wait(10)
    assert heard == [store.latest("v1")]
    store.submit(ingest(a_trip(number=1))).result()


def test_prune_keeps_rollup_newest_and_files(store: Store) -> None:
    store.submit(ingest(*(a_trip(number=k) for k in range(4)))).result()
    days, latest = store.daily("v1"), store.latest("v1")
    assert store.prune(T0 + 2000) == 4
    assert [t.event_s for t in store.trips("v1", "1")] == [T0 + 2000, T0 + 3000]
    assert len(store.trend("v1")) == 2
    assert (store.daily("v1"), store.latest("v1")) == (days, latest)
    assert len(store.files()) == 1
    # An answer of a day that was pruned in part does not forget the pruned ones.
    store.submit(ingest(a_trip(number=3), scored_s=T0 + 99_999)).result()
    assert store.daily("v1") == days
    assert store.prune(T0 + 2000) == 0


def test_export_writes_every_table(store: Store, tmp_path: Path) -> None:
    batch = ingest(a_trip(), a_trip(number=1, event_s=None))
    described = VehicleRecord(vehicle_id="v1", battery_id="1", description={}, described_s=1)
    store.submit(Batch(vehicles=(described,))).result()
    store.submit(batch).result()
    files = store.export(tmp_path / "out")
    tables = {path.stem: pl.read_parquet(path) for path in files}
    assert set(tables) == {"vehicles", "descriptions", "trips", "predictions", "latest", "daily",
                           "states", "files"}  # fmt: skip
    assert tables["trips"]["digest"].to_list() == [t.digest for t in batch.trips]
    assert tables["trips"]["event_s"].to_list() == [T0, None]
    assert tables["predictions"]["soh"].to_list() == [0.9, 0.9]
    assert tables["predictions"]["model_digest"][0] == MODEL.digest
    assert tables["files"]["name"].to_list() == [batch.files[0].name]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in files)


def test_many_threads_lose_nothing_and_share_commits(store: Store) -> None:
    threads, each = 16, 20
    errors: list[BaseException] = []

    def send(vehicle: str) -> None:
        try:
            for number in range(each):
                store.submit(ingest(a_trip(vehicle, number))).result()
                assert len(store.trips(vehicle, "1")) == number + 1
        except BaseException as error:
            errors.append(error)

    crowd = [threading.Thread(target=send, args=(f"v{k}",)) for k in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not errors
    assert store.fleet(FleetQuery()).total == threads
    assert all(len(store.trend(f"v{k}")) == each for k in range(threads))
    assert isinstance(store, SqlStore)
    writer = store.writer
    assert writer.batches == threads * each
    assert writer.commits < writer.batches


def test_close_flushes_and_then_refuses(reopen: Callable[[], Store]) -> None:
    store = reopen()
    futures = [store.submit(ingest(a_trip(number=k))) for k in range(50)]
    store.close()
    assert all(f.done() and f.exception() is None for f in futures)
    with pytest.raises(StoreError, match="closed"):
        store.submit(Batch())
    assert len(reopen().trips("v1", "1")) == 50


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["v1", "v2", "v3"]),
        st.integers(0, 5),
        st.none() | st.floats(0.5, 1.2),
        st.none() | st.floats(0.1, 1e5),
        st.sampled_from([(), ("cold",), ("cold", "low_dod")]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
"""Tests: vehicle, number, SoH, power, reasons, whether the event time is assumed."""


def columns_of(records: Sequence[LatestRecord], trips: Sequence[TripRecord]) -> Answered:
    """Tests that are records as columns; all were scored at once."""
    answers = [record.prediction for record in records]
    sets = sorted({answer.reasons for answer in answers})
    return Answered(
        kind="test", source="predict", model=MODEL, scored_s=answers[0].scored_s,
        vehicle_ids=[a.vehicle_id for a in answers], battery_ids=[a.battery_id for a in answers],
        groups=[r.group for r in records], digests=[bytes.fromhex(t.digest) for t in trips],
        event_s=[t.event_s or 0 for t in trips],
        event_assumed=np.array([t.event_assumed for t in trips]),
        features=np.array([np.frombuffer(t.features, np.float32) for t in trips]),
        duration_s=np.array([t.duration_s for t in trips]), values=optional_values(answers),
        statuses=[a.status for a in answers], reason_sets=sets,
        reasons=np.array([sets.index(a.reasons) for a in answers]),
        rated_power_w=np.array([r.rated_power_w for r in records], dtype=float),
        reference_capacity_ah=np.array([r.reference_capacity_ah for r in records], dtype=float),
        temperature_degc=np.array([r.temperature_degc for r in records], dtype=float),
    )  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(ROWS, st.integers(1, 12))
def test_columns_equal_their_records_one_by_one(
    drawn: list[tuple[str, int, float | None, float | None, tuple[str, ...], bool]], cut: int
) -> None:
    trips, records = [], []
    for place, (vehicle, number, soh, power, reasons, assumed) in enumerate(drawn):
        # What is assumed to have happened at its arrival is never the same again.
        trip = a_trip(
            vehicle, number, digest=digest(vehicle, number, place if assumed else ""), sequence=0,
            kind="test", source="predict", file_name="", findings=(), event_assumed=assumed,
            duration_s=60.0 + number, features=np.array([number, np.nan], np.float32).tobytes(),
        )  # fmt: skip
        answer = an_answer(
            trip, soh=soh, soh_low=soh and soh - 0.1, soh_high=soh and soh + 0.1,
            resistance_growth=None, reference_sop_w=power, risk_score=soh and 1.3 - soh,
            evidence_count=1, reasons=reasons, scored_s=T0 + 10 * DAY,
        )  # fmt: skip
        trips.append(trip)
        records.append(newest(answer, soc=None, live_sop=None, rated_power_w=None))
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as grouped:
        one_by_one, group = open_store(Path(alone)), open_store(Path(grouped))
        for trip, record in zip(trips, records, strict=True):
            one_by_one.submit(
                Batch(trips=(trip,), predictions=(record.prediction,), latest=(record,))
            ).result()
        for part in (slice(None, cut), slice(cut, None)):
            if trips[part]:
                rows = columns_of(records[part], trips[part])
                group.submit(Batch(answered=rows)).result()
        found = [everything(group, f"v{n}")[:-4] for n in (1, 2, 3)]
        assert found == [everything(one_by_one, f"v{n}")[:-4] for n in (1, 2, 3)]
        dated = [k for k, trip in enumerate(trips) if not trip.event_assumed]
        if dated:  # whatever comes twice adds nothing
            again = columns_of([records[k] for k in dated], [trips[k] for k in dated])
            group.submit(Batch(answered=again)).result()
            assert [group.trips(f"v{n}", "1") for n in (1, 2, 3)] == [each[0] for each in found]
        one_by_one.close()
        group.close()


reals = st.none() | st.floats(0.0, 2.0)
big = st.none() | st.floats(0.01, 1e5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.tuples(st.text(max_size=30), st.text(max_size=30)),
    codes=st.lists(st.text(max_size=8), max_size=4).map(tuple),
    event_s=st.none() | st.integers(0, 2**33),
    numbers=st.tuples(reals, reals, reals, big, big, reals, big, reals),
    features=st.binary(max_size=200),
    duration_s=st.floats(0, 1e9),
    count=st.integers(0, 2**40),
)  # fmt: skip
def test_records_round_trip_within_the_stated_scales(
    store: Store, texts: tuple[str, str], codes: tuple[str, ...], event_s: int | None,
    numbers: tuple[float | None, ...], features: bytes, duration_s: float, count: int,
) -> None:  # fmt: skip
    trip = a_trip(
        texts[0] or "v", digest=digest(texts, codes, event_s, numbers, features, duration_s, count),
        source=texts[1], findings=codes, event_s=event_s, features=features, sequence=count,
        duration_s=duration_s, battery_id=texts[1],
    )  # fmt: skip
    names = ("soh", "soh_low", "soh_high", "capacity_bms_ah", "capacity_ocv_ah",
             "resistance_growth", "reference_sop_w", "risk_score")  # fmt: skip
    answer = an_answer(
        trip, **dict(zip(names, numbers, strict=True)), reasons=codes, evidence_count=count
    )
    store.submit(Batch(trips=(trip,), predictions=(answer,))).result()
    assert trip in store.trips(trip.vehicle_id, trip.battery_id)
    read = next(p for p in store.trend(trip.vehicle_id) if p.trip_digest == trip.digest)
    for name in names:
        sent, got = getattr(answer, name), getattr(read, name)
        if sent is None or got is None:
            assert sent is got
        elif name.startswith(("capacity", "reference")):
            assert got == pytest.approx(sent, rel=1.3e-4)
        else:
            assert got == pytest.approx(sent, abs=0.51e-4)
    plain = dict.fromkeys(names)
    assert replace(read, **plain) == replace(answer, **plain)
