"""Every refusal as RFC 9457 problem details: what was wrong, where, and what to do.

A client's fault is 4xx and names ``field``, ``value``, ``remedy`` and a stable ``reason``. A fault
of ours is 500 and says nothing of the inside: it is logged here instead.
"""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from evitals.errors import (
    EvitalsError,
    InputError,
    StoreBusy,
    StoreError,
    UnsupportedChemistry,
    shorten,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
STATUS_OF = {
    "malformed_body": 400,
    "unknown_vehicle": 404,
    "not_found": 404,
    "too_large": 413,
    "unsupported_media_type": 415,
}
"""The status of a reason, where it is not 422."""
REASON_OF = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
REMEDY_OF = {
    404: "see /schema for the endpoints",
    405: "see the Allow header or /schema for the methods",
    413: "send less at once, or raise EVITALS_MAX_REQUEST_BYTES",
}

Call = Request[Any, Any, State]
logger = logging.getLogger("evitals.service")


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal (RFC 9457). ``reason`` is a stable code; ``remedy`` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    reason: str | None = None
    field: str | None = None
    value: str | None = None
    remedy: str | None = None


def problem_of(error: Exception, instance: str | None = None) -> Problem:
    """The problem that tells a client about ``error`` (no more than it may know)."""
    if isinstance(error, InputError):
        return _make(
            STATUS_OF.get(error.reason, 422),
            error.reason,
            f"{error.field}: {error.value} {error.problem}",
            instance,
            field=error.field,
            value=error.value,
            remedy=error.remedy,
        )
    if isinstance(error, UnsupportedChemistry):
        return _make(422, error.reason, str(error), instance, field="chemistry")
    if isinstance(error, StoreBusy):
        return _make(503, "busy", "the store's queue is full", instance, remedy="try again later")
    if isinstance(error, StoreError):
        return _make(
            503, "store_unavailable", "the store cannot be used", instance, remedy="try again later"
        )
    if isinstance(error, ValidationException):
        return _of_parameters(error, instance)
    if isinstance(error, HTTPException) and error.status_code < 500:
        status = error.status_code
        reason = REASON_OF.get(status, "refused")
        return _make(
            status, reason, HTTPStatus(status).phrase, instance, remedy=REMEDY_OF.get(status)
        )
    return _make(500, "internal", "an error of ours: it has been logged", instance)


def handle(request: Call, error: Exception) -> Response[Problem]:
    """Litestar's exception handler for everything."""
    problem = problem_of(error, request.url.path)
    if problem.status == 500:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if problem.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


HANDLERS: ExceptionHandlersMap = {HTTPException: handle, EvitalsError: handle, Exception: handle}


def malformed(error: Exception, body: bytes = b"") -> InputError:
    """A body that is no JSON at all; its first bytes are shown."""
    return InputError(
        "body",
        body[:40].decode(errors="replace"),
        f"cannot be decoded: {str(error)[:120]}",
        "send one JSON object (numbers finite, UTF-8)",
        reason="malformed_body",
    )


def invalid_field(error: msgspec.ValidationError, raw: Any) -> InputError:
    """msgspec's message as an error that names the field and its value."""
    problem, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if "missing required field" in problem:
        name = problem.split("`")[1]
        where = f"{field}.{name}" if field else name
        return InputError(where, None, "is missing", "send it: see /schema", reason="missing")
    value: Any = raw
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    problem = problem[0].lower() + problem[1:]
    return InputError(
        field or "body", value, f"is refused: {problem}", "see /schema for its bounds"
    )


def _make(status: int, reason: str, detail: str, instance: str | None, **more: Any) -> Problem:
    return Problem(
        type=f"urn:evitals:problem:{reason}",
        title=reason.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        instance=instance,
        reason=reason,
        **more,
    )


def _of_parameters(error: ValidationException, instance: str | None) -> Problem:
    """A query or path parameter that the signature refused; Litestar lists them in ``extra``."""
    faults = error.extra if isinstance(error.extra, list) else []
    first = faults[0] if faults and isinstance(faults[0], dict) else {}
    field = str(first.get("key", "parameters"))
    message = str(first.get("message", "is not what the schema asks for"))
    return _make(
        422,
        "invalid",
        f"{field}: {shorten(message, 200).strip(chr(34) + chr(39))}",
        instance,
        field=field,
        remedy="see /schema for its type and bounds",
    )
