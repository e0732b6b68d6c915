"""The least a request can cost under our server: reads the body, sends a constant.

``python -m benchmarks.bare PORT SIZE``
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from evitals.service.run import CONNECTIONS

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def application(size: int) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """An ASGI app whose every reply is ``size`` bytes of JSON."""
    body = b'"' + b"x" * max(size - 2, 0) + b'"'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def serve(port: int, size: int) -> None:
    """Serve until SIGTERM, set up as ``evitals.service.run`` does it."""
    server = Server(
        application(size),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        log_level=LogLevels.error,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
