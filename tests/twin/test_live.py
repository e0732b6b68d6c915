"""Files of the twin: the product's own shape, whole or not at all, truth apart."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from evitals.errors import InputError
from evitals.twin import live
from evitals.twin.fleet import Fleet


def test_a_trip_file_holds_signals_vehicle_and_time_and_no_truth(tmp_path: Path) -> None:
    trip = next(Fleet(vehicles=1, days=3, seed=4).trips(0))
    path = live.write_trip(trip, tmp_path / "incoming")
    table = pl.read_csv(path, try_parse_dates=True)
    assert set(table.columns) == {*trip.columns, "vehicle_id", "timestamp"}
    assert table["vehicle_id"].unique().to_list() == ["sim4-0000"]
    assert table["timestamp"][0] == datetime.fromtimestamp(trip.start_s, UTC)
    seconds = (table["timestamp"] - table["timestamp"][0]).dt.total_seconds()
    assert seconds.to_list() == trip.columns["time_s"].tolist()
    assert table["voltage_v"].to_list() == trip.columns["voltage_v"].tolist()
    assert [p.name for p in (tmp_path / "incoming").iterdir()] == [path.name]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trip = next(Fleet(vehicles=1, days=3, seed=4).trips(0))

    def full(self: pl.DataFrame, path: Path) -> None:
        path.write_text("half a li")
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(OSError, match="disk full"):
        live.write_trip(trip, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_stream_goes_on_after_the_history_in_order_at_the_stated_pace() -> None:
    fleet = Fleet(vehicles=3, days=2, seed=9)
    waited: list[float] = []
    trips = list(itertools.islice(live.stream(fleet, 3600.0, waited.append), 12))
    ends = [t.start_s + t.duration_s for t in trips]
    assert ends == sorted(ends)
    assert ends[0] > fleet.until_s
    assert {t.vehicle_id for t in trips} == {"sim9-0000", "sim9-0001", "sim9-0002"}
    assert sum(waited) == pytest.approx((ends[-1] - fleet.until_s) / 3600.0)


def test_a_stream_without_pace_is_refused() -> None:
    with pytest.raises(InputError, match="speedup"):
        next(live.stream(Fleet(vehicles=1, days=1, seed=1), 0.0))
