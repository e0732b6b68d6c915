"""``POST /predict`` answered before the framework routes it: routing costs as much as the answer.

Only what can be answered is answered here. Everything else (another media type, too long a body,
a refusal, a store that is busy) goes on to the framework's own handler, which reads the same
bytes again; that is safe, because nothing was stored.
"""

import time
from typing import Any

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from evitals.service.metrics import Metrics
from evitals.service.routes.context import Service
from evitals.service.routes.predict import JSON, MAX_ONE_BYTES, PATH, reply_to

MEDIA_TYPE = JSON.encode()
Read = list[Any]
"""Messages of a request, as the server gave them."""


def before(app: Litestar, routed: ASGIApp, metrics: Metrics) -> ASGIApp:
    """``routed`` (the framework's handler of ``app``) with ``POST /predict`` taken out.

    What is answered here is counted in ``metrics`` here.
    """

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] != PATH or not _is_ours(scope):
            await routed(scope, receive, send)
            return
        started = time.perf_counter()
        read = await _read(receive)
        body = await _answer(app.state.service, read)
        if body is None:
            await routed(scope, _again(read, receive), send)
            return
        await _send(send, body)
        metrics.count("POST", PATH, 200, started)

    return handler


def _is_ours(scope: Any) -> bool:
    if scope["method"] != "POST":
        return False
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(kinds) == 1 and kinds[0].partition(b";")[0].strip().lower() == MEDIA_TYPE


async def _read(receive: Receive) -> Read:
    """The request's messages, up to the first that makes it too long."""
    read: Read = []
    length = 0
    while length <= MAX_ONE_BYTES:
        message: Any = await receive()
        read.append(message)
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    return read


async def _answer(service: Service, read: Read) -> bytes | None:
    """The reply, committed; None where there is none."""
    if read[-1].get("more_body") or read[-1]["type"] != "http.request":
        return None
    body = b"".join([message.get("body", b"") for message in read])
    if len(body) > MAX_ONE_BYTES:
        return None
    try:
        return await reply_to(service, body)
    except Exception:
        return None  # asked again, the framework's handler says why, and logs what is our fault


def _again(read: Read, receive: Receive) -> Receive:
    """``receive`` with what was read already first."""
    waiting = iter(read)

    async def replay() -> Any:
        for message in waiting:
            return message
        return await receive()

    return replay


async def _send(send: Send, body: bytes) -> None:
    headers = [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
