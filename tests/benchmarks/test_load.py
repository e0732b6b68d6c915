"""The load generator counts what the server really answered."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from benchmarks.load import Order, Seen, content_length, drive

Answer = Callable[[int, bytes], bytes]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def run(answer: Answer, *, requests: int = 40, connections: int = 4) -> tuple[Seen, list[bytes]]:
    """Drive a small server that answers the n-th request with ``answer(n, body)``."""
    bodies: list[bytes] = []
    numbers = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            body = await reader.readexactly(content_length(head.lower()))
            bodies.append(body)
            reply = answer(next(numbers), body)
            writer.write(reply[:10])
            await writer.drain()
            writer.write(reply[10:])
            if not reply or b"Connection: close" in reply:
                break
        writer.close()

    async def both() -> Seen:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        order = Order(
            port=port, path="/x", connections=connections, bodies=[b"a", b"bb"], seconds=20.0,
            requests=requests,
        )  # fmt: skip
        async with server:
            return await drive(order)

    return asyncio.run(both()), bodies


def test_every_reply_is_counted_once() -> None:
    seen, bodies = run(lambda *_: OK)
    assert (seen.replies, seen.errors) == (40, 0)
    assert len(bodies) == 40
    assert bodies.count(b"a") == bodies.count(b"bb") == 20
    assert seen.reply_bytes == len(OK)
    assert 0.0 < seen.p50_s <= seen.p99_s <= seen.max_s <= seen.seconds


def test_a_server_that_closes_after_each_reply_is_no_error() -> None:
    seen, bodies = run(lambda *_: CLOSING)
    assert (seen.replies, seen.errors) == (40, 0)
    assert len(bodies) == 40


def test_refusals_are_errors_and_the_first_is_shown() -> None:
    refusal = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate"
    seen, _ = run(lambda n, _: refusal if n % 4 == 0 else OK)
    assert (seen.replies, seen.errors) == (40, 10)
    assert seen.first_error.startswith("HTTP/1.1 503")
    assert seen.first_error.endswith("late")


def test_a_connection_cut_before_the_reply_is_an_error() -> None:
    seen, _ = run(lambda n, _: b"" if n == 3 else OK)
    assert seen.errors == 1
    assert seen.replies == 39
    assert "connection lost" in seen.first_error


@pytest.mark.parametrize(
    ("head", "size"),
    [(b"a: b\r\ncontent-length: 12\r\nc: d", 12), (b"content-length:7", 7), (b"a: b", 0)],
)
def test_content_length(head: bytes, size: int) -> None:
    assert content_length(head) == size
