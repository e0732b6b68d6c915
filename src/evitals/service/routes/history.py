"""``/v1/vehicles/{id}/trips``, ``/usage``, ``/descriptions``: what is remembered of a vehicle."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from litestar import get
from msgspec import Struct

from evitals.features import INDEX, unpack
from evitals.features.definitions import C_RATE_EDGES, TEMPERATURE_EDGES_DEGC
from evitals.fleet.records import Kind, TripRecord
from evitals.service.envelope import Floats
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, not_found, service_of
from evitals.service.routes.queries import Limit, Offset, VehicleId
from evitals.service.samples import Samples
from evitals.service.schemas import maybe_time

SOC_EDGES = tuple(k / 10 for k in range(1, 10))
DEPTH_EDGES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


class TripRow(Struct, frozen=True, kw_only=True):
    """A stored trip. ``samples`` says whether its samples are kept."""

    digest: str
    kind: Kind
    event_time: datetime | None
    event_assumed: bool
    duration_s: float
    distance_km: float | None
    charge_in_ah: float | None
    charge_out_ah: float | None
    energy_in_wh: float | None
    energy_out_wh: float | None
    soc_first: float | None
    soc_last: float | None
    temperature_mean_degc: float | None
    file_name: str
    source: str
    findings: tuple[str, ...]
    samples: bool


class TripsReply(Struct, frozen=True, kw_only=True):
    """A page of trips, newest first."""

    vehicle_id: str
    battery_id: str
    total: int
    trips: list[TripRow]


class Histogram(Struct, frozen=True, kw_only=True):
    """``values`` holds one number more than ``edges``: the first below, the last above all."""

    unit: str
    edges: tuple[float, ...]
    values: list[float]
    counted: str
    """What the values are: ``hours`` or ``trips``."""


class UsageReply(Struct, frozen=True, kw_only=True):
    """How a battery was used. Hours at a temperature and C-rate are measured; hours at a SoC take
    each trip as spread evenly between its lowest and highest SoC; depth is that span, per drive
    and charge."""

    vehicle_id: str
    battery_id: str
    trips: int
    hours: float
    distance_km: float | None
    equivalent_full_cycles: float | None
    temperature: Histogram
    c_rate: Histogram
    soc: Histogram
    depth: Histogram


class DescriptionRow(Struct, frozen=True, kw_only=True):
    """A vehicle's description as it was from ``described_time`` on."""

    battery_id: str
    described_time: datetime | None
    description: dict[str, Any] | None


class DescriptionsReply(Struct, frozen=True, kw_only=True):
    """Every description of a vehicle, newest first."""

    vehicle_id: str
    descriptions: list[DescriptionRow]


@get(
    "/v1/vehicles/{vehicle_id:str}/trips",
    tags=["vehicles"],
    summary="A vehicle's trips in pages",
    sync_to_thread=True,
    responses={200: doc.replies(TripsReply, "A page of trips")} | doc.problems(404, 422, 503),
)
def vehicle_trips(
    request: Call, vehicle_id: VehicleId, offset: Offset = 0, limit: Limit = 25
) -> TripsReply:
    """Of the present battery, newest first; those of unknown event time come first."""
    service = service_of(request)
    battery_id, stored = trips_of(service, vehicle_id)
    newest = stored[::-1]
    kept = Samples(service.settings.home)
    return TripsReply(
        vehicle_id=vehicle_id,
        battery_id=battery_id,
        total=len(newest),
        trips=[_row(trip, kept) for trip in newest[offset : offset + limit]],
    )


@get(
    "/v1/vehicles/{vehicle_id:str}/usage",
    tags=["vehicles"],
    summary="How a battery was used",
    sync_to_thread=True,
    responses={200: doc.replies(UsageReply, "Histograms")} | doc.problems(404, 422, 503),
)
def usage(request: Call, vehicle_id: VehicleId) -> UsageReply:
    """Hours at each temperature, C-rate and SoC, and the depth of drives and charges, from the
    stored features of the present battery's trips."""
    battery_id, stored = trips_of(service_of(request), vehicle_id)
    trips = [trip for trip in stored if trip.kind != "test"]
    table = features_of(trips)
    hours = np.array([trip.duration_s for trip in trips]) / 3600.0
    moved = np.array([trip.kind in ("drive", "charge") for trip in trips], dtype=bool)
    return UsageReply(
        vehicle_id=vehicle_id,
        battery_id=battery_id,
        trips=len(trips),
        hours=round(float(hours.sum()), 3),
        distance_km=total(column(table, "distance_km")),
        equivalent_full_cycles=total(column(table, "equivalent_full_cycles")),
        temperature=_shares("degC", "temperature", TEMPERATURE_EDGES_DEGC, table, hours),
        c_rate=_shares("1/h", "c_rate", C_RATE_EDGES, table, hours),
        soc=_spread(column(table, "soc_min"), column(table, "soc_max"), hours),
        depth=_depth(column(table, "soc_span")[moved]),
    )


