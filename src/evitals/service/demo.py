"""A show: the twin's fleet enters through the same door as a real one."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from evitals.service import outputs
from evitals.service.chunk import truth_table
from evitals.service.opened import opened
from evitals.service.vehicles import put_vehicle
from evitals.service.workers import mapped
from evitals.settings import Settings
from evitals.twin.fleet import DAY_S, Fleet
from evitals.twin.live import stream, write_trip

SIMULATORS = 2
MARKER = ".demo"
"""Lies in the home of a demo, so that only a demo is ever replaced by a demo."""


def fleet(vehicles: int, seed: int, days: int, lead_days: int, trips_per_day: float) -> Fleet:
    """A fleet whose history of ``days`` ended ``lead_days`` ago, at midnight UTC."""
    midnight = int(time.time()) // DAY_S * DAY_S
    until_s = midnight - lead_days * DAY_S
    return Fleet(vehicles, days, seed, trips_per_day=trips_per_day, until_s=until_s)


def history(fleet: Fleet, settings: Settings) -> Iterator[int]:
    """Describe and ingest the past of every vehicle; yields trips per vehicle as they are done.

    Other processes simulate the next vehicles meanwhile.
    """
    with opened(settings, "evitals demo") as pipeline, TemporaryDirectory() as scratch:
        (settings.home / MARKER).touch()
        live = partial(_live, fleet, Path(scratch))
        truth: dict[int, pl.DataFrame] = {}
        with closing(mapped(live, range(fleet.vehicles), SIMULATORS, "processes")) as lives:
            for i, (paths, true) in lives:
                put_vehicle(pipeline.store, fleet.vehicle(i), pipeline)
                pipeline.commit([pipeline.receive(path) for path in paths])
                truth[i] = true
                yield len(paths)
        outputs.save_table(
            settings.home / "truth.parquet", pl.concat(truth[i] for i in range(fleet.vehicles))
        )


def _live(fleet: Fleet, folder: Path, i: int) -> tuple[list[Path], pl.DataFrame]:
    """Simulate vehicle ``i``'s past into files; and what is true of it."""
    paths = [write_trip(trip, folder) for trip in fleet.trips(i)]
    return paths, truth_table(fleet.vehicle(i).vehicle_id, fleet.truth(i))


def feed(fleet: Fleet, home: Path, speedup: float) -> None:
    """Drop what the vehicles record after their history into ``incoming/``, until killed."""
    for trip in stream(fleet, speedup):
        write_trip(trip, home / "incoming")
