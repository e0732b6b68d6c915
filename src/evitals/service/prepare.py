"""From a recording to trips in features: what the checks saw, the cuts, the records to keep."""

import logging
import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.battery import Vehicle
from evitals.features import extract, pack
from evitals.fleet.records import TripRecord
from evitals.service.digest import trip_digest
from evitals.service.home import safe_name
from evitals.service.samples import Samples
from evitals.telemetry import Finding, Recording, Trip, doctor

log = logging.getLogger(__name__)

EARLIEST_S = 631_152_000
"""1990-01-01: an event time before it is a broken clock."""
LATEST_S = 4_102_444_800
"""2100-01-01: an event time after it is a broken clock."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording of a known vehicle, checked, cut, and in features. Nothing is stored yet."""

    recording: Recording
    """Without its samples: they are not kept."""
    rows: int
    vehicle: Vehicle
    trips: tuple[TripRecord, ...]


def prepare(recording: Recording, vehicle: Vehicle, samples: Samples | None = None) -> Prepared:
    """Check, cut and extract. ``vehicle`` carries the battery the recording is of; the samples of
    its trips are kept in ``samples``, where given."""
    recording, trips = doctor.checked_trips(recording, vehicle.battery)
    kept = tuple(_record(recording, vehicle, trip) for trip in trips)
    if samples is not None:
        for record, trip in zip(kept, trips, strict=True):
            _keep(samples, record.digest, trip)
    bare = recording.with_(table=recording.table.clear())
    return Prepared(bare, recording.table.height, vehicle, kept)


def _keep(samples: Samples, digest: str, trip: Trip) -> None:
    """A trip counts without its samples too: a disk that refuses them must not stop it."""
    try:
        samples.keep(digest, trip.table)
    except (OSError, pl.exceptions.PolarsError) as error:
        log.warning("the samples of trip %s are not kept: %s", digest, error)


def columns(table: pl.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """A table's signals as float64 arrays, NaN where missing (which is how polars writes null)."""
    return {
        column.name: (column if column.dtype == pl.Float64 else column.cast(pl.Float64)).to_numpy()
        for column in table
    }


def event_seconds(start: datetime | None) -> int | None:
    """Event time in whole seconds since 1970 UTC; None where unknown or no clock can mean it."""
    if start is None:
        return None
    seconds = math.floor(start.timestamp())
    return seconds if EARLIEST_S <= seconds < LATEST_S else None


def _record(recording: Recording, vehicle: Vehicle, trip: Trip) -> TripRecord:
    """The trip as it is remembered. Its digest says which vehicle's it is: the same samples sent
    under the wrong vehicle first can still be sent under the right one."""
    return TripRecord(
        vehicle_id=vehicle.vehicle_id,
        battery_id=vehicle.battery_id,
        digest=trip_digest(vehicle.vehicle_id, trip.digest),
        sequence=trip.sequence,
        kind=trip.kind,
        event_s=event_seconds(trip.start),
        event_assumed=trip.start_origin == "vehicle_default",
        continues=trip.continues,
        duration_s=round(trip.duration_s, 1),
        source=recording.source,
        file_name=safe_name(recording.name),
        findings=tuple(sorted({f.code for f in trip.findings if _matters(f)})),
        features=pack(extract(columns(trip.table), vehicle.battery)),
    )


def _matters(finding: Finding) -> bool:
    """Whether an estimator should know: doubts, and why charge or SoC are missing in places."""
    return finding.severity != "info" or (
        finding.code == "sentinel" and finding.signal in ("current_a", "voltage_v", "soc")
    )
