"""The pipeline: what is known once is known once, in whatever order and however often it came."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec
import polars as pl
import pytest

from evitals.battery import Vehicle, describe
from evitals.errors import InputError, UnknownVehicle
from evitals.estimators.assessor import Assessor, model_digest
from evitals.fleet.codec import rounded
from evitals.fleet.open import open_store
from evitals.fleet.records import PredictionRecord, VehicleRecord
from evitals.service.fold import predict, segment
from evitals.service.pipeline import Pipeline
from evitals.service.received import FileInfo
from evitals.service.vehicles import put_vehicle
from evitals.settings import Settings
from evitals.telemetry import read

from .made_up import CAPACITY_AH, START, csv, drive, parquet

ID = "bmw-i3-60ah"


@contextmanager
def pipeline_in(folder: Path) -> Iterator[Pipeline]:
    """A pipeline over a fresh store in ``folder``."""
    folder.mkdir(exist_ok=True)
    with closing(open_store(folder)) as store:
        yield Pipeline(store, Settings(home=folder))


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline_in(tmp_path / "home") as made:
        yield made


def history(pipeline: Pipeline, vehicle_id: str = ID) -> list[PredictionRecord]:
    """All predictions, without the time they were made at."""
    return [msgspec.structs.replace(row, scored_s=0) for row in pipeline.store.trend(vehicle_id)]


def van(**changes: object) -> Vehicle:
    """A described vehicle that is not built in."""
    return msgspec.structs.replace(
        describe(ID), vehicle_id="van-7", undated_start=None, timezone="UTC", **changes
    )


def test_a_built_in_vehicle_is_used_by_its_id(pipeline: Pipeline) -> None:
    report = pipeline.ingest_bytes(csv(drive()), "a.csv", vehicle_id=ID)
    assert report.files[0].state == "stored"
    assert report.files[0].detection is not None
    assert report.files[0].detection.source == "evitals"
    assert report.files[0].detection.why
    record = pipeline.store.vehicle(ID)
    assert record is not None
    assert record.description is not None
    assert [t.kind for t in pipeline.store.trips(ID, "1")] == ["drive"]
    latest = pipeline.store.latest(ID)
    assert latest is not None
    assert latest.prediction.event_s == int(START.timestamp())
    assert latest.rated_power_w == 125_000.0


def test_capacity_is_found(pipeline: Pipeline) -> None:
    for day in range(6):
        report = pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
    capacity = report.vehicles[0].capacity["bms_soc"]
    assert capacity.value == pytest.approx(CAPACITY_AH, rel=0.02)
    assert capacity.low is not None
    assert capacity.high is not None
    assert capacity.low < CAPACITY_AH < capacity.high
    assert report.vehicles[0].soh.value == pytest.approx(CAPACITY_AH / 60.0, rel=0.03)
    assert "no_rest" in report.vehicles[0].capacity["ocv"].reasons


def test_the_same_trip_twice_changes_nothing(pipeline: Pipeline) -> None:
    for day in range(4):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
    before = pipeline.store.trend(ID), pipeline.store.state(ID, "1"), pipeline.store.latest(ID)
    report = pipeline.ingest_bytes(csv(drive(1)), "again.csv", vehicle_id=ID)
    assert report.files[0].state == "duplicate"
    assert report.files[0].recordings[0].trips[0].state == "duplicate"
    assert report.vehicles[0].new_trips == 0
    assert report.vehicles[0].evidence_count == before[0][-1].evidence_count
    after = pipeline.store.trend(ID), pipeline.store.state(ID, "1"), pipeline.store.latest(ID)
    assert after == before


def test_the_same_trip_in_another_format_is_known(pipeline: Pipeline) -> None:
    pipeline.ingest_bytes(csv(drive()), "a.csv", vehicle_id=ID)
    report = pipeline.ingest_bytes(parquet(drive()), "b.parquet", vehicle_id=ID)
    assert report.files[0].state == "duplicate"


def test_what_was_read_elsewhere_can_be_ingested(pipeline: Pipeline) -> None:
    data = csv(drive())
    report = pipeline.ingest(read(data, name="a.csv"), FileInfo.of_bytes(data, "a.csv"), ID)
    assert report.files[0].state == "stored"
    assert pipeline.ingest_bytes(data, vehicle_id=ID).files[0].state == "duplicate"


@pytest.mark.parametrize("seed", range(4))
def test_any_order_ends_in_the_same_state(tmp_path: Path, seed: int) -> None:
    days = list(range(7))
    with pipeline_in(tmp_path / "ordered") as ordered:
        for day in days:
            ordered.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
        expected = history(ordered), ordered.store.state(ID, "1")
    Random(seed).shuffle(days)
    with pipeline_in(tmp_path / "shuffled") as shuffled:
        for day in [*days, *days[:3]]:
            shuffled.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
        assert (history(shuffled), shuffled.store.state(ID, "1")) == expected


def test_all_in_one_commit_ends_in_the_same_state(tmp_path: Path) -> None:
    with pipeline_in(tmp_path / "ordered") as ordered:
        for day in range(5):
            ordered.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
        expected = history(ordered)
    with pipeline_in(tmp_path / "together") as together:
        files = [
            together.receive(csv(drive(day)), name=f"{day}.csv", vehicle_id=ID)
            for day in (3, 0, 4, 1, 2, 0)
        ]
        report = together.commit(files)
        assert [f.state for f in report.files] == ["stored"] * 6
        assert report.vehicles[0].new_trips == 5
        assert history(together) == expected


def test_concurrent_ingests_lose_no_step(tmp_path: Path) -> None:
    ids = [f"van-{i}" for i in range(3)]
    jobs = [(v, day) for v in ids for day in range(6)]
    Random(1).shuffle(jobs)
    with pipeline_in(tmp_path / "one") as one, pipeline_in(tmp_path / "many") as many:
        for made in (one, many):
            for v in ids:
                put_vehicle(made.store, msgspec.structs.replace(van(), vehicle_id=v), made)
        for v, day in sorted(jobs):
            one.ingest_bytes(csv(drive(day, vehicle_id=v)), f"{day}.csv")
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda j: many.ingest_bytes(csv(drive(j[1], vehicle_id=j[0])), "x.csv"),
                    [*jobs, *jobs],
                )
            )
        for v in ids:
            assert history(many, v) == history(one, v)
            assert len(history(many, v)) == 6
            assert many.store.state(v, "1") == one.store.state(v, "1")


def test_an_undated_trip_is_stored_but_enters_no_estimate(pipeline: Pipeline) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    report = pipeline.ingest_bytes(csv(drive(dated=False)), "a.csv", vehicle_id="van-7")
    assert report.files[0].recordings[0].start_origin == "unknown"
    assert report.vehicles[0].soh.reasons == ("no_dated_trip",)
    trips = pipeline.store.trips("van-7", "1")
    assert [t.event_s for t in trips] == [None]
    assert pipeline.store.trend("van-7") == []
    pipeline.ingest_bytes(csv(drive(3)), "b.csv", vehicle_id="van-7")
    assert len(pipeline.store.trend("van-7")) == 1


def test_start_dates_a_silent_file(pipeline: Pipeline) -> None:
    report = pipeline.ingest_bytes(
        csv(drive(dated=False)), "a.csv", vehicle_id=ID, start=START + timedelta(days=2)
    )
    recording = report.files[0].recordings[0]
    assert recording.start_origin == "option"
    assert recording.trips[0].event_time == START + timedelta(days=2)
    assert not recording.trips[0].event_assumed


def test_an_impossible_clock_is_no_event_time(pipeline: Pipeline) -> None:
    late = START.replace(year=2201)
    report = pipeline.ingest_bytes(csv(drive(dated=False)), "a.csv", vehicle_id=ID, start=late)
    assert report.files[0].recordings[0].trips[0].event_time is None
    assert pipeline.store.trend(ID) == []


def test_an_unknown_vehicle_is_held_and_read_when_described(pipeline: Pipeline) -> None:
    data = csv(drive(vehicle_id="van-7"))
    report = pipeline.ingest_bytes(data, "trip.csv")
    file = report.files[0]
    assert (file.state, file.reason) == ("held", "unknown_vehicle")
    assert "van-7" in file.message
    assert pipeline.store.trips("van-7", "1") == []
    [(path, reason)] = pipeline.home.held_files()
    assert path.read_bytes() == data
    assert reason["vehicle_ids"] == ["van-7"]
    record = pipeline.store.file(file.digest)
    assert record is not None
    assert record.state == "held"

    [released] = put_vehicle(pipeline.store, van(), pipeline)
    assert released.files[0].state == "stored"
    assert len(pipeline.store.trips("van-7", "1")) == 1
    assert pipeline.home.held_files() == []
    record = pipeline.store.file(file.digest)
    assert record is not None
    assert record.state == "stored"


def test_what_was_said_with_a_held_message_is_kept(pipeline: Pipeline) -> None:
    data = csv(drive(dated=False))
    assert pipeline.ingest_bytes(data, "t.csv", vehicle_id="van-7", start=START).held
    [released] = put_vehicle(pipeline.store, van(), pipeline)
    trip = released.files[0].recordings[0].trips[0]
    assert trip.event_time == START


def test_two_vehicles_in_one_file(pipeline: Pipeline) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    both = pl.concat([drive(vehicle_id="van-7"), drive(1, vehicle_id=ID)])
    report = pipeline.ingest_bytes(csv(both), "both.csv")
    assert {v.vehicle_id: v.new_trips for v in report.vehicles} == {"van-7": 1, ID: 1}
    assert len(pipeline.store.trips("van-7", "1")) == len(pipeline.store.trips(ID, "1")) == 1


def test_of_two_vehicles_the_unknown_one_waits(pipeline: Pipeline) -> None:
    both = pl.concat([drive(vehicle_id="van-7"), drive(1, vehicle_id=ID)])
    report = pipeline.ingest_bytes(csv(both), "both.csv")
    assert report.held
    assert [r.state for r in report.files[0].recordings] == ["held", "stored"]
    put_vehicle(pipeline.store, van(), pipeline)
    assert len(pipeline.store.trips("van-7", "1")) == len(pipeline.store.trips(ID, "1")) == 1


def test_one_vehicle_cannot_be_said_of_a_file_with_two(pipeline: Pipeline) -> None:
    both = pl.concat([drive(vehicle_id="van-7"), drive(1, vehicle_id=ID)])
    with pytest.raises(InputError, match="holds 2") as caught:
        pipeline.ingest_bytes(csv(both), "both.csv", vehicle_id=ID)
    assert caught.value.reason == "several_vehicles"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("van-7_monday.csv", "van-7"),
        ("van-7.csv", "van-7"),
        ("van-7-8.csv", "van-7-8"),
        ("van-7-8.2024.csv", "van-7-8"),
        ("tripdata.van-7.csv", "van-7"),
        ("van-70.csv", None),
        ("monday_van-7.csv", None),
    ],
)
def test_a_file_name_names_its_vehicle(pipeline: Pipeline, name: str, expected: str | None) -> None:
    for vehicle_id in ("van-7", "van-7-8"):
        vehicle = msgspec.structs.replace(van(), vehicle_id=vehicle_id)
        put_vehicle(pipeline.store, vehicle, pipeline)
    recording = pipeline.ingest_bytes(csv(drive()), name).files[0].recordings[0]
    assert recording.vehicle_id == expected
    assert recording.reason == ("" if expected else "no_vehicle")


def test_a_file_reads_its_vehicle_when_it_comes_and_under_the_lock(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    asked: list[list[str]] = []
    read_rows = pipeline.store.described

    def counted(vehicle_ids: Iterable[str]) -> dict[str, VehicleRecord]:
        asked.append(list(vehicle_ids))
        return read_rows(asked[-1])

    def none(vehicle_id: str) -> None:
        raise AssertionError(f"{vehicle_id} is read once more")

    monkeypatch.setattr(pipeline.store, "described", counted)
    monkeypatch.setattr(pipeline.store, "vehicle", none)
    report = pipeline.ingest_bytes(csv(drive(vehicle_id="van-7")), "van-7_monday.csv")
    assert report.files[0].state == "stored"
    assert asked == [["van-7_monday.csv", "van-7_monday", "van-7", "van"], ["van-7"]]


def test_a_changed_description_rebuilds_the_estimate(pipeline: Pipeline) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    for day in range(5):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id="van-7")
    before = history(pipeline, "van-7")
    battery = msgspec.structs.replace(van().battery, reference_capacity_ah=120.0)
    put_vehicle(pipeline.store, van(battery=battery), pipeline)
    after = history(pipeline, "van-7")
    assert [p.trip_digest for p in after] == [p.trip_digest for p in before]
    assert before[-1].soh is not None
    assert after[-1].soh == pytest.approx(before[-1].soh / 2, rel=0.02)
    assert after[-1].model.digest != before[-1].model.digest
    latest = pipeline.store.latest("van-7")
    assert latest is not None
    assert latest.prediction.soh == after[-1].soh


def test_a_trip_read_before_a_description_changed_is_folded_by_the_new_one(
    pipeline: Pipeline,
) -> None:
    """Between reading a file and its turn, the vehicle may be described anew and rescored."""
    for day in range(4):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
    late = pipeline.receive(csv(drive(4)), name="4.csv", vehicle_id=ID)
    battery = msgspec.structs.replace(describe(ID).battery, reference_capacity_ah=50.0)
    described = msgspec.structs.replace(describe(ID), battery=battery)
    put_vehicle(pipeline.store, described, pipeline)
    report = pipeline.commit([late])
    assert report.vehicles[0].soh.value == pytest.approx(CAPACITY_AH / 50.0, rel=0.03)
    latest = pipeline.store.latest(ID)
    assert latest is not None
    assert latest.reference_capacity_ah == 50.0
    assert len({row.model.digest for row in pipeline.store.trend(ID)}) == 1


def test_rescoring_alone_changes_no_value(pipeline: Pipeline) -> None:
    for day in (2, 0, 1, 3):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
    before = history(pipeline)
    [report] = pipeline.rescore(ID)
    assert history(pipeline) == before
    assert report.evidence_count == before[-1].evidence_count
    with pytest.raises(UnknownVehicle):
        pipeline.rescore("nobody")


def test_a_replaced_battery_starts_anew(pipeline: Pipeline) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    for day in range(4):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id="van-7")
    put_vehicle(pipeline.store, van(battery_id="2"), pipeline)
    blank = pipeline.store.latest("van-7")
    assert blank is not None
    assert (blank.prediction.battery_id, blank.prediction.soh) == ("2", None)
    assert blank.prediction.status == "Unknown"
    assert blank.prediction.reasons == ("battery_replaced",)
    new = drive(9, capacity_ah=60.0)
    report = pipeline.ingest_bytes(csv(new), "9.csv", vehicle_id="van-7")
    assert report.vehicles[0].battery_id == "2"
    assert report.vehicles[0].evidence_count == 1
    assert report.vehicles[0].soh.value is None
    assert len(pipeline.store.trips("van-7", "1")) == 4
    latest = pipeline.store.latest("van-7")
    assert latest is not None
    assert latest.prediction.battery_id == "2"


def test_a_trip_of_the_former_battery_is_folded_into_that_one(pipeline: Pipeline) -> None:
    put_vehicle(pipeline.store, van(), pipeline)
    pipeline.ingest_bytes(csv(drive(0)), "0.csv", vehicle_id="van-7")
    put_vehicle(pipeline.store, van(battery_id="2"), pipeline)
    pipeline.ingest_bytes(csv(drive(9)), "9.csv", vehicle_id="van-7")
    late = drive(1).with_columns(pl.lit("1").alias("battery_id"))
    pipeline.ingest_bytes(csv(late), "1.csv", vehicle_id="van-7")
    assert len(pipeline.store.trips("van-7", "1")) == 2
    latest = pipeline.store.latest("van-7")
    assert latest is not None
    assert latest.prediction.battery_id == "2"


def test_a_flipped_sign_is_kept_and_refused(pipeline: Pipeline) -> None:
    flipped = drive().with_columns(-pl.col("current_a"))
    report = pipeline.ingest_bytes(csv(flipped), "a.csv", vehicle_id=ID)
    recording = report.files[0].recordings[0]
    assert ("sign_flip", "error") in {(f.code, f.severity) for f in recording.findings}
    assert all(e.refused for t in recording.trips for e in t.evidence)
    assert report.vehicles[0].evidence_count == 0
    assert len(pipeline.store.trips(ID, "1")) == 1


def test_every_prediction_is_reproduced_from_what_is_stored(pipeline: Pipeline) -> None:
    for day in (0.0, 1.0, 0.5, 2.0, 3.0):
        pipeline.ingest_bytes(csv(drive(day)), f"{day}.csv", vehicle_id=ID)
    battery = describe(ID).battery
    rows = pipeline.store.trend(ID)
    assert len(rows) == 5
    assert rows[-1].soh is not None
    for row in rows:
        assert row.event_s is not None
        assert row.scored_s >= row.event_s
        assert row.model.digest == model_digest(battery, pipeline.settings)
        machine = Assessor(battery, pipeline.settings)
        for trip in pipeline.store.trips(ID, "1"):
            answer = machine.step(segment(trip))
            if trip.digest == row.trip_digest:
                again = rounded(predict(trip, answer, row.model))
                assert msgspec.structs.replace(again, scored_s=row.scored_s) == row
                break
        else:
            pytest.fail(f"no stored trip has the digest {row.trip_digest}")
