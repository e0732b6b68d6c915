"""Cutting: a partition, the same when done again, by the stated rules."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from evitals.battery import Battery
from evitals.telemetry.gaps import GAP_MAX_S, gap_rows
from evitals.telemetry.recording import Finding, Recording
from evitals.telemetry.trips import cut, rest_current_a

Make = Callable[..., Recording]
Phase = tuple[str, float, float, float]
PACES = st.sampled_from([0.1, 1.0, 10.0, 30.0, 60.0])
PHASES = st.lists(
    st.tuples(
        st.sampled_from(["rest", "charge", "drive", "regen", "lost"]),
        st.floats(1.0, 900.0),
        PACES,
        st.sampled_from([0.0, 0.0, 0.0, 12.0, 45.0, 200.0, 1000.0, -50.0]),
    ),
    min_size=1,
    max_size=8,
)
CURRENT = {"rest": 0.1, "charge": 30.0, "drive": -40.0, "regen": 20.0, "lost": np.nan}
SPEED = {"rest": 0.0, "charge": 0.0, "drive": 15.0, "regen": 15.0, "lost": 0.0}


def kinds(recording: Recording) -> list[str]:
    return [trip.kind for trip in cut(recording)]


def build(phases: list[Phase], with_speed: bool) -> Recording:
    time: list[float] = []
    current: list[float] = []
    speed: list[float] = []
    now = 0.0
    for phase, seconds, pace, pause in phases:
        rows = min(400, max(1, int(seconds / pace)))
        time += [now + k * pace for k in range(rows)]
        now = time[-1] + pace + pause
        current += [CURRENT[phase]] * rows
        speed += [SPEED[phase]] * rows
    columns = {"time_s": time, "current_a": current, "voltage_v": [370.0] * len(time)}
    if with_speed:
        columns["speed_mps"] = speed
    table = pl.DataFrame(columns).fill_nan(None)
    return Recording(table=table, source="evitals", digest="d")


@settings(deadline=None, max_examples=50)
@given(PHASES, st.booleans())
def test_no_row_is_lost_and_none_doubled(phases: list[Phase], with_speed: bool) -> None:
    recording = build(phases, with_speed)
    trips = cut(recording)
    joined = pl.concat([t.table.with_columns(pl.col("time_s") + t.offset_s) for t in trips])
    assert_frame_equal(joined, recording.table, abs_tol=1e-9)
    assert [t.sequence for t in trips] == list(range(len(trips)))
    assert len({t.digest for t in trips}) == len(trips)
    assert not trips[0].continues


@settings(deadline=None, max_examples=50)
@given(PHASES, st.booleans())
def test_cutting_again_changes_nothing(phases: list[Phase], with_speed: bool) -> None:
    for trip in cut(build(phases, with_speed)):
        again = cut(Recording(table=trip.table, source="evitals", digest="d"))
        assert len(again) == 1
        assert again[0].kind == trip.kind
        assert_frame_equal(again[0].table, trip.table)


def test_drive_rest_charge(record: Make) -> None:
    recording = record(
        current_a=[-30.0] * 600 + [0.0] * 400 + [40.0] * 600,
        speed_mps=[15.0] * 600 + [0.0] * 1000,
    )
    trips = cut(recording)
    assert [(t.kind, t.table.height, t.continues) for t in trips] == [
        ("drive", 600, False),
        ("rest", 400, True),
        ("charge", 600, True),
    ]
    assert [t.offset_s for t in trips] == [0.0, 600.0, 1000.0]
    assert all(t.table["time_s"][0] == 0.0 for t in trips)


def test_a_short_stop_belongs_to_the_drive(record: Make) -> None:
    current = [-30.0] * 300 + [0.0] * 200 + [-30.0] * 300
    assert kinds(record(current_a=current, speed_mps=np.abs(current))) == ["drive"]


def test_braking_is_no_charge(record: Make) -> None:
    assert kinds(record(current_a=[30.0] * 500, speed_mps=[10.0] * 500)) == ["drive"]


def test_a_short_break_belongs_to_the_charge(record: Make) -> None:
    assert kinds(record(current_a=[30.0] * 300 + [-1.5] * 20 + [30.0] * 300)) == ["charge"]


def test_a_short_push_of_charge_belongs_to_the_drive(record: Make) -> None:
    assert kinds(record(current_a=[-30.0] * 300 + [30.0] * 60 + [-30.0] * 300)) == ["drive"]


@pytest.mark.parametrize("step", [0.1, 1.0, 10.0, 30.0, 60.0])
def test_no_pace_is_a_gap_but_a_hole_is(record: Make, step: float) -> None:
    time = np.arange(100, dtype=np.float64) * step
    assert len(gap_rows(time)) == 0
    time[50:] += max(20.0, 8 * step)
    assert gap_rows(time).tolist() == [50]
    trips = cut(record(time_s=time, current_a=[-30.0] * 100))
    assert [t.continues for t in trips] == [False, False]


def test_a_change_of_pace_is_no_gap() -> None:
    time = np.concatenate([np.arange(20) * 60.0, 1200.0 + np.arange(500) * 0.1])
    assert len(gap_rows(time)) == 0


def test_a_very_long_step_is_a_gap_at_any_pace() -> None:
    assert gap_rows(np.arange(5, dtype=np.float64) * (GAP_MAX_S + 1.0)).tolist() == [1, 2, 3, 4]


def test_time_that_restarts_splits(record: Make) -> None:
    time = [*range(5000, 5100), *range(100)]
    trips = cut(record(time_s=time, current_a=[-30.0] * 200))
    assert [(t.table.height, t.continues) for t in trips] == [(100, False), (100, False)]


def test_rest_current_follows_the_battery(record: Make, battery: Battery) -> None:
    table = record(current_a=[1.1] * 400).table
    assert rest_current_a(table, battery) == pytest.approx(1.2)
    assert rest_current_a(table, None) == 1.0
    assert rest_current_a(table.with_columns(voltage_v=pl.lit(3.7)), None) == 0.05
    assert cut(record(current_a=[1.1] * 400), battery)[0].kind == "rest"
    assert cut(record(current_a=[1.1] * 400))[0].kind == "charge"


def test_start_moves_with_the_stretch(record: Make) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    recording = record(current_a=[-30.0] * 600 + [0.0] * 400).with_(
        start=start, start_origin="file"
    )
    second = cut(recording)[1]
    assert second.start == start + timedelta(seconds=600)
    assert second.start_origin == "file"


def test_digest_depends_on_recording_part_and_place(record: Make) -> None:
    one = record(current_a=[-30.0] * 50)
    digests = {
        cut(one)[0].digest,
        cut(one.with_(part="2"))[0].digest,
        cut(one.with_(digest="e"))[0].digest,
    }
    assert len(digests) == 3


def test_findings_go_where_their_rows_are(record: Make) -> None:
    early = Finding("sentinel", "info", 1, (3,), "soc", "")
    whole = Finding("sign_flip", "error", 1000, (), "current_a", "")
    recording = record(current_a=[-30.0] * 600 + [0.0] * 400).with_(findings=(early, whole))
    first, second = cut(recording)
    assert first.findings == (early, whole)
    assert second.findings == (whole,)


def test_one_sample_is_one_trip(record: Make) -> None:
    assert kinds(record(current_a=[0.0])) == ["rest"]
    assert kinds(record(current_a=[-30.0])) == ["drive"]
