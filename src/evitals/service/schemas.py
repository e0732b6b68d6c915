"""Bodies of requests and replies: types with bounds, from which the OpenAPI schema derives."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from evitals.battery import Identifier
from evitals.estimators.answer import Evidence, Method, Status
from evitals.estimators.estimate import Validity
from evitals.fleet.records import FileState, Kind
from evitals.service.report import FileReport

Seconds = Annotated[float, Meta(ge=0.0, le=1e7)]
Current = Annotated[float, Meta(ge=-3000.0, le=3000.0)]
Voltage = Annotated[float, Meta(ge=0.0, le=1500.0)]
Celsius = Annotated[float, Meta(ge=-60.0, le=100.0)]
Amount = Annotated[float, Meta(ge=1e-6, le=1e9)]
"""What is divided by: it must not become 0 when it is rounded to float32."""


class PredictRequest(Struct, frozen=True, kw_only=True):
    """One constant-current discharge of one cell, by the reference's names.

    ``dod`` is in percent of the cell's capacity. ``discharge_time_s`` and ``avg_current`` are
    needed; what else is missing stays missing. ``reference_capacity_ah`` and ``rated_power_w``
    fall back to the vehicle's description, where there is one.
    """

    vehicle_id: Identifier
    discharge_time_s: Annotated[float, Meta(ge=1e-6, le=1e7)]
    avg_current: Current
    voltage_drop_time_s: Seconds | None = None
    delta_T_C: Annotated[float, Meta(ge=-160.0, le=160.0)] | None = None  # noqa: N815 - the reference's name
    avg_voltage: Voltage | None = None
    current_std: Annotated[float, Meta(ge=0.0, le=3000.0)] | None = None
    voltage_std: Annotated[float, Meta(ge=0.0, le=1500.0)] | None = None
    mean_max_temp: Celsius | None = None
    dod: Annotated[float, Meta(ge=1e-6, le=100.0)] | None = None
    voltage_V_mean: Voltage | None = None  # noqa: N815 - the reference's name
    current_A_mean: Current | None = None  # noqa: N815 - the reference's name
    temperature_C_mean: Celsius | None = None  # noqa: N815 - the reference's name
    temperature_C_max: Celsius | None = None  # noqa: N815 - the reference's name
    reference_capacity_ah: Amount | None = None
    rated_power_w: Amount | None = None
    event_time: Annotated[datetime, Meta(tz=True)] | None = None


class Interval(Struct, frozen=True):
    """A 90 % interval."""

    low: float
    high: float


class Model(Struct, frozen=True):
    """What answered: the digest is that of its constants, tables and rules."""

    name: str
    version: str
    digest: str


class PredictReply(Struct, frozen=True, kw_only=True):
    """The reference's five fields made right, and how sure they are.

    ``predicted_soh`` is a fraction of ``reference_capacity_ah``; ``predicted_sop`` is the 10 s
    discharge power at SoC 0.5 and 25 degC, W; ``health_score`` is lower for a better battery.
    """

    vehicle_id: str
    predicted_soh: float | None
    predicted_sop: float | None
    health_score: float | None
    status: Status
    interval: Interval | None
    """Of ``predicted_soh``."""
    sop_interval: Interval | None
    validity: Validity
    reasons: tuple[str, ...]
    ignored: tuple[str, ...]
    capacity_ah: float
    reference_capacity_ah: float
    model: Model
    event_time: datetime
    trip_digest: str


class FleetRow(Struct, frozen=True, kw_only=True):
    """A vehicle's newest answer. None is "unknown"."""

    vehicle_id: str
    battery_id: str
    group: str
    status: Status
    soh: float | None
    soh_low: float | None
    soh_high: float | None
    risk_score: float | None
    reference_sop_w: float | None
    rated_power_w: float | None
    reference_capacity_ah: float | None
    capacity_bms_ah: float | None
    capacity_ocv_ah: float | None
    resistance_growth: float | None
    evidence_count: int
    soc: float | None
    temperature_degc: float | None
    event_time: datetime | None
    scored_time: datetime
    reasons: tuple[str, ...]


class FleetSummary(Struct, frozen=True, kw_only=True):
    """The fleet in a few numbers. ``attention`` counts Monitor and Priority Maintenance."""

    vehicles: int
    soh_mean: float | None
    soh_median: float | None
    attention: int
    by_status: dict[str, int]


class FleetReply(Struct, frozen=True, kw_only=True):
    """A page of the fleet: ``total`` counts the rows that match, ``summary`` is of all."""

    summary: FleetSummary
    total: int
    rows: list[FleetRow]


class VehicleReply(Struct, frozen=True, kw_only=True):
    """A vehicle as described (``description`` is null where only ``/predict`` named it).

    ``described_time`` is null for a built-in description that nobody has stored.
    """

    vehicle_id: str
    battery_id: str
    described_time: datetime | None
    description: dict[str, Any] | None
    latest: FleetRow | None = None
    live_sop: dict[str, Any] | None = None


class VehiclesReply(Struct, frozen=True, kw_only=True):
    """A page of vehicles."""

    total: int
    vehicles: list[VehicleReply]


class PutReply(Struct, frozen=True, kw_only=True):
    """A description as stored, and what became of files that waited for it."""

    vehicle: VehicleReply
    released: list[FileReport]


class TrendPoint(Struct, frozen=True, kw_only=True):
    """One answer of a vehicle."""

    event_time: datetime | None
    scored_time: datetime
    battery_id: str
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
    trip_digest: str
    model: Model


class EvidencePoint(Struct, frozen=True, kw_only=True):
    """One measurement of capacity; ``refused`` names why it did not count, "" where it did."""

    event_time: datetime
    method: Method
    capacity_ah: float | None
    sigma_ah: float | None
    delta_soc: float | None
    charge_ah: float | None
    refused: str
    trip_digest: str


class TrendReply(Struct, frozen=True, kw_only=True):
    """A vehicle over time: its answers and the evidence of its present battery."""

    vehicle_id: str
    battery_id: str
    predictions: list[TrendPoint]
    evidence: list[EvidencePoint]


class FileReply(Struct, frozen=True, kw_only=True):
    """A file or message that came in, and what became of it."""

    digest: str
    name: str
    state: FileState
    reason: str
    size_bytes: int
    received_time: datetime
    vehicle_id: str | None
    trips: int


class FilesReply(Struct, frozen=True, kw_only=True):
    """A page of intake, newest first; ``counts`` are of all files, by state."""

    files: list[FileReply]
    counts: dict[str, int]


class Health(Struct, frozen=True, kw_only=True):
    """Whether the service lives or is ready; ``checks`` names each part."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


def time_of(seconds: int) -> datetime:
    """Seconds since 1970 as UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe_time(seconds: int | None) -> datetime | None:
    """As ``time_of``; unknown stays unknown."""
    return None if seconds is None else time_of(seconds)


def evidence_point(evidence: Evidence) -> EvidencePoint:
    """A measurement of capacity as the API shows it."""
    return EvidencePoint(
        event_time=time_of(evidence.event_s),
        method=evidence.method,
        capacity_ah=evidence.capacity_ah,
        sigma_ah=evidence.sigma_ah,
        delta_soc=evidence.delta_soc,
        charge_ah=evidence.charge_ah,
        refused=evidence.refused,
        trip_digest=evidence.digest,
    )
