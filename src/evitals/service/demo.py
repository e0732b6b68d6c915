"""A show: the fleet that ``evitals twin fleet`` writes enters by the door of a real one."""

import time
from collections.abc import Iterator
from pathlib import Path

from evitals.battery import load_vehicle
from evitals.service.home import Home
from evitals.service.opened import opened
from evitals.service.simulate import Order, simulate
from evitals.service.vehicles import put_vehicle
from evitals.settings import Settings
from evitals.twin.fleet import DAY_S
from evitals.twin.live import stream, write_trip

SIMULATORS = 2
FAULTS = 2.5
"""A vehicle and year: a few in a month of two dozen vehicles."""
FLEET = "twin"
"""Folder in the home that holds the simulated fleet, its truth and its faults."""
MARKER = ".demo"
"""Lies in the home of a demo, so that only a demo is ever replaced by a demo."""


def order(vehicles: int, seed: int, days: int, lead_days: int, trips_per_day: float) -> Order:
    """A fleet whose history of ``days`` ended ``lead_days`` ago, at midnight UTC."""
    midnight = int(time.time()) // DAY_S * DAY_S
    return Order(
        vehicles=vehicles,
        days=days,
        seed=seed,
        trips_per_day=trips_per_day,
        faults=FAULTS,
        until_s=midnight - lead_days * DAY_S,
        format="parquet",
        sample=vehicles,
    )


def history(order: Order, settings: Settings) -> Iterator[int]:
    """Simulate the past of every vehicle, describe and ingest it; yields each one's recordings."""
    folder = settings.home / FLEET
    Home(settings.home).create()
    (settings.home / MARKER).touch()
    simulate(order, folder, workers=SIMULATORS)
    with opened(settings, "evitals demo") as pipeline:
        for description in sorted((folder / "vehicles").iterdir()):
            put_vehicle(pipeline.store, load_vehicle(description), pipeline)
            paths = sorted((folder / "trips").glob(f"{description.stem}-*.parquet"))
            received = [pipeline.receive(path) for path in paths]
            pipeline.commit(received)
            yield sum(len(file.reading.recordings) for file in received)


def feed(order: Order, home: Path, speedup: float) -> None:
    """Drop what the vehicles record after their history into ``incoming/``, until killed."""
    for trip in stream(order.fleet(), speedup):
        write_trip(trip, home / "incoming")
