"""``/v1/vehicles``: who is watched, how each is described, and how it went over time."""

import asyncio
import math
from typing import Any

import msgspec
from litestar import get, put

from evitals.battery import Vehicle, builtin, dump_vehicle
from evitals.errors import InputError
from evitals.fleet.records import PredictionRecord, VehicleRecord
from evitals.service.followed import Followed
from evitals.service.known import vehicle_record
from evitals.service.problems import invalid_field, malformed
from evitals.service.routes import documented as doc
from evitals.service.routes.context import (
    Call,
    Service,
    not_found,
    require_media_type,
    service_of,
)
from evitals.service.routes.fleet import row_of
from evitals.service.routes.queries import (
    Limit,
    Offset,
    Search,
    Since,
    Until,
    VehicleId,
    parse_instant,
)
from evitals.service.schemas import (
    EvidencePoint,
    Model,
    PutReply,
    TrendPoint,
    TrendReply,
    VehicleReply,
    VehiclesReply,
    maybe_time,
    time_of,
)
from evitals.service.vehicles import put_vehicle as describe_vehicle

MAX_DESCRIPTION_BYTES = 65_536
MAX_POINTS = 10_000
EVIDENCE_MOST = 64


def description_example() -> dict[str, Any]:
    """A built-in description without its id, which the path gives."""
    described = dump_vehicle(builtin()["bmw-i3-60ah"])
    described.pop("vehicle_id")
    return {name: value for name, value in described.items() if value is not None}


@get(
    "/v1/vehicles",
    tags=["vehicles"],
    summary="Vehicles in pages",
    sync_to_thread=True,
    responses={200: doc.replies(VehiclesReply, "A page of vehicles")} | doc.problems(422, 503),
)
def vehicles(
    request: Call, search: Search = "", offset: Offset = 0, limit: Limit = 100
) -> VehiclesReply:
    """Described vehicles, and those only `/predict` has named (their description is null)."""
    total, rows = service_of(request).store.vehicles(search, offset, limit)
    return VehiclesReply(total=total, vehicles=[_reply(row) for row in rows])


@get(
    "/v1/vehicles/{vehicle_id:str}",
    tags=["vehicles"],
    summary="One vehicle and its newest answer",
    sync_to_thread=True,
    responses={200: doc.replies(VehicleReply, "The vehicle")} | doc.problems(404, 422, 503),
)
def vehicle(request: Call, vehicle_id: VehicleId) -> VehicleReply:
    """Its description, newest answer and live SoP."""
    service = service_of(request)
    return _reply(_known(service, vehicle_id), service)


@put(
    "/v1/vehicles/{vehicle_id:str}",
    tags=["vehicles"],
    summary="Describe a vehicle",
    request_max_body_size=MAX_DESCRIPTION_BYTES,
    operation_class=doc.accepts(
        {"application/json": doc.json_body(Vehicle, bmw_i3=description_example())},
        "As evitals.battery.Vehicle; `vehicle_id` may be left out, the path gives it.",
    ),
    responses={200: doc.replies(PutReply, "The description as stored")}
    | doc.problems(400, 413, 415, 422, 503),
)
async def put_vehicle(request: Call, vehicle_id: VehicleId) -> PutReply:
    """Files that were held for want of it are read now; a changed description is rescored.

    A new `battery_id` (a replaced pack) starts a new estimate.
    """
    require_media_type(request, "application/json")
    described = parse_description(await request.body(), vehicle_id)
    service = service_of(request)
    try:
        reports = await asyncio.to_thread(
            describe_vehicle, service.store, described, service.pipeline
        )
    finally:
        service.known.forget(vehicle_id)
    reply = _reply(_known(service, vehicle_id), service)
    return PutReply(vehicle=reply, released=[f for report in reports for f in report.files])


