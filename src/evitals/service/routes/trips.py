"""``POST /v1/trips``: recordings of one or many vehicles, read like a file dropped in."""

import asyncio
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from litestar import Response, post
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from evitals.errors import InputError
from evitals.service.report import IngestReport
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, require_media_type, service_of
from evitals.service.routes.queries import Start, VehicleQuery, parse_time

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

CSV_EXAMPLE = """time_s,speed_mps,power_kw,soc,energy_kwh,voltage_V,current_A,temperature_C
0,0.0,0.0,0.900,0.0,392.1,0.0,21.0
1,1.2,3.1,0.900,0.001,391.4,-7.9,21.0
2,2.9,6.4,0.900,0.003,390.6,-16.4,21.0
"""
NDJSON_EXAMPLE = """{"time_s":0,"soc":0.9,"voltage_v":392.1,"current_a":0.0,"temperature_degc":21}
{"time_s":1,"soc":0.9,"voltage_v":391.4,"current_a":-7.9,"temperature_degc":21}
{"time_s":2,"soc":0.9,"voltage_v":390.6,"current_a":-16.4,"temperature_degc":21}
"""

Zone = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="IANA time zone of stamps without one",
        examples=[Example(value="Europe/Berlin")],
    ),
]
SourceName = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Source to read it as; left out, it is detected"),
]
Name = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=200,
        description="File name to remember",
        examples=[Example(value="monday.csv")],
    ),
]


@post(
    "/v1/trips",
    status_code=201,
    tags=["intake"],
    summary="Trips in, answers out",
    operation_class=doc.accepts(
        {
            CSV: doc.text_body("Any format `evitals ingest` detects", reference=CSV_EXAMPLE),
            NDJSON: doc.text_body("One sample a line, by signal names", three=NDJSON_EXAMPLE),
            PARQUET: doc.binary_body("A Parquet file"),
            ARROW: doc.binary_body("An Arrow IPC stream"),
        },
        "Recordings of one or many vehicles (columns `vehicle_id`, `trip_id` tell them apart).",
    ),
    responses={
        201: doc.replies(IngestReport, "Stored, and every answer it changed committed"),
        200: doc.replies(IngestReport, "All of it was here already: nothing changed"),
        202: doc.replies(IngestReport, "Kept, but held until its vehicle is described"),
        **doc.problems(400, 413, 415, 422, 503),
    },
)
async def trips(
    request: Call,
    vehicle_id: VehicleQuery = None,
    start: Start = None,
    tz: Zone = None,
    source: SourceName = None,
    name: Name = None,
) -> Response[IngestReport]:
    """Read, check, cut, estimate, commit; the report says what each step saw.

    What no source can read is refused with 422 and not kept: the sender still has it.
    """
    media_type = require_media_type(request, CSV, PARQUET, NDJSON, ARROW)
    service = service_of(request)
    report = await asyncio.to_thread(
        service.pipeline.ingest_bytes,
        await request.body(),
        name=name,
        media_type=media_type,
        vehicle_id=vehicle_id,
        start=zoned(parse_time("start", start), tz),
        tz=tz,
        source=source,
    )
    return Response(report, status_code=status_of(report))


def zoned(start: datetime | None, tz: str | None) -> datetime | None:
    """``start`` with its own offset, else in ``tz``. Raises InputError where neither says."""
    zone = _zone(tz)
    if start is None or start.tzinfo is not None:
        return start
    if zone is None:
        raise InputError(
            "start", start.isoformat(), "has no offset", "append Z or +01:00, or send tz"
        )
    return start.replace(tzinfo=zone)


def _zone(tz: str | None) -> ZoneInfo | None:
    if tz is None:
        return None
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("tz", tz, "is no IANA time zone", "write Europe/Berlin") from error


def status_of(report: IngestReport) -> int:
    """201 where anything new was stored, 202 where something waits, 200 where all was known."""
    states = {file.state for file in report.files}
    if "stored" in states:
        return 201
    return 202 if "held" in states else 200
