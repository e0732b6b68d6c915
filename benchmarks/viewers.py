"""Browsers without a screen: ``python -m benchmarks.viewers PORT COUNT SECONDS``.

Each opens the page's WebSocket and acknowledges every frame; the first decodes them and prints,
as JSON, when it first saw each round of ``live_host`` (the system's monotonic clock).
"""

import asyncio
import json
import struct
import sys
import time

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.made_up import START_S
from evitals.dashboard.frame import SNAPSHOT, decode

SEQUENCE = struct.Struct("<I")
SEQUENCE_AT = 8


async def view(socket: ClientConnection, seen: dict[int, float] | None) -> None:
    """Acknowledge frames until cancelled; note new rounds in ``seen``."""
    async for frame in socket:
        assert isinstance(frame, bytes)
        if seen is not None:
            note(frame, seen)
        await socket.send(SEQUENCE.pack(*SEQUENCE.unpack_from(frame, SEQUENCE_AT)))


def note(frame: bytes, seen: dict[int, float]) -> None:
    """Decode a frame; a round counts as seen when its first row is. Snapshots do not count."""
    decoded = decode(frame)
    now = time.monotonic()
    if decoded["kind"] == SNAPSHOT:
        return
    for stamp in np.unique(decoded["columns"]["event_s"]):
        seen.setdefault(int(stamp) - START_S, now)


async def watch(port: int, count: int, seconds: float) -> dict[int, float]:
    """``count`` viewers for some seconds; what the first saw."""
    seen: dict[int, float] = {}
    url = f"ws://127.0.0.1:{port}/v1/live"
    sockets = [await connect(url, compression=None, max_size=None) for _ in range(count)]
    tasks = [
        asyncio.create_task(view(socket, seen if k == 0 else None))
        for k, socket in enumerate(sockets)
    ]
    print("watching", flush=True)
    await asyncio.sleep(seconds)
    for task, socket in zip(tasks, sockets, strict=True):
        if task.done():
            task.result()
            raise ConnectionError("the service closed a viewer's connection")
        task.cancel()
        await socket.close()
    return seen


if __name__ == "__main__":
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(asyncio.run(watch(port, count, seconds))))
