"""What is remembered, as plain data: no record knows a model or a service.

Times are whole seconds since 1970-01-01 UTC (``_s``). ``None`` is "unknown".
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Kind = Literal["drive", "charge", "rest", "test"]
Status = Literal["Healthy", "Monitor", "Priority Maintenance", "Unknown"]
FileState = Literal["stored", "duplicate", "held", "quarantined"]


class VehicleRecord(Struct, frozen=True, kw_only=True):
    """A vehicle as described; ``description`` is the JSON form of ``evitals.battery.Vehicle``,
    or None for one that only ``POST /predict`` has named."""

    vehicle_id: str
    battery_id: str
    description: dict[str, Any] | None
    described_s: int


class ModelRecord(Struct, frozen=True, kw_only=True):
    """What answered: name, version and the digest of tables, priors and rules it answered with."""

    name: str
    version: str
    digest: str


class TripRecord(Struct, frozen=True, kw_only=True):
    """The audit part of a prediction: what was measured, in features.

    ``features`` are the float32 values of ``evitals.features`` in order (NaN where missing).
    ``event_s`` is None where the event time is unknown: such a trip enters no estimate.
    """

    vehicle_id: str
    battery_id: str
    digest: str
    sequence: int
    kind: Kind
    event_s: int | None
    event_assumed: bool
    continues: bool
    duration_s: float
    source: str
    file_name: str
    findings: tuple[str, ...]
    features: bytes


class PredictionRecord(Struct, frozen=True, kw_only=True):
    """One answer about one battery after one trip."""

    vehicle_id: str
    battery_id: str
    trip_digest: str
    event_s: int | None
    scored_s: int
    kind: Kind
    soh: float | None
    soh_low: float | None
    soh_high: float | None
    capacity_bms_ah: float | None
    capacity_ocv_ah: float | None
    resistance_growth: float | None
    reference_sop_w: float | None
    risk_score: float | None
    status: Status
    evidence_count: int
    reasons: tuple[str, ...]
    model: ModelRecord


class LatestRecord(Struct, frozen=True, kw_only=True):
    """The newest answer of a vehicle, with its live state, for fleet views."""

    prediction: PredictionRecord
    rated_power_w: float | None
    reference_capacity_ah: float | None
    group: str
    soc: float | None
    temperature_degc: float | None
    live_sop: dict[str, Any] | None
    """Live SoP: {"discharge_10s": {"power_w": ..., "limit": "voltage"}, ...}."""


class FileRecord(Struct, frozen=True, kw_only=True):
    """A file or message that came in, and what became of it."""

    digest: str
    name: str
    state: FileState
    reason: str
    size_bytes: int
    received_s: int
    vehicle_id: str | None = None
    trips: int = 0


class BatteryState(Struct, frozen=True, kw_only=True):
    """An estimator's checkpoint for one battery: resume here when the next trip is newer."""

    vehicle_id: str
    battery_id: str
    last_event_s: int
    last_digest: str
    model_digest: str
    state: dict[str, Any]


class Answered(Struct, frozen=True, kw_only=True, eq=False):
    """Trips of one kind, each with its answer, as columns: what ``TripRecord``,
    ``PredictionRecord`` and ``LatestRecord`` say of one, for n of them. NaN is None.

    A vehicle's newest answer is the last row of its newest event.
    """

    kind: Kind
    source: str
    model: ModelRecord
    scored_s: int
    vehicle_ids: list[str]
    battery_ids: list[str]
    groups: list[str]
    digests: list[bytes]
    event_s: list[int]
    event_assumed: npt.NDArray[np.bool_]
    """Of such a row the digest is that of its arrival: it is new, and never looked up."""
    features: npt.NDArray[np.float32]
    """(n, features)."""
    duration_s: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    """(n, 8) in the order of ``evitals.fleet.codec.OPTIONAL``."""
    statuses: list[Status]
    reason_sets: list[tuple[str, ...]]
    reasons: npt.NDArray[np.int64]
    """Places in ``reason_sets``."""
    rated_power_w: npt.NDArray[np.float64]
    reference_capacity_ah: npt.NDArray[np.float64]
    temperature_degc: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.digests)

    def repeatable(self) -> list[bytes]:
        """Digests of rows that may be stored already."""
        assumed = self.event_assumed.tolist()
        return [d for d, new in zip(self.digests, assumed, strict=True) if not new]


class Batch(Struct, frozen=True, kw_only=True):
    """All that one ingest changes: committed whole or not at all."""

    files: tuple[FileRecord, ...] = ()
    vehicles: tuple[VehicleRecord, ...] = ()
    trips: tuple[TripRecord, ...] = ()
    predictions: tuple[PredictionRecord, ...] = ()
    answered: Answered | None = None
    latest: tuple[LatestRecord, ...] = ()
    states: tuple[BatteryState, ...] = ()


SortKey = Literal[
    "vehicle_id", "soh", "reference_sop_w", "risk_score", "status", "event_s", "evidence_count"
]


class FleetQuery(Struct, frozen=True, kw_only=True):
    """Which newest answers, in which order. Unknown values sort last either way.

    SoH lies in [``soh_from``, ``soh_to``); ``only`` leaves all other vehicles out.
    """

    sort: SortKey = "risk_score"
    descending: bool = True
    search: str = ""
    status: tuple[Status, ...] = ()
    group: str | None = None
    """Only this one; of no name: vehicles without a group."""
    soh_from: float | None = None
    soh_to: float | None = None
    only: frozenset[str] | None = None
    offset: int = 0
    limit: int = 50


class FleetPage(Struct, frozen=True, kw_only=True):
    """A page of newest answers and how many there are in all."""

    total: int
    rows: tuple[LatestRecord, ...]


class DailyRecord(Struct, frozen=True, kw_only=True):
    """One vehicle's day: first-in, last-out of its answers that day."""

    vehicle_id: str
    battery_id: str
    day: int
    """Days since 1970-01-01 UTC."""
    trips: int
    soh_mean: float | None
    soh_last: float | None
    risk_last: float | None


class PastFleet(Struct, frozen=True, kw_only=True):
    """The fleet as its vehicles' present batteries stood at the end of a day."""

    vehicles: int
    """Those that had an answer by then."""
    soh_mean: float | None
    attention: int
    """Those beyond the limits that were asked about."""


class TableSize(Struct, frozen=True, kw_only=True):
    """How much of the store one table and its indexes take."""

    table: str
    part: Literal["prediction", "audit", "other"]
    rows: int
    bytes: int
