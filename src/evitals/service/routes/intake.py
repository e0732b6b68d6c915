"""``POST /v1/files/{digest}:retry``: a held or quarantined file, taken once more."""

import asyncio
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from msgspec import Struct

from evitals.battery import Identifier
from evitals.errors import InputError, StoreError
from evitals.service.home import OPTIONS, REASON, Home, reason_path
from evitals.service.intake import Intake
from evitals.service.problems import invalid_field, malformed
from evitals.service.report import FileReport
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, require_media_type, service_of

log = logging.getLogger(__name__)
MAX_BYTES = 4096
EXAMPLE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of an empty file, which is always quarantined."""

Name = Annotated[
    str,
    PathParameter(
        description="The file's digest, then `:retry`",
        pattern="^[0-9a-f]{64}:retry$",
        examples=[Example(value=f"{EXAMPLE}:retry")],
    ),
]


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file does not say itself: whose it is, when it starts, in which time zone, what it
    is. Said before and not said now: as before."""

    vehicle_id: Identifier | None = None
    start: datetime | None = None
    tz: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    source: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class RetryReply(Struct, frozen=True, kw_only=True):
    """What became of the file this time."""

    file: FileReport


@post(
    "/v1/files/{name:str}",
    tags=["intake"],
    summary="Take a held or quarantined file once more",
    status_code=200,
    request_max_body_size=MAX_BYTES,
    operation_class=doc.accepts(
        {"application/json": doc.json_body(Retry, again={})}, "What to say about the file, or {}."
    ),
    responses={200: doc.replies(RetryReply, "What became of it")}
    | doc.problems(400, 404, 413, 415, 422, 503),
)
async def retry(request: Call, name: Name) -> RetryReply:
    """`{digest}:retry`. The file lies in `held/` or `quarantine/`; it is read as if it had just
    been dropped, with what the body says about it."""
    require_media_type(request, "application/json")
    said = parse_retry(await request.body())
    service = service_of(request)
    return await asyncio.to_thread(take_again, service, name.removesuffix(":retry"), said)


def parse_retry(body: bytes) -> Retry:
    """Raises InputError naming what is wrong."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error
    try:
        return msgspec.convert(raw, Retry)
    except msgspec.ValidationError as error:
        raise invalid_field(error, raw) from error


def take_again(service: Service, digest: str, said: Retry) -> RetryReply:
    """Claim the waiting file and take it.

    Raises InputError (404) where none has the digest, StoreError with the file where it was.
    """
    home: Home = service.pipeline.home
    path = waiting(home, digest)
    reason = _read(reason_path(path)) if path else {}
    claimed = claim(home, path, said) if path else None
    if path is None or claimed is None:
        raise InputError(
            "digest",
            digest,
            "is of no file in held/ or quarantine/",
            "see GET /v1/files?state=quarantined",
            reason="not_found",
        )
    intake = Intake(service.pipeline)
    try:
        report = intake.take(claimed)
    except StoreError:
        back = home.to_held if path.parent == home.held else home.to_quarantine
        back(claimed, reason)
        raise
    except Exception as error:
        log.exception("%s", claimed.name)
        report = intake.give_up(claimed, error)
    return RetryReply(file=report.files[0])


def waiting(home: Home, digest: str) -> Path | None:
    """The file in held/ or quarantine/ whose reason names this digest."""
    for folder in (home.held, home.quarantine):
        if not folder.is_dir():
            continue
        for reason in sorted(folder.glob(f"*{REASON}")):
            path = reason.with_name(reason.name.removesuffix(REASON))
            if path.exists() and _read(reason).get("digest") == digest:
                return path
    return None


def claim(home: Home, path: Path, said: Retry) -> Path | None:
    """Claim a waiting file with what was said about it; None where somebody else has."""
    reason = reason_path(path)
    before = _read(reason).get("options", {})
    claimed = home.claim(path)
    if claimed is None:
        return None
    reason.unlink(missing_ok=True)
    now = {k: v for k, v in msgspec.to_builtins(said).items() if v is not None}
    (claimed.parent / OPTIONS).write_text(json.dumps(before | now), encoding="utf-8")
    return claimed


def _read(reason: Path) -> dict[str, Any]:
    try:
        found = json.loads(reason.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
