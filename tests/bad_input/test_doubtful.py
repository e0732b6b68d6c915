"""Files that can be read but lie: findings name the trouble, and it does not become evidence."""

import math
from collections.abc import Callable

import polars as pl
import pytest

from evitals.battery import describe
from evitals.service.pipeline import Pipeline
from evitals.service.report import IngestReport, RecordingReport
from evitals.service.vehicles import put_vehicle

from .conftest import ID, Drop
from .made_up import csv, drive

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def only(report: IngestReport) -> RecordingReport:
    [file] = report.files
    assert file.state == "stored", file.message
    [recording] = file.recordings
    return recording


def codes(recording: RecordingReport) -> set[str]:
    return {f.code for f in recording.findings if f.severity != "info"}


def some(column: str, value: float) -> Spoil:
    """Every 50th value of a column replaced."""
    return lambda table: table.with_columns(
        pl.when(pl.int_range(pl.len()) % 50 == 7)
        .then(pl.lit(value))
        .otherwise(pl.col(column))
        .alias(column)
    )


REFUSED: dict[str, tuple[Spoil, str]] = {
    "flipped sign": (lambda t: t.with_columns(-pl.col("current_a")), "sign_flip"),
    "ms as s": (lambda t: t.with_columns(pl.col("time_s") * 1000).drop("timestamp"), "time_in_ms"),
    "SoC in percent": (lambda t: t.with_columns(pl.col("soc") * 100), "soc_in_percent"),
    "cell data": (
        lambda t: t.with_columns(pl.col("voltage_v") / 96, pl.col("current_a")),
        "wrong_level",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_slip_is_named_and_is_no_evidence(pipeline: Pipeline, drop: Drop, what: str) -> None:
    spoil, code = REFUSED[what]
    latest = pipeline.store.latest(ID)
    assert latest is not None
    before = latest.prediction
    report = drop(csv(spoil(drive(20))))
    recording = only(report)
    assert code in codes(recording)
    finding = next(f for f in recording.findings if f.code == code)
    assert finding.severity == "error"
    assert finding.count > 0
    assert finding.remedy
    assert all(e.refused for t in recording.trips for e in t.evidence)
    assert report.vehicles[0].evidence_count == before.evidence_count
    after = report.vehicles[0].capacity["bms_soc"].value
    assert after == pytest.approx(before.capacity_bms_ah, rel=1e-3)


def test_pack_data_for_a_cell_are_refused(pipeline: Pipeline, drop: Drop) -> None:
    put_vehicle(pipeline.store, describe("lg-18650hg2"), pipeline)
    report = drop(csv(drive()), "lg-18650hg2_pack.csv")
    recording = only(report)
    assert "wrong_level" in codes(recording)
    assert report.vehicles[0].evidence_count == 0
    assert report.vehicles[0].soh.value is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("current_a", math.inf),
        ("current_a", math.nan),
        ("current_a", 1e300),
        ("voltage_v", -1e9),
        ("soc", 7e7),
        ("temperature_degc", 1e12),
        ("speed_mps", -math.inf),
    ],
)
def test_a_value_that_cannot_be_is_missing_and_counted(
    pipeline: Pipeline, drop: Drop, column: str, value: float
) -> None:
    report = drop(csv(some(column, value)(drive(20))))
    recording = only(report)
    assert recording.rows == 1200
    capacity = report.vehicles[0].capacity["bms_soc"].value
    assert capacity == pytest.approx(60.0, rel=0.03)
    if not math.isnan(value):
        named = [f for f in recording.findings if f.signal == column]
        assert any(f.count >= 24 for f in named)


def test_time_that_runs_backward_splits(pipeline: Pipeline, drop: Drop) -> None:
    table = drive(20)
    turned = pl.concat([table[600:], table[:600]]).drop("timestamp")
    recording = only(drop(csv(turned)))
    assert "backward_time" in codes(recording)
    assert len(recording.trips) == 2
    assert recording.rows == 1200


def test_rows_sent_twice_count_once(pipeline: Pipeline, drop: Drop) -> None:
    table = drive(20)
    twice = pl.concat([table, table]).sort("time_s", maintain_order=True)
    report = drop(csv(twice))
    assert "duplicate_stamp" in {f.code for f in only(report).findings}
    assert report.vehicles[0].capacity["bms_soc"].value == pytest.approx(60.0, rel=0.03)


def test_words_among_the_numbers_are_missing(pipeline: Pipeline, drop: Drop) -> None:
    table = drive(20).with_columns(pl.col("current_a").cast(pl.String))
    spoiled = table.with_columns(
        pl.when(pl.int_range(pl.len()) % 50 == 7)
        .then(pl.lit("n/a"))
        .otherwise(pl.col("current_a"))
        .alias("current_a")
    )
    report = drop(csv(spoiled))
    assert only(report).rows == 1200
    assert report.vehicles[0].capacity["bms_soc"].value == pytest.approx(60.0, rel=0.03)


def test_extra_columns_do_not_matter(pipeline: Pipeline, drop: Drop) -> None:
    extra = drive(20).with_columns(
        pl.lit("=cmd|' /C calc'!A0").alias("note"), pl.lit(1e300).alias("mystery")
    )
    plain = only(drop(csv(drive(20)), f"{ID}_plain.csv"))
    assert drop(csv(extra), f"{ID}_extra.csv").files[0].state == "duplicate"
    assert plain.rows == 1200


@pytest.mark.parametrize(
    "vehicle_id",
    ["x'; DROP TABLE trips; --", "../../etc/passwd", "v" * 2_000, "\u202egnp.exe", "a b", "%00"],
)
def test_an_id_that_nobody_can_have_is_only_text(
    pipeline: Pipeline, drop: Drop, vehicle_id: str
) -> None:
    file = drop(csv(drive(20, minutes=2, vehicle_id=vehicle_id)), "a.csv").files[0]
    assert (file.state, file.reason) == ("quarantined", "bad_vehicle_id")
    assert len(file.message) < 400
    assert len(pipeline.store.trips(ID, "1")) == 4
    assert pipeline.store.vehicle(vehicle_id) is None
    # Said by the sender instead, the recording itself is fine.
    report = pipeline.ingest_bytes((pipeline.home.quarantine / "a.csv").read_bytes(), vehicle_id=ID)
    assert report.files[0].state == "stored"


def test_two_vehicles_in_one_file_stay_apart(pipeline: Pipeline, drop: Drop) -> None:
    from msgspec.structs import replace

    put_vehicle(pipeline.store, replace(describe(ID), vehicle_id="other"), pipeline)
    both = pl.concat([drive(20, vehicle_id=ID), drive(21, vehicle_id="other")])
    report = drop(csv(both.sample(fraction=1.0, shuffle=True, seed=1).sort("time_s")), "b.csv")
    assert {v.vehicle_id for v in report.vehicles} == {ID, "other"}
    assert len(pipeline.store.trips("other", "1")) == 1
    assert len(pipeline.store.trips(ID, "1")) == 5


def test_the_same_trip_twice_counts_once(pipeline: Pipeline, drop: Drop) -> None:
    first = drop(csv(drive(20)), f"{ID}_one.csv")
    again = drop(csv(drive(20)), f"{ID}_two.csv")
    assert again.files[0].state == "duplicate"
    assert again.vehicles[0].evidence_count == first.vehicles[0].evidence_count
    assert len(pipeline.store.trips(ID, "1")) == 5
