"""A show: the twin's fleet enters through the same door as a real one."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from evitals.service.opened import opened
from evitals.service.vehicles import put_vehicle
from evitals.settings import Settings
from evitals.twin.fleet import DAY_S, Fleet
from evitals.twin.live import stream, write_trip, write_truth

MARKER = ".demo"
"""Lies in the home of a demo, so that only a demo is ever replaced by a demo."""


def fleet(vehicles: int, seed: int, days: int, lead_days: int, trips_per_day: float) -> Fleet:
    """A fleet whose history of ``days`` ended ``lead_days`` ago, at midnight UTC."""
    midnight = int(time.time()) // DAY_S * DAY_S
    until_s = midnight - lead_days * DAY_S
    return Fleet(vehicles, days, seed, trips_per_day=trips_per_day, until_s=until_s)


def history(fleet: Fleet, settings: Settings) -> Iterator[int]:
    """Describe and ingest the past of every vehicle; yields trips per vehicle as they are done."""
    with opened(settings, "evitals demo") as pipeline, TemporaryDirectory() as scratch:
        (settings.home / MARKER).touch()
        for i in range(fleet.vehicles):
            put_vehicle(pipeline.store, fleet.vehicle(i), pipeline)
            paths = [write_trip(trip, Path(scratch)) for trip in fleet.trips(i)]
            pipeline.commit([pipeline.receive(path) for path in paths])
            for path in paths:
                path.unlink()
            yield len(paths)
        write_truth(fleet, settings.home / "truth.parquet")


def feed(fleet: Fleet, home: Path, speedup: float) -> None:
    """Drop what the vehicles record after their history into ``incoming/``, until killed."""
    for trip in stream(fleet, speedup):
        write_trip(trip, home / "incoming")
