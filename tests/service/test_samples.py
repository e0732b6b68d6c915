"""Samples beside the store, and what a window of them shows."""

import os
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.service.envelope import Floats, envelope
from evitals.service.samples import ORPHAN_S, Samples

DIGEST = "ab" * 16


def table(rows: int = 5) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time_s": np.arange(float(rows)),
            "voltage_v": pl.Series([350.0] * (rows - 1) + [None]),
            "current_a": np.linspace(-5, 5, rows),
            "note": ["x"] * rows,
        }
    )


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path)


def test_what_is_kept_is_read_again(samples: Samples) -> None:
    samples.keep(DIGEST, table())
    found = samples.read(DIGEST)
    assert found is not None
    assert found.columns == ["time_s", "voltage_v", "current_a"]
    assert found["voltage_v"].to_list() == [350.0] * 4 + [None]
    assert samples.path(DIGEST).parent.name == "ab"


def test_samples_are_never_changed(samples: Samples) -> None:
    samples.keep(DIGEST, table(5))
    samples.keep(DIGEST, table(9))
    found = samples.read(DIGEST)
    assert found is not None
    assert found.height == 5


def test_absent_and_damaged_samples_are_missing(samples: Samples) -> None:
    assert samples.read(DIGEST) is None
    samples.keep(DIGEST, table())
    samples.path(DIGEST).write_bytes(b"PAR1 half written")
    assert samples.read(DIGEST) is None


def test_a_sweep_takes_old_orphans_only(samples: Samples) -> None:
    young, gone, stored = "11" * 16, "22" * 16, "33" * 16
    for digest in (young, gone, stored):
        samples.keep(digest, table())
    part = samples.path(gone).with_name(".part")
    part.touch()
    old = time.time() - ORPHAN_S - 10
    for path in (samples.path(gone), samples.path(stored), part):
        os.utime(path, (old, old))
    assert samples.sweep(lambda digests: {stored} & set(digests)) == 2
    assert samples.read(young) is not None
    assert samples.read(gone) is None
    assert samples.read(stored) is not None
    assert not part.exists()


def test_a_sweep_of_nothing_is_nothing(samples: Samples) -> None:
    assert samples.sweep(lambda digests: set()) == 0


value = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(st.floats(0, 1e4), value), min_size=1, max_size=300), st.integers(1, 50))
def test_no_peak_is_lost(rows: list[tuple[float, float]], points: int) -> None:
    at = np.array([row[0] for row in rows])
    values = np.array([row[1] for row in rows])
    one = np.zeros(len(rows), dtype=np.int64)
    found = envelope(at, {"v": values}, {"v": values}, one, 0.0, 1e4, points)
    assert len(found.time_s) <= max(points, 1) or len(rows) <= points
    assert np.all(np.diff(found.time_s) >= 0)
    assert np.nanmin(found.low["v"]) == values.min()
    assert np.nanmax(found.high["v"]) == values.max()
    assert np.all(found.low["v"] <= found.high["v"])


def ramp(n: int) -> tuple[Floats, dict[str, Floats]]:
    at = np.arange(float(n))
    return at, {"v": at * 2.0}


def test_a_window_shows_its_own_samples_as_they_are() -> None:
    at, values = ramp(100)
    found = envelope(at, values, values, np.zeros(100, dtype=np.int64), 10.0, 19.0, 50)
    assert found.time_s.tolist() == list(range(10, 20))
    assert found.low["v"].tolist() == found.high["v"].tolist() == [2.0 * t for t in range(10, 20)]


def test_trips_apart_are_not_joined() -> None:
    at, values = ramp(4)
    found = envelope(at, values, values, np.array([1, 1, 2, 2]), 0.0, 10.0, 50)
    assert found.time_s.tolist() == [0.0, 1.0, 1.5, 2.0, 3.0]
    assert np.isnan(found.low["v"]).tolist() == [False, False, True, False, False]


def test_missing_values_stay_missing() -> None:
    at, _ = ramp(4)
    values = {"v": np.array([np.nan, np.nan, 3.0, np.nan])}
    found = envelope(at, values, values, np.zeros(4, dtype=np.int64), 0.0, 4.0, 2)
    assert np.isnan(found.low["v"][0])
    assert found.low["v"][1] == 3.0


def test_a_window_without_samples_is_empty() -> None:
    at, values = ramp(4)
    found = envelope(at, values, values, np.zeros(4, dtype=np.int64), 100.0, 200.0, 50)
    assert found.time_s.size == found.low["v"].size == 0
