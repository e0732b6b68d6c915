"""A show: the twin's fleet enters through the same door as a real one."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
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
    """Describe and ingest the past of every vehicle; yields trips per vehicle as they are done.

    A second process simulates the next vehicles meanwhile.
    """
    with (
        opened(settings, "evitals demo") as pipeline,
        TemporaryDirectory() as scratch,
        ProcessPoolExecutor(1, get_context("spawn"), _deaf) as simulator,
    ):
        (settings.home / MARKER).touch()
        lives = simulator.map(partial(_live, fleet, Path(scratch)), range(fleet.vehicles))
        try:
            for i, paths in enumerate(lives):
                put_vehicle(pipeline.store, fleet.vehicle(i), pipeline)
                pipeline.commit([pipeline.receive(path) for path in paths])
                yield len(paths)
        finally:
            simulator.shutdown(cancel_futures=True)
        write_truth(fleet, settings.home / "truth.parquet")


def _deaf() -> None:
    """Ctrl-C is for the process that shows the demo; it stops this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _live(fleet: Fleet, folder: Path, i: int) -> list[Path]:
    """Simulate vehicle ``i``'s past into files."""
    return [write_trip(trip, folder) for trip in fleet.trips(i)]


def feed(fleet: Fleet, home: Path, speedup: float) -> None:
    """Drop what the vehicles record after their history into ``incoming/``, until killed."""
    for trip in stream(fleet, speedup):
        write_trip(trip, home / "incoming")
