"""Evidence that is followed for the page is the evidence that the answers were made of."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from evitals.battery import describe
from evitals.cells.chemistry import chemistry
from evitals.estimators.assessor import Assessor
from evitals.fleet.open import open_store
from evitals.fleet.records import TripRecord
from evitals.service.fold import segment
from evitals.service.followed import Followed
from evitals.service.pipeline import Pipeline
from evitals.service.schemas import evidence_point
from evitals.settings import Settings

from .made_up import csv, drive

ID = "bmw-i3-60ah"
BATTERY = describe(ID).battery
CAPACITY_AH = 54.0
PARTS = ((5400.0, 0.0), (2400.0, -50.0), (5400.0, 0.0), (3600.0, 30.0), (5400.0, 0.0))
"""Seconds and current of a recording: rest, drive, rest, charge, rest."""


def long_recording(day: int) -> pl.DataFrame:
    """A recording with rests long enough to anchor the OCV, every 10 s."""
    current = np.concatenate([np.full(int(seconds / 10), amps) for seconds, amps in PARTS])
    time = 10.0 * np.arange(len(current))
    soc = 0.75 + np.cumsum(current) * 10.0 / 3600.0 / CAPACITY_AH
    volts = BATTERY.series * (chemistry(BATTERY.chemistry).ocv(soc) + 0.0009 * current)
    start = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=day)
    return pl.DataFrame(
        {
            "timestamp": [(start + timedelta(seconds=t)).isoformat() for t in time],
            "time_s": time,
            "current_a": current,
            "voltage_v": volts.round(2),
            "soc": soc.round(3),
            "temperature_degc": np.full(len(time), 22.0),
            "speed_mps": np.where(current < 0.0, 14.0, 0.0),
        }
    )


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> list[TripRecord]:
    """Drives, charges and rests as the store holds them, some measuring, some refused."""
    home = tmp_path_factory.mktemp("home")
    with closing(open_store(home)) as store:
        pipeline = Pipeline(store, Settings(home=home))
        for day in range(4):
            pipeline.ingest_bytes(csv(long_recording(day)), f"{day}.csv", vehicle_id=ID)
            short = csv(drive(day + 0.6, minutes=3))
            pipeline.ingest_bytes(short, f"{day}b.csv", vehicle_id=ID)
        stored: list[TripRecord] = store.trips(ID, "1")
        return stored


def test_followed_evidence_is_the_assessors(trips: list[TripRecord]) -> None:
    machine = Assessor(BATTERY)
    machine.reset()
    expected = [
        evidence_point(evidence)
        for trip in trips
        for evidence in machine.step(segment(trip)).evidence
    ]
    methods = {(point.method, point.refused == "") for point in expected}
    assert methods >= {(m, ok) for m in ("bms_soc", "ocv") for ok in (True, False)}
    assert Followed(BATTERY).follow(trips) == expected


@pytest.mark.parametrize("at", [1, 5, 9])
def test_trips_followed_in_two_goes_are_those_followed_in_one(
    trips: list[TripRecord], at: int
) -> None:
    followed = Followed(BATTERY)
    first = followed.follow(trips[:at])
    assert followed.leads_to(BATTERY, trips)
    assert not followed.leads_to(BATTERY, trips[1:])
    whole = followed.follow(trips)
    assert whole[: len(first)] == first
    assert whole == Followed(BATTERY).follow(trips)
