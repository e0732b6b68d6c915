"""A load generator in its own process: uvloop, raw sockets, a closed loop per connection.

``python -m benchmarks.load`` reads its order as JSON from standard input and prints what it saw
as JSON. Each connection sends its next request as soon as it has read the reply to the last one;
connections the server closes are opened again. It parses no more of HTTP than status, length and
"connection: close", and costs about 15 us a request, counted apart from the server's CPU.
"""

import asyncio
import subprocess
import sys
import time
from typing import cast

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.processes import ROOT

END = b"\r\n\r\n"


class Order(Struct, frozen=True, kw_only=True):
    """What to send: ``bodies`` in turn as POSTs of ``media_type``, for ``seconds`` or until
    ``requests`` replies have come, whichever is first."""

    port: int
    path: str
    connections: int
    bodies: list[bytes]
    media_type: str = "application/json"
    seconds: float = 5.0
    requests: int = 1_000_000_000


class Seen(Struct, frozen=True, kw_only=True):
    """What came back. ``errors`` are replies other than 2xx and connections cut in between."""

    replies: int
    errors: int
    seconds: float
    rate: float
    p50_s: float
    p99_s: float
    max_s: float
    reply_bytes: int
    client_cpu_s: float
    first_error: str = ""


class Run:
    """What all connections share."""

    def __init__(self, order: Order) -> None:
        head = (
            f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
            f"Content-Type: {order.media_type}\r\nContent-Length: "
        ).encode()
        self.messages = [head + str(len(b)).encode() + END + b for b in order.bodies]
        self.order = order
        self.next = 0
        self.latencies: list[float] = []
        self.errors = 0
        self.first_error = ""
        self.reply_bytes = 0
        self.open = 0
        self.done = asyncio.get_running_loop().create_future()
        self.end = time.perf_counter() + order.seconds

    def message(self) -> bytes | None:
        """The next request, or None when it is time to stop."""
        if time.perf_counter() >= self.end or self.next >= self.order.requests:
            return None
        self.next += 1
        return self.messages[self.next % len(self.messages)]

    def fail(self, what: str) -> None:
        """Count an error and remember the first."""
        self.errors += 1
        self.first_error = self.first_error or what[:300]

    def leave(self) -> None:
        """A connection has stopped for good."""
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One connection's closed loop."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.start = 0.0
        self.waiting = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.send()

    def send(self) -> None:
        """Send the next request, or stop."""
        assert self.transport is not None
        message = self.run.message()
        self.waiting = message is not None
        if message is None:
            self.transport.close()
            return
        self.start = time.perf_counter()
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        """Read on; once the reply is whole, count it and go on."""
        self.buffer += data
        at = self.buffer.find(END)
        if at < 0:
            return
        head = self.buffer[:at].lower()
        size = at + 4 + content_length(head)
        if len(self.buffer) < size:
            return
        run = self.run
        run.latencies.append(time.perf_counter() - self.start)
        run.reply_bytes = size
        if not head.startswith((b"http/1.1 2", b"http/1.0 2")):
            run.fail(self.buffer.decode("utf-8", "replace"))
        self.buffer, self.waiting = b"", False
        if b"connection: close" in head:
            return  # the server closes; connection_lost opens it again
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Open again while there is something to send."""
        if self.waiting:
            self.run.fail(f"connection lost: {exc}")
        if time.perf_counter() < self.run.end and self.run.next < self.run.order.requests:
            task = asyncio.ensure_future(connect(self.run, self))
            task.add_done_callback(lambda done: done.exception())
        else:
            self.run.leave()


def content_length(head: bytes) -> int:
    """Bytes of the body, by a lower-case head; 0 where it does not say."""
    _, found, rest = head.partition(b"content-length:")
    return int(rest.partition(b"\r")[0]) if found else 0


async def connect(run: Run, protocol: Connection) -> None:
    """Open a connection for ``protocol``; tries again a moment later where it is refused."""
    while True:
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: protocol, "127.0.0.1", run.order.port)
            return
        except OSError as error:
            run.fail(f"cannot connect: {error}")
            if time.perf_counter() >= run.end:
                run.leave()
                return
            await asyncio.sleep(0.01)


async def drive(order: Order) -> Seen:
    """Load the server as ordered."""
    run = Run(order)
    start, cpu = time.perf_counter(), time.process_time()
    run.open = order.connections
    for _ in range(order.connections):
        await connect(run, Connection(run))
    await run.done
    seconds = time.perf_counter() - start
    seen = np.array(run.latencies or [0.0])
    return Seen(
        replies=len(run.latencies),
        errors=run.errors,
        seconds=seconds,
        rate=len(run.latencies) / seconds,
        p50_s=float(np.quantile(seen, 0.5)),
        p99_s=float(np.quantile(seen, 0.99)),
        max_s=float(seen.max()),
        reply_bytes=run.reply_bytes,
        client_cpu_s=time.process_time() - cpu,
        first_error=run.first_error,
    )


def load(order: Order) -> Seen:
    """Run an order in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=msgspec.json.encode(order),
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Seen)


if __name__ == "__main__":
    import uvloop

    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(drive(given))))
