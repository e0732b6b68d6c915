"""Some vehicles of a fleet, simulated and written: what one worker does at a time."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.features import FEATURES
from evitals.service import outputs, workers
from evitals.service.segments import stretches
from evitals.telemetry.trips import KINDS
from evitals.twin.fleet import Fleet, Truth
from evitals.twin.live import write_trip
from evitals.twin.recorder import TwinTrip

if TYPE_CHECKING:
    from evitals.service.simulate import Order

FILE_ROWS = 250_000
"""Samples in one Parquet file: what is held in memory of them."""
FAULTS = {"vehicle_id": pl.String, "kind": pl.String, "day": pl.Int32, "size": pl.Float64}


class Chunk(Struct, frozen=True):
    """Vehicles ``first`` up to, not including, ``stop``: part ``number`` of a fleet."""

    number: int
    first: int
    stop: int

    @property
    def size(self) -> int:
        """How many vehicles."""
        return self.stop - self.first

    def features(self, out: Path) -> Path:
        """Where its features lie; written last."""
        return out / "features" / f"part-{self.number:05d}.parquet"

    def truth(self, out: Path) -> Path:
        """Where its truth waits for that of the others."""
        return out / ".parts" / f"truth-{self.number:05d}.parquet"

    def faults(self, out: Path) -> Path:
        """Where its faults wait for those of the others."""
        return out / ".parts" / f"faults-{self.number:05d}.parquet"


def write_chunk(order: "Order", out: Path, chunk: Chunk) -> int:
    """Simulate the vehicles of a chunk and write their files, features last; rows written.

    Raises StoreError where a file cannot be written, and Stopped.
    """
    fleet = order.fleet()
    found = Features()
    truth: list[pl.DataFrame] = []
    faults: list[pl.DataFrame] = []
    kept_numbers = set(spread(order.vehicles, order.sample))
    for i in range(chunk.first, chunk.stop):
        vehicle = fleet.vehicle(i)
        description = msgspec.json.format(msgspec.json.encode(vehicle))
        outputs.save(out / "vehicles" / f"{vehicle.vehicle_id}.json", description)
        kept = Kept(out / "trips", order.format) if i in kept_numbers else None
        for number, trip in enumerate(fleet.trips(i)):
            workers.check()
            found.add(number, trip, vehicle.battery)
            if kept:
                kept.add(trip)
        if kept:
            kept.flush()
        truth.append(truth_table(vehicle.vehicle_id, fleet.truth(i)))
        faults.append(fault_table(vehicle.vehicle_id, fleet, i))
    outputs.save_table(chunk.truth(out), pl.concat(truth))
    outputs.save_table(chunk.faults(out), pl.concat(faults))
    outputs.save_table(chunk.features(out), found.table())
    return found.rows


def spread(vehicles: int, sample: int) -> list[int]:
    """``sample`` numbers out of ``vehicles``, evenly spread."""
    return [-(-k * vehicles // sample) for k in range(sample)]


class Features:
    """Rows of features as they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._ids: list[str] = []
        self._facts: list[NDArray[np.float64]] = []
        self._vectors: list[NDArray[np.float32]] = []

    def add(self, number: int, trip: TwinTrip, battery: Battery) -> None:
        """Cut a vehicle's recording ``number`` and extract."""
        pieces, vectors = stretches(trip, battery)
        facts = np.empty((len(pieces), 4))
        facts[:, 0] = number
        facts[:, 1] = 1000.0 * (trip.start_s + trip.columns["time_s"][pieces[:, 0]])
        facts[:, 2:] = pieces[:, 2:]
        self.rows += len(pieces)
        self._ids += [trip.vehicle_id] * len(pieces)
        self._facts.append(facts)
        self._vectors.append(vectors)

    def table(self) -> pl.DataFrame:
        """``vehicle_id, recording`` (its number), ``start`` (UTC), ``kind, continues`` and the
        features (float32, NaN where missing)."""
        facts = np.concatenate([np.empty((0, 4)), *self._facts])
        vectors = np.concatenate([np.empty((0, len(FEATURES)), dtype=np.float32), *self._vectors])
        start = pl.Series(np.rint(facts[:, 1]).astype(np.int64)).cast(pl.Datetime("ms", "UTC"))
        return pl.DataFrame(
            {
                "vehicle_id": pl.Series(self._ids, dtype=pl.String),
                "recording": pl.Series(facts[:, 0].astype(np.uint32)),
                "start": start,
                "kind": pl.Series([KINDS[int(k)] for k in facts[:, 2]], dtype=pl.Enum(KINDS)),
                "continues": pl.Series(facts[:, 3] > 0.0),
            }
            | {f.name: vectors[:, k] for k, f in enumerate(FEATURES)}
        )


class Kept:
    """Samples of one vehicle, in files of bounded size, in the product's own shape."""

    def __init__(self, folder: Path, form: str) -> None:
        self.folder, self.form = folder, form
        self._tables: list[pl.DataFrame] = []
        self._rows = self._files = 0

    def add(self, trip: TwinTrip) -> None:
        """Write a recording (CSV), or keep it until there are enough (Parquet)."""
        if self.form == "csv":
            try:
                write_trip(trip, self.folder)
            except OSError as error:
                raise outputs.refused(self.folder, error) from error
            return
        self._tables.append(samples([trip]))
        self._rows += self._tables[-1].height
        if self._rows >= FILE_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if not self._tables:
            return
        name = self._tables[0]["vehicle_id"][0]
        whole = pl.concat(self._tables)
        outputs.save_table(self.folder / f"{name}-{self._files:04d}.parquet", whole)
        self._tables, self._rows, self._files = [], 0, self._files + 1


def samples(trips: Sequence[TwinTrip]) -> pl.DataFrame:
    """Recordings as one table in the product's own shape: ``trip_id`` tells them apart."""
    return pl.concat([_sampled(trip) for trip in trips])


def _sampled(trip: TwinTrip) -> pl.DataFrame:
    start = datetime.fromtimestamp(trip.start_s, UTC)
    stamps = np.round(1000.0 * (trip.start_s + trip.columns["time_s"])).astype(np.int64)
    return pl.DataFrame(
        {
            "vehicle_id": pl.repeat(trip.vehicle_id, stamps.size, eager=True),
            "trip_id": pl.repeat(f"{start:%Y%m%dT%H%M%SZ}", stamps.size, eager=True),
            "timestamp": pl.Series(stamps).cast(pl.Datetime("ms", "UTC")),
        }
        | trip.columns
    )


def truth_table(vehicle_id: str, days: Sequence[Truth]) -> pl.DataFrame:
    """What is true of a vehicle, a row a day: the numbers of ``Truth``."""
    names = [field.name for field in fields(Truth) if field.name != "faults"]
    columns = {name: [getattr(day, name) for day in days] for name in names}
    table = pl.DataFrame({"vehicle_id": [vehicle_id] * len(days)} | columns)
    return table.with_columns(pl.col("day").cast(pl.Int32))


def fault_table(vehicle_id: str, fleet: Fleet, i: int) -> pl.DataFrame:
    """What breaks in a vehicle: ``kind, day`` (since 1970 UTC), ``size``."""
    faults = fleet.faults(i)
    return pl.DataFrame(
        {
            "vehicle_id": [vehicle_id] * len(faults),
            "kind": [fault.kind for fault in faults],
            "day": [fault.day for fault in faults],
            "size": [fault.size for fault in faults],
        },
        schema=FAULTS,
    )
