"""Whom a request must have asked for: this machine by one of its names, and nobody else.

A page of another origin can have its own name resolved to 127.0.0.1 (DNS rebinding); its requests
then reach this service as if they were of its own page. They still carry that name as Host.
"""

from http import HTTPStatus

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from evitals.service.problems import MEDIA_TYPE, Problem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY_VIOLATION = 1008


def host_of(header: str) -> str:
    """The name in a Host header: without port, in lower case; "" where there is none."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def only(app: ASGIApp, *names: str) -> ASGIApp:
    """``app`` for requests to a loopback name or one of ``names``; others get a 421 problem, a
    WebSocket is closed. So does a request that names no host."""
    allowed = LOOPBACK | {name.strip().lower() for name in names if name.strip()}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        kind: str = scope["type"]
        if kind not in ("http", "websocket"):  # the lifespan
            await app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name.lower() == b"host"]
        host = host_of(given[0].decode("latin-1")) if len(given) == 1 else ""
        if host in allowed:
            await app(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send(
                {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "another host"}
            )
        else:
            await _refuse(host, scope, send)

    return guarded


async def _refuse(host: str, scope: Scope, send: Send) -> None:
    status = HTTPStatus.MISDIRECTED_REQUEST
    problem = Problem(
        type="urn:evitals:problem:unknown_host",
        title="Unknown host",
        status=status,
        detail=f"Host: {host[:120]} is none of this service's names",
        instance=scope["path"],
        reason="unknown_host",
        field="Host",
        value=host[:120],
        remedy="ask for localhost or 127.0.0.1, or name the host in EVITALS_HOST_NAMES",
    )
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
