"""What the live page, the trips and the soak are judged by."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims.page import ages
from benchmarks.made_up import batch_of, fill, latest_record
from benchmarks.requests import bodies
from benchmarks.soak import _growth
from benchmarks.trips import trip_csv, vehicle_named
from benchmarks.viewers import note
from evitals.dashboard.feed import Feed
from evitals.features import INDEX
from evitals.fleet.open import open_store
from evitals.service.predict import parse_predict
from evitals.service.prepare import prepare
from evitals.telemetry import read

COMMITS = {n: (10.0 + n, 1000.0 + n) for n in range(1, 9)}


def test_a_round_is_seen_when_it_or_a_later_one_is() -> None:
    assert ages({3: 13.1, 4: 14.5, 7: 17.25}, COMMITS) == pytest.approx([0.5, 2.25, 1.25, 0.25])


def test_the_first_view_tells_no_age_and_clocks_do_not_mix() -> None:
    assert ages({1: 1001.0, 2: 1002.5}, COMMITS, 1) == pytest.approx([0.5])
    with pytest.raises(AssertionError, match="nothing changed"):
        ages({5: 15.0}, COMMITS)


def test_viewers_see_the_round_of_a_delta_and_not_of_a_snapshot(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    seen: dict[int, float] = {}
    store = open_store(tmp_path)
    feed = Feed(store)
    feed.delta()
    note(feed.snapshot()[1], seen)
    assert seen == {}
    store.submit(batch_of([latest_record(n, 7) for n in range(5)])).result()
    store.close()
    note(feed.delta(), seen)
    assert list(seen) == [7]
    assert len(feed) == 50


@given(st.integers(0, 200_000), st.integers(0, 10_000))
def test_made_up_answers_are_possible(number: int, round_: int) -> None:
    record = latest_record(number, round_).prediction
    assert record.soh is not None
    assert 0.6 < record.soh < 1.0
    assert record != latest_record(number, round_ + 1).prediction


def test_trips_differ_and_give_the_distance_of_udds() -> None:
    first, second = trip_csv(1), trip_csv(2)
    assert first != second
    assert trip_csv(1) == first
    table = pl.read_csv(io.BytesIO(first))
    assert table.height == 1370
    vehicle = vehicle_named("car-0001")
    (recording,) = read(first, name="car-0001_1.csv", vehicle=vehicle).recordings
    assert recording.source == "reference_trip"
    assert recording.start is not None
    (trip,) = prepare(recording, vehicle).trips
    assert trip.kind == "drive"
    assert INDEX["distance_km"] >= 0
    assert np.trapezoid(table["speed_mps"], table["time_s"]) / 1000.0 == pytest.approx(
        12.0, abs=0.1
    )


def test_requests_are_accepted_as_they_are() -> None:
    made = bodies(50)
    parsed = [parse_predict(body) for body in made]
    assert all(ignored == () for _, ignored in parsed)
    assert len({request.vehicle_id for request, _ in parsed}) == 50


def test_growth_compares_the_ends_after_the_caches_have_filled() -> None:
    filling = [(float(k), 100.0 + 10.0 * k, 10) for k in range(30)]
    flat = [(float(k), 400.0, 20) for k in range(70)]
    assert _growth(filling + flat) == (0.0, 0)
    leaking = [(float(k), 400.0 + k, 20 + k) for k in range(70)]
    memory, files = _growth(filling + leaking)
    assert memory > 20.0
    assert files > 20
