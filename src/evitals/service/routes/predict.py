"""``POST /predict`` (the reference's request, made right) and many of them at once."""

import io
from typing import Any

import msgspec
import polars as pl
from litestar import Response, post
from litestar.response.base import ASGIResponse
from msgspec import Struct

from evitals.errors import EvitalsError, InputError
from evitals.fleet.records import Batch
from evitals.service.predict import Answered, convert_predict, parse_predict
from evitals.service.problems import Problem, malformed, problem_of
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, require_media_type, service_of
from evitals.service.schemas import PredictReply, PredictRequest

PATH = "/predict"
MAX_ONE_BYTES = 65_536
MAX_ROWS = 10_000
JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

REFERENCE_EXAMPLE: dict[str, Any] = {
    "vehicle_id": "V001",
    "discharge_time_s": 3245.8,
    "voltage_drop_time_s": 1820.3,
    "delta_T_C": 16.2,
    "avg_current": -1.98,
    "avg_voltage": 3.73,
    "current_std": 0.05,
    "voltage_std": 0.42,
    "mean_max_temp": 33.1,
    "dod": 78.5,
    "voltage_V_mean": 3.73,
    "current_A_mean": -1.98,
    "temperature_C_mean": 30.8,
    "temperature_C_max": 35.4,
}
STATED_EXAMPLE = REFERENCE_EXAMPLE | {
    "reference_capacity_ah": 2.5,
    "rated_power_w": 25.0,
    "event_time": "2025-11-10T08:30:00Z",
}


class RowReply(Struct, frozen=True, kw_only=True):
    """One row's answer, or the problem that refused it."""

    index: int
    answer: PredictReply | None = None
    problem: Problem | None = None


class BatchReply(Struct, frozen=True, kw_only=True):
    """All rows in the order sent."""

    answered: int
    refused: int
    results: list[RowReply]


@post(
    PATH,
    status_code=200,
    tags=["predict"],
    summary="SoH of a cell from one constant-current discharge",
    request_max_body_size=MAX_ONE_BYTES,
    operation_class=doc.accepts(
        {JSON: doc.json_body(PredictRequest, reference=REFERENCE_EXAMPLE, stated=STATED_EXAMPLE)},
        "One discharge by the reference's names. Unknown fields are ignored and named.",
    ),
    responses={
        200: doc.replies(PredictReply, "The answer, committed"),
        **doc.problems(400, 413, 415, 422, 503),
    },
)
async def predict(request: Call) -> ASGIResponse:
    """Capacity, SoH, its 90 % interval and, where the rated power is known, the health score.

    `health_score` is lower for a better battery. The answer is committed before the reply.
    """
    require_media_type(request, JSON)
    # Encoded here: the framework's own way to a reply costs as much as the answer.
    return ASGIResponse(body=await reply_to(service_of(request), await request.body()))


@post(
    "/v1/predictions:batch",
    status_code=200,
    tags=["predict"],
    summary="Many /predict rows at once",
    operation_class=doc.accepts(
        {
            JSON: doc.json_body(list[PredictRequest], two=[REFERENCE_EXAMPLE, STATED_EXAMPLE]),
            NDJSON: doc.text_body(
                "One /predict object a line",
                one=msgspec.json.encode(REFERENCE_EXAMPLE).decode() + "\n",
            ),
            ARROW: doc.binary_body("An Arrow IPC stream with the /predict fields as columns"),
        },
        f"At most {MAX_ROWS} rows. A refused row does not refuse the others.",
    ),
    responses={
        200: doc.replies(BatchReply, "Every row's answer or problem, in the order sent"),
        **doc.problems(400, 413, 415, 422, 503),
    },
)
async def predict_batch(request: Call) -> Response[Any]:
    """Rows are answered like `/predict` and committed together, before the reply.

    With `Accept: application/vnd.apache.arrow.stream` the reply is an Arrow table.
    """
    kind = require_media_type(request, JSON, NDJSON, ARROW)
    service = service_of(request)
    results: list[RowReply] = []
    batches: list[Batch] = []
    for index, row in enumerate(decode_rows(await request.body(), kind)):
        try:
            answered = answer(service, *convert_predict(row))
        except EvitalsError as error:
            results.append(RowReply(index=index, problem=problem_of(error)))
        else:
            batches.append(answered.batch)
            results.append(RowReply(index=index, answer=answered.reply))
    if batches:
        await service.commit(merge(batches))
    if ARROW in request.headers.get("accept", ""):
        return Response(to_arrow(results), media_type=ARROW)
    reply = BatchReply(answered=len(batches), refused=len(results) - len(batches), results=results)
    return Response(reply, media_type=JSON)


