"""``/v1/vehicles/{id}/samples``: what was measured, from years to seconds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from litestar import get
from litestar.params import QueryParameter
from msgspec import Struct

from evitals.features import INDEX, unpack
from evitals.fleet.records import TripRecord
from evitals.service.envelope import Floats, envelope
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, not_found, service_of
from evitals.service.routes.queries import Since, Until, VehicleId, parse_instant
from evitals.service.samples import SIGNALS, Samples
from evitals.service.schemas import maybe_time

MOST_TRIPS = 48
"""A window of more trips is drawn from each trip's extremes, which are features."""
EXTREMES = {
    "voltage_v": ("voltage_min_v", "voltage_max_v"),
    "current_a": ("current_min_a", "current_max_a"),
    "temperature_degc": ("temperature_min_degc", "temperature_max_degc"),
    "soc": ("soc_min", "soc_max"),
}
"""Where a trip's features hold a signal's lowest and highest value."""

Bounds = tuple[datetime | None, datetime | None]
Chosen = tuple[list[TripRecord], float, float]
"""Trips, and the window in seconds since 1970."""
Points = Annotated[int, QueryParameter(ge=10, le=5000, description="Most steps of time")]
Digest = Annotated[
    str | None,
    QueryParameter(
        pattern="^[0-9a-f]{32}$",
        description="Only this trip; its time starts at 0 where its event time is unknown",
    ),
]


class SignalRange(Struct, frozen=True):
    """Lowest and highest value in each step; null where missing, and between trips."""

    low: list[float | None]
    high: list[float | None]


class SamplesReply(Struct, frozen=True, kw_only=True):
    """What was measured in a window. ``level`` is ``trips`` where each trip's extremes stand for
    its samples. ``first`` and ``last`` bound all dated trips of the battery; ``not_kept`` counts
    trips of the window whose samples are not kept."""

    vehicle_id: str
    battery_id: str
    level: Literal["samples", "trips"]
    first: datetime | None
    last: datetime | None
    trips: int
    not_kept: int
    time_s: list[float]
    signals: dict[str, SignalRange]


class Drawn(Struct, frozen=True):
    """Columns (m,) of a window before they are thinned out; ``stretch`` numbers what is joined."""

    time_s: Floats
    low: dict[str, Floats]
    high: dict[str, Floats]
    stretch: npt.NDArray[np.int64]
    not_kept: int


@get(
    "/v1/vehicles/{vehicle_id:str}/samples",
    tags=["vehicles"],
    summary="Voltage, current, temperature and SoC of a window of time",
    sync_to_thread=True,
    responses={200: doc.replies(SamplesReply, "Lowest and highest values in steps of time")}
    | doc.problems(404, 422, 503),
)
def samples(
    request: Call,
    vehicle_id: VehicleId,
    since: Since = None,
    until: Until = None,
    trip: Digest = None,
    points: Points = 800,
) -> SamplesReply:
    """Of the present battery. At most `points` steps (and gaps): each keeps the extremes of the
    samples in it, so a window of years shows every peak and a short one every sample. `time_s` is
    seconds since 1970 UTC."""
    service = service_of(request)
    record, described = service.known.read(vehicle_id)
    if described is None and record is None:
        raise not_found("vehicle", vehicle_id)
    battery_id = record.battery_id if record else described.battery_id if described else ""
    stored = service.store.trips(vehicle_id, battery_id)
    dated = [t for t in stored if t.event_s is not None and t.kind != "test"]
    bounds = parse_instant("since", since), parse_instant("until", until)
    chosen, since_s, until_s = _one(stored, trip, bounds) if trip else _between(dated, bounds)
    detailed = len(chosen) <= MOST_TRIPS
    kept = Samples(service.settings.home)
    drawn = _samples(kept, chosen) if detailed else _extremes(chosen)
    found = envelope(
        drawn.time_s, drawn.low, drawn.high, drawn.stretch, since_s, until_s + 1.0, points
    )
    return SamplesReply(
        vehicle_id=vehicle_id,
        battery_id=battery_id,
        level="samples" if detailed else "trips",
        first=maybe_time(dated[0].event_s) if dated else None,
        last=maybe_time(int(max(map(_end, dated)))) if dated else None,
        trips=len(chosen),
        not_kept=drawn.not_kept,
        time_s=[round(t, 3) for t in found.time_s.tolist()],
        signals={
            name: SignalRange(_numbers(found.low[name]), _numbers(found.high[name]))
            for name in found.low
            if not np.isnan(found.low[name]).all()
        },
    )


def _end(trip: TripRecord) -> float:
    """When a trip ended, s; its length where its event time is unknown."""
    return (trip.event_s or 0) + trip.duration_s


def _between(dated: list[TripRecord], bounds: Bounds) -> Chosen:
    """The trips of a window, which without bounds is all of them."""
    first, last = bounds
    since_s = first.timestamp() if first else min((float(t.event_s or 0) for t in dated), default=0)
    until_s = last.timestamp() if last else max(map(_end, dated), default=0.0)
    chosen = [t for t in dated if _end(t) >= since_s and (t.event_s or 0) <= until_s]
    return chosen, since_s, until_s


def _one(stored: list[TripRecord], digest: str, bounds: Bounds) -> Chosen:
    """One trip, or the part of it between the bounds. Raises InputError (404)."""
    chosen = [t for t in stored if t.digest == digest]
    if not chosen:
        raise not_found("trip", digest)
    first, last = bounds
    start, end = float(chosen[0].event_s or 0), _end(chosen[0])
    since_s = max(start, first.timestamp()) if first else start
    return chosen, since_s, min(end, last.timestamp()) if last else end


def _samples(kept: Samples, trips: Sequence[TripRecord]) -> Drawn:
    """The samples of few trips, one after the other."""
    times: list[Floats] = []
    values: dict[str, list[Floats]] = {name: [] for name in SIGNALS}
    stretches: list[npt.NDArray[np.int64]] = []
    missing = number = 0
    for trip in trips:
        table = kept.read(trip.digest)
        if table is None:
            missing += 1
            continue
        number += 0 if trip.continues and stretches else 1
        times.append(table["time_s"].to_numpy() + float(trip.event_s or 0))
        stretches.append(np.full(table.height, number))
        for name, parts in values.items():
            blank = np.full(table.height, np.nan)
            parts.append(_column(table[name].to_numpy()) if name in table.columns else blank)
    columns = {name: _joined(parts) for name, parts in values.items()}
    of = np.concatenate(stretches) if stretches else np.empty(0, dtype=np.int64)
    return Drawn(_joined(times), columns, columns, of, missing)


def _column(values: npt.NDArray[np.generic]) -> Floats:
    return values.astype(np.float64)


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def _extremes(trips: Sequence[TripRecord]) -> Drawn:
    """Two rows a trip, at its start and its end, with the extremes of its features."""
    vectors = np.repeat(np.stack([unpack(trip.features) for trip in trips]), 2, axis=0)
    ends = [((t.event_s or 0), (t.event_s or 0) + t.duration_s) for t in trips]
    return Drawn(
        np.array(ends, dtype=np.float64).ravel(),
        {name: _column(vectors[:, INDEX[low]]) for name, (low, _) in EXTREMES.items()},
        {name: _column(vectors[:, INDEX[high]]) for name, (_, high) in EXTREMES.items()},
        np.repeat(np.arange(len(trips)), 2),
        0,
    )


def _numbers(values: Floats) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 5) for v in values]
