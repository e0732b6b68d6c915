"""A fleet that reports while you watch: trips as files, in the product's own CSV shape."""

import heapq
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from evitals.errors import InputError
from evitals.twin.fleet import Fleet
from evitals.twin.recorder import TwinTrip


def stream(
    fleet: Fleet, speedup: float, pause: Callable[[float], None] = time.sleep
) -> Iterator[TwinTrip]:
    """Endlessly the trips after ``fleet.until_s``, all vehicles in order of their end.

    Waits the time between ends divided by ``speedup``. Event times are the fleet's own: choose
    ``until_s`` so far back that the show does not overtake the clock. Raises InputError.
    """
    if not speedup > 0.0:
        raise InputError("speedup", speedup, "is not above 0", "give 1 for real time or more")
    clock = float(fleet.until_s)
    lives = [fleet.later(i) for i in range(fleet.vehicles)]
    for trip in heapq.merge(*lives, key=_end_s):
        pause(max(_end_s(trip) - clock, 0.0) / speedup)
        clock = max(clock, _end_s(trip))
        yield trip


def _end_s(trip: TwinTrip) -> float:
    return trip.start_s + trip.duration_s


def table(trip: TwinTrip) -> pl.DataFrame:
    """A trip as telemetry: its signals, ``vehicle_id`` and ``timestamp`` (ISO 8601, UTC)."""
    start = datetime.fromtimestamp(trip.start_s, UTC)
    micros = np.round(trip.columns["time_s"] * 1e6).astype("timedelta64[us]")
    stamps = np.datetime64(start.replace(tzinfo=None), "us") + micros
    return pl.DataFrame(trip.columns).with_columns(
        pl.lit(trip.vehicle_id).alias("vehicle_id"),
        pl.Series("timestamp", stamps).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def write_table(frame: pl.DataFrame, path: Path) -> Path:
    """Write a table as CSV or Parquet, by the file's ending, whole or not at all.

    Raises InputError for another ending and where the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise InputError("out", path.name, "has no known ending", "use .csv or .parquet")
    half = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".csv":
            frame.write_csv(half)
        else:
            frame.write_parquet(half)
        half.replace(path)
    except OSError as error:
        raise InputError(
            "out", str(path), f"cannot be written: {error}", "choose another"
        ) from None
    finally:
        half.unlink(missing_ok=True)
    return path


def write_trip(trip: TwinTrip, folder: Path) -> Path:
    """Write a trip as CSV into a folder, whole or not at all (dot-file, then rename).

    The name is the vehicle and the start; hidden truth is not written. Returns the path.
    """
    start = datetime.fromtimestamp(trip.start_s, UTC)
    path = folder / f"{trip.vehicle_id}_{start:%Y%m%dT%H%M%SZ}.csv"
    half = folder / f".{path.name}.part"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        table(trip).write_csv(half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path