@get(
    "/v1/vehicles/{vehicle_id:str}/descriptions",
    tags=["vehicles"],
    summary="How a vehicle was described over time",
    sync_to_thread=True,
    responses={200: doc.replies(DescriptionsReply, "Descriptions")} | doc.problems(404, 422, 503),
)
def descriptions(request: Call, vehicle_id: VehicleId) -> DescriptionsReply:
    """Newest first; a new `battery_id` is a replaced pack."""
    service = service_of(request)
    trips_of(service, vehicle_id, read=False)
    history = service.store.description_history(vehicle_id)
    return DescriptionsReply(
        vehicle_id=vehicle_id,
        descriptions=[
            DescriptionRow(
                battery_id=record.battery_id,
                described_time=maybe_time(record.described_s or None),
                description=record.description,
            )
            for record in reversed(history)
        ],
    )


def trips_of(
    service: Service, vehicle_id: str, *, read: bool = True
) -> tuple[str, list[TripRecord]]:
    """A vehicle's present battery and its trips in event order (none unless ``read``).

    Raises InputError (404) for a vehicle that nobody has named.
    """
    record, described = service.known.read(vehicle_id)
    if record is None and described is None:
        raise not_found("vehicle", vehicle_id)
    battery_id = record.battery_id if record else described.battery_id if described else ""
    return battery_id, service.store.trips(vehicle_id, battery_id) if read else []


def features_of(trips: Sequence[TripRecord]) -> Floats:
    """The trips' features (trips, features) as float64, NaN where missing."""
    if not trips:
        return np.empty((0, len(INDEX)))
    return np.stack([unpack(trip.features) for trip in trips]).astype(np.float64)


def column(table: Floats, name: str) -> Floats:
    """One feature of all trips."""
    return table[:, INDEX[name]]


def total(values: Floats) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = values[~np.isnan(values)]
    return round(float(known.sum()), 3) if known.size else None


def _shares(
    unit: str, stem: str, edges: tuple[float, ...], table: Floats, hours: Floats
) -> Histogram:
    parts = [column(table, f"{stem}_{k}") for k in range(len(edges) + 1)]
    values = [round(float(np.nansum(part * hours)), 3) for part in parts]
    return Histogram(unit=unit, edges=edges, values=values, counted="hours")


def _spread(low: Floats, high: Floats, hours: Floats) -> Histogram:
    """Each trip's hours over [low, high], in shares of how much of it lies in each bin."""
    known = ~(np.isnan(low) | np.isnan(high))
    low, hours = low[known], hours[known]
    high = np.maximum(high[known], low + 1e-6)
    bounds = (-np.inf, *SOC_EDGES, np.inf)
    values = []
    for left, right in pairwise(bounds):
        inside = np.clip(np.minimum(high, right) - np.maximum(low, left), 0.0, None)
        values.append(round(float((hours * inside / (high - low)).sum()), 3))
    return Histogram(unit="1", edges=SOC_EDGES, values=values, counted="hours")


def _depth(spans: Floats) -> Histogram:
    bins = np.digitize(spans[~np.isnan(spans)], DEPTH_EDGES)
    values = np.bincount(bins, minlength=len(DEPTH_EDGES) + 1).astype(float).tolist()
    return Histogram(unit="1", edges=DEPTH_EDGES, values=values, counted="trips")


def _row(trip: TripRecord, kept: Samples) -> TripRow:
    vector = unpack(trip.features)

    def value(name: str) -> float | None:
        found = float(vector[INDEX[name]])
        return None if np.isnan(found) else round(found, 5)

    return TripRow(
        digest=trip.digest,
        kind=trip.kind,
        event_time=maybe_time(trip.event_s),
        event_assumed=trip.event_assumed,
        duration_s=trip.duration_s,
        distance_km=value("distance_km"),
        charge_in_ah=value("charge_in_ah"),
        charge_out_ah=value("charge_out_ah"),
        energy_in_wh=value("energy_in_wh"),
        energy_out_wh=value("energy_out_wh"),
        soc_first=value("soc_first"),
        soc_last=value("soc_last"),
        temperature_mean_degc=value("temperature_mean_degc"),
        file_name=trip.file_name,
        source=trip.source,
        findings=trip.findings,
        samples=kept.path(trip.digest).is_file(),
    )