async def reply_to(service: Service, body: bytes) -> bytes:
    """The reply to one request's body, committed. Raises EvitalsError where there is none."""
    answered = answer(service, *parse_predict(body))
    await service.commit(answered.batch)
    return msgspec.json.encode(answered.reply)


def answer(service: Service, parsed: PredictRequest, ignored: tuple[str, ...]) -> Answered:
    """The answer to one request, not yet committed."""
    record, vehicle = service.known.get(parsed.vehicle_id)
    return service.predictor.answer(parsed, ignored, record, vehicle)


def decode_rows(body: bytes, kind: str) -> list[Any]:
    """Rows as plain objects. Raises InputError where the body is not ``kind`` or too long."""
    try:
        if kind == JSON:
            rows = msgspec.json.decode(body)
        elif kind == NDJSON:
            rows = msgspec.json.Decoder().decode_lines(body)
        else:
            rows = _from_arrow(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error
    if not isinstance(rows, list):
        raise InputError("body", rows, "is not an array", "see /schema", reason="malformed_body")
    if len(rows) > MAX_ROWS:
        raise InputError(
            "body", len(rows), f"rows are more than {MAX_ROWS}", "split it", reason="too_large"
        )
    return rows


def _from_arrow(body: bytes) -> list[Any]:
    try:
        table = pl.read_ipc_stream(io.BytesIO(body), n_rows=MAX_ROWS + 1)
    except (pl.exceptions.PolarsError, OSError, BaseException) as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise malformed(error if isinstance(error, Exception) else ValueError()) from error
    return [{k: v for k, v in row.items() if v is not None} for row in table.to_dicts()]


def to_arrow(results: list[RowReply]) -> bytes:
    """Results as an Arrow IPC stream: the reply's fields flat, nulls and ``reason`` if refused."""
    rows = [_flat(result) for result in results]
    names = ("vehicle_id", "status", "validity", "reason", "event_time", "trip_digest")
    numbers = ("predicted_soh", "soh_low", "soh_high", "predicted_sop", "health_score")
    schema: dict[str, Any] = {"index": pl.Int64}
    schema |= dict.fromkeys(names, pl.String) | {"capacity_ah": pl.Float64}
    schema |= dict.fromkeys(numbers, pl.Float64) | {"reasons": pl.List(pl.String)}
    out = io.BytesIO()
    pl.DataFrame(rows, schema=schema).write_ipc_stream(out)
    return out.getvalue()


def _flat(result: RowReply) -> dict[str, Any]:
    if result.answer is None:
        return {"index": result.index, "reason": result.problem and result.problem.reason}
    row: dict[str, Any] = msgspec.to_builtins(result.answer)
    interval = row.pop("interval") or {"low": None, "high": None}
    return row | {
        "index": result.index,
        "soh_low": interval["low"],
        "soh_high": interval["high"],
    }


def merge(batches: list[Batch]) -> Batch:
    """Many answers as one batch: committed whole. The last of a vehicle is its newest."""
    vehicles = {v.vehicle_id: v for b in batches for v in b.vehicles}
    latest = {r.prediction.vehicle_id: r for b in batches for r in b.latest}
    return Batch(
        vehicles=tuple(vehicles.values()),
        trips=tuple(t for b in batches for t in b.trips),
        predictions=tuple(p for b in batches for p in b.predictions),
        latest=tuple(latest.values()),
    )
