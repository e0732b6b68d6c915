"""``/v1/compare``: vehicles side by side, aligned by how long or how far each was used."""

from typing import Annotated, Literal

import numpy as np
from litestar import get
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct

from evitals.errors import InputError
from evitals.fleet.records import PredictionRecord, TripRecord
from evitals.service.envelope import Floats
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, service_of
from evitals.service.routes.history import column, features_of, trips_of

MOST = 8
POINTS = 600
"""Answers of one vehicle in a reply; of more, evenly many are left out."""
ANSWERS = 10_000
DAY_S = 86_400.0
By = Literal["age", "distance", "throughput"]
UNITS: dict[By, str] = {"age": "d", "distance": "km", "throughput": "EFC"}

Ids = Annotated[
    list[str] | None,
    QueryParameter(
        description=f"One to {MOST} vehicles",
        max_items=MOST,
        examples=[Example(value=["van-7"])],
    ),
]
Aligned = Annotated[
    By,
    QueryParameter(
        description="Days since its first trip, km driven, or equivalent full cycles (EFC)"
    ),
]


class CompareSeries(Struct, frozen=True, kw_only=True):
    """One vehicle's present battery. All lists have one length; ``x`` is in the reply's unit."""

    vehicle_id: str
    battery_id: str
    x: list[float]
    soh: list[float | None]
    soh_low: list[float | None]
    soh_high: list[float | None]
    resistance_growth: list[float | None]
    reference_sop_w: list[float | None]
    risk_score: list[float | None]
    without_x: int
    """Answers that could not be aligned: the trips up to them say no distance, for instance."""


class CompareReply(Struct, frozen=True, kw_only=True):
    """Vehicles side by side."""

    by: By
    unit: str
    series: list[CompareSeries]


@get(
    "/v1/compare",
    tags=["vehicles"],
    summary="Vehicles side by side",
    sync_to_thread=True,
    responses={200: doc.replies(CompareReply, "One series a vehicle")}
    | doc.problems(404, 422, 503),
)
def compare(request: Call, vehicle_id: Ids = None, by: Aligned = "age") -> CompareReply:
    """Each answer of a vehicle's present battery, placed by the battery's use up to the end of
    that trip. Only dated trips count."""
    asked = list(dict.fromkeys(vehicle_id or []))
    if not 1 <= len(asked) <= MOST:
        raise InputError(
            "vehicle_id", len(asked), "vehicles cannot be compared", f"give one to {MOST}"
        )
    service = service_of(request)
    return CompareReply(by=by, unit=UNITS[by], series=[_series(service, v, by) for v in asked])


def _series(service: Service, vehicle_id: str, by: By) -> CompareSeries:
    battery_id, stored = trips_of(service, vehicle_id)
    trips = [t for t in stored if t.event_s is not None and t.kind != "test"]
    place = dict(zip((t.digest for t in trips), _used(trips, by).tolist(), strict=True))
    answers = [a for a in service.store.trend(vehicle_id, limit=ANSWERS) if a.trip_digest in place]
    placed = [a for a in answers if not np.isnan(place[a.trip_digest])]
    shown = _thinned(placed)
    return CompareSeries(
        vehicle_id=vehicle_id,
        battery_id=battery_id,
        x=[round(place[a.trip_digest], 4) for a in shown],
        soh=[a.soh for a in shown],
        soh_low=[a.soh_low for a in shown],
        soh_high=[a.soh_high for a in shown],
        resistance_growth=[a.resistance_growth for a in shown],
        reference_sop_w=[a.reference_sop_w for a in shown],
        risk_score=[a.risk_score for a in shown],
        without_x=len(answers) - len(placed),
    )


def _used(trips: list[TripRecord], by: By) -> Floats:
    """Use of the battery at the end of each trip (n,), NaN where no trip so far says it."""
    if not trips:
        return np.empty(0)
    if by == "age":
        starts = np.array([t.event_s for t in trips], dtype=np.float64)
        days: Floats = (starts - starts[0]) / DAY_S
        return days
    name = "distance_km" if by == "distance" else "equivalent_full_cycles"
    values = column(features_of(trips), name)
    used: Floats = np.nancumsum(values)
    used[np.cumsum(~np.isnan(values)) == 0] = np.nan
    return used


def _thinned(answers: list[PredictionRecord]) -> list[PredictionRecord]:
    if len(answers) <= POINTS:
        return answers
    chosen = np.linspace(0, len(answers) - 1, POINTS).round().astype(int)
    return [answers[k] for k in chosen]
