"""``POST /predict`` (the reference's request, made right) and many of them at once."""

from operator import attrgetter
from typing import Any

import msgspec
from litestar import post
from litestar.response.base import ASGIResponse
from msgspec import Struct

from evitals.errors import InputError
from evitals.service import arrow
from evitals.service.predict import Answers, Parsed, parse_rows
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
async def predict_batch(request: Call) -> ASGIResponse:
    """Rows are answered like `/predict` and committed together, before the reply.

    With `Accept: application/vnd.apache.arrow.stream` the reply is an Arrow table.
    """
    kind = require_media_type(request, JSON, NDJSON, ARROW)
    service = service_of(request)
    parsed = parse(await request.body(), kind)
    answers = service.predictor.answer(parsed.rows, service.known.all(parsed.rows.vehicle_ids))
    done = service.store.submit(answers.batch) if answers.places else None
    # Said while the writer writes, sent when it has.
    reply = _said(parsed, answers, ARROW if ARROW in request.headers.get("accept", "") else JSON)
    if done is not None:
        await service.committed(answers.batch, done)
    return reply


def _said(parsed: Parsed, answers: Answers, kind: str) -> ASGIResponse:
    """The reply to a body; its places are those of the rows sent."""
    places = [parsed.places[place] for place in answers.places]
    refused = parsed.refused | {
        parsed.places[place]: error for place, error in answers.refused.items()
    }
    if kind == ARROW:
        return ASGIResponse(body=arrow.write(answers, places, refused), media_type=ARROW)
    results = [
        RowReply(index=place, answer=answer)
        for place, answer in zip(places, answers.replies(), strict=True)
    ]
    if refused:
        results += [RowReply(index=k, problem=problem_of(e)) for k, e in refused.items()]
        results.sort(key=attrgetter("index"))
    reply = BatchReply(answered=len(places), refused=len(refused), results=results)
    return ASGIResponse(body=msgspec.json.encode(reply), media_type=JSON)


async def reply_to(service: Service, body: bytes) -> bytes:
    """The reply to one request's body, committed. Raises EvitalsError where there is none."""
    return await service.gathering.reply(body)


def parse(body: bytes, kind: str) -> Parsed:
    """The rows of a body. Raises InputError where it is not ``kind`` or too long."""
    if kind == ARROW:
        table = arrow.read(body, MAX_ROWS + 1)
        _bounded(len(table))
        return arrow.parse(table)
    try:
        decoder = msgspec.json.Decoder()
        rows = decoder.decode(body) if kind == JSON else decoder.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error
    if not isinstance(rows, list):
        raise InputError("body", rows, "is not an array", "see /schema", reason="malformed_body")
    _bounded(len(rows))
    return parse_rows(rows)


def _bounded(rows: int) -> None:
    if rows > MAX_ROWS:
        raise InputError(
            "body", rows, f"rows are more than {MAX_ROWS}", "split it", reason="too_large"
        )