@get(
    "/v1/vehicles/{vehicle_id:str}/trend",
    tags=["vehicles"],
    summary="A vehicle's answers and evidence over time",
    sync_to_thread=True,
    responses={200: doc.replies(TrendReply, "Answers and evidence in event order")}
    | doc.problems(404, 422, 503),
)
def trend(
    request: Call, vehicle_id: VehicleId, since: Since = None, until: Until = None
) -> TrendReply:
    """Answers of all its batteries; evidence, with refusals, of the battery it carries now."""
    service = service_of(request)
    record = _known(service, vehicle_id)
    first, last = parse_instant("since", since), parse_instant("until", until)
    since_s = None if first is None else math.ceil(first.timestamp())
    until_s = None if last is None else math.floor(last.timestamp())
    answers = service.store.trend(vehicle_id, since_s, until_s, MAX_POINTS)
    evidence = evidence_of(service, vehicle_id)
    return TrendReply(
        vehicle_id=vehicle_id,
        battery_id=record.battery_id,
        predictions=[_point(answer) for answer in answers],
        evidence=[
            point
            for point in evidence
            if (first is None or point.event_time >= first)
            and (last is None or point.event_time <= last)
        ],
    )


def evidence_of(service: Service, vehicle_id: str) -> list[EvidencePoint]:
    """What each stored trip of the present battery brought, recomputed from its features.

    The last ``EVIDENCE_MOST`` vehicles asked for are kept: a newer trip is one more step.
    """
    _, described = service.known.read(vehicle_id)
    if described is None:
        return []
    stored = service.store.trips(vehicle_id, described.battery_id)
    trips = [trip for trip in stored if trip.event_s is not None and trip.kind != "test"]
    # Taken out while it is used: a second request at the same time follows from the start.
    followed = service.evidence.pop(vehicle_id, None)
    if followed is None or not followed.leads_to(described.battery, trips):
        followed = Followed(described.battery)
    points = followed.follow(trips)
    if len(service.evidence) >= EVIDENCE_MOST:
        service.evidence.clear()
    service.evidence[vehicle_id] = followed
    return points


def parse_description(body: bytes, vehicle_id: str) -> Vehicle:
    """A description for ``vehicle_id``. Raises InputError naming the field."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error
    if not isinstance(raw, dict):
        raise InputError("body", raw, "is not an object", "see /schema", reason="malformed_body")
    if raw.setdefault("vehicle_id", vehicle_id) != vehicle_id:
        raise InputError(
            "vehicle_id", raw["vehicle_id"], f"is not the path's {vehicle_id}", "leave it out"
        )
    try:
        return msgspec.convert(raw, Vehicle)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise invalid_field(error, raw) from error


def _known(service: Service, vehicle_id: str) -> VehicleRecord:
    record, described = service.known.read(vehicle_id)
    if record is None and described is not None:
        return msgspec.structs.replace(vehicle_record(described), described_s=0)
    if record is None:
        raise not_found("vehicle", vehicle_id)
    return record


def _reply(record: VehicleRecord, service: Service | None = None) -> VehicleReply:
    latest = service.store.latest(record.vehicle_id) if service else None
    return VehicleReply(
        vehicle_id=record.vehicle_id,
        battery_id=record.battery_id,
        described_time=maybe_time(record.described_s or None),
        description=record.description,
        latest=row_of(latest) if latest else None,
        live_sop=latest.live_sop if latest else None,
    )


def _point(answer: PredictionRecord) -> TrendPoint:
    return TrendPoint(
        event_time=maybe_time(answer.event_s),
        scored_time=time_of(answer.scored_s),
        battery_id=answer.battery_id,
        kind=answer.kind,
        soh=answer.soh,
        soh_low=answer.soh_low,
        soh_high=answer.soh_high,
        capacity_bms_ah=answer.capacity_bms_ah,
        capacity_ocv_ah=answer.capacity_ocv_ah,
        resistance_growth=answer.resistance_growth,
        reference_sop_w=answer.reference_sop_w,
        risk_score=answer.risk_score,
        status=answer.status,
        evidence_count=answer.evidence_count,
        reasons=answer.reasons,
        trip_digest=answer.trip_digest,
        model=Model(answer.model.name, answer.model.version, answer.model.digest),
    )
