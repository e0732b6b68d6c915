"""From a file dropped into ``incoming/`` to its prediction committed.

The reference's watcher looks every 10 s, reads with pandas and posts to its API; ours runs as
``evitals serve``. Files are renamed into the folder one after the other, at uneven times.
"""

import random
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import processes
from benchmarks.processes import Server
from benchmarks.result import Bar, Row, Scale
from benchmarks.trips import vehicle_named, write_trips
from evitals.battery import dump_vehicle
from evitals.fleet.open import FILE_NAME

NAME = "file_drop"
POLL_S = 0.002
PATIENCE_S = 60.0
VEHICLES = 20
OURS = "SELECT count(*) FROM predictions"
THEIRS = "SELECT count(*) FROM health_records"


def describe_vehicles(server: Server, count: int) -> None:
    """PUT ``count`` vehicles, car-0000 onwards."""
    for number in range(count):
        vehicle = vehicle_named(f"car-{number:04d}")
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/v1/vehicles/{vehicle.vehicle_id}",
            data=msgspec.json.encode(dump_vehicle(vehicle)),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request) as reply:
            reply.read()


def counter(database: Path, text: str) -> Callable[[], int]:
    """A function that counts committed rows, and 0 while there is no database."""

    def count() -> int:
        if not database.is_file():
            return 0
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
            return int(store.execute(text).fetchone()[0])

    return count


def drop(path: Path, incoming: Path) -> None:
    """Put a file into a folder as a careful sender does: written aside, then renamed."""
    half = incoming / f".{path.name}"
    half.write_bytes(path.read_bytes())
    half.rename(incoming / path.name)


def one_by_one(
    paths: list[Path], incoming: Path, count: Callable[[], int], pause_s: float
) -> list[float]:
    """Seconds from the rename to one more row, file after file with uneven pauses."""
    rng = random.Random(3)
    waits = []
    for path in paths:
        time.sleep(rng.uniform(0.2, 1.8) * pause_s)
        before = count()
        drop(path, incoming)
        start = time.monotonic()
        while count() == before:
            if time.monotonic() - start > PATIENCE_S:
                raise TimeoutError(f"{path.name} was not answered")
            time.sleep(POLL_S)
        waits.append(time.monotonic() - start)
    return waits


def measure(scale: Scale) -> list[Row]:
    """p95 of each run's files; the reference polls, so few of its files show its distribution."""
    per_run = scale.pick(40, 10)
    paths = write_trips(scale.folder / "made", (scale.runs + 1) * per_run, VEHICLES)
    waits = []
    home = scale.folder / "home"
    with processes.evitals(home) as server:
        describe_vehicles(server, VEHICLES)
        count = counter(home / FILE_NAME, OURS)
        one_by_one(paths[:5], home / "incoming", count, 0.05)
        for run in range(1, scale.runs + 1):
            part = paths[run * per_run : (run + 1) * per_run]
            waits.append(one_by_one(part, home / "incoming", count, 0.05))
    theirs = _reference(scale, paths[: scale.pick(10, 5)])
    p95 = [float(np.quantile(run, 0.95)) for run in waits]
    every = np.concatenate(waits)
    return [
        Row(
            claim=NAME,
            quantity=f"p95 from drop to committed prediction, {every.size} files",
            unit="s",
            ours=p95,
            reference=theirs,
            other="reference, single files",
            bar=Bar(of="value", bound=0.2),
            note=f"all files: median {np.median(every):.3f} s, p95 {np.quantile(every, 0.95):.3f} "
            f"s, longest {every.max():.3f} s; 1,370 rows each",
        )
    ]


def _reference(scale: Scale, paths: list[Path]) -> list[float]:
    """Seconds the reference's watcher takes for single files dropped at uneven times."""
    folder = scale.folder / "reference"
    incoming = folder / "incoming"
    incoming.mkdir(parents=True)
    with processes.reference(folder) as api:
        command = [sys.executable, "-m", "benchmarks.reference.watcher", str(folder), str(api.port)]
        watcher = subprocess.Popen(command, cwd=processes.ROOT)
        try:
            count = counter(folder / "fleet.db", THEIRS)
            return one_by_one(paths, incoming, count, 3.0)
        finally:
            watcher.kill()
            watcher.wait()
