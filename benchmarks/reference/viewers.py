"""Streamlit's browsers without a screen: ``python -m benchmarks.reference.viewers PORT COUNT S``.

They speak its protocol: ask for the script, and again for the fragment every time its pause is
over, as its page does. The first prints as JSON when it first saw each round of
``reference.writer`` (the system's monotonic clock), which ``reference.page`` shows.
"""

import asyncio
import json
import sys
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

LABEL = "Round"
SUBPROTOCOL = Subprotocol("streamlit")


class Viewer:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: dict[int, float] = {}
        self.timers: dict[str, asyncio.Task[None]] = {}
        self.drawn = asyncio.Event()

    async def rerun(self, fragment: str = "") -> None:
        """Ask for the script, or for one fragment of it."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        if fragment:
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
        await self.socket.send(message.SerializeToString())

    async def every(self, fragment: str, seconds: float) -> None:
        """Ask for a fragment again and again."""
        while True:
            await asyncio.sleep(seconds)
            await self.rerun(fragment)

    async def view(self) -> None:
        """Read what the server sends until cancelled."""
        await self.rerun()
        async for data in self.socket:
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "auto_rerun":
                fragment = message.auto_rerun.fragment_id
                if fragment not in self.timers:
                    pause = self.every(fragment, message.auto_rerun.interval)
                    self.timers[fragment] = asyncio.create_task(pause)
            elif kind == "delta":
                element = message.delta.new_element
                if element.WhichOneof("type") == "metric" and element.metric.label == LABEL:
                    self.seen.setdefault(int(element.metric.body), time.monotonic())
                    self.drawn.set()

    async def close(self) -> None:
        """Leave."""
        for timer in self.timers.values():
            timer.cancel()
        await self.socket.close()


async def watch(port: int, count: int, seconds: float) -> dict[int, float]:
    """``count`` viewers for some seconds after all have drawn once; what the first saw."""
    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    viewers = []
    for _ in range(count):
        socket = await connect(url, subprotocols=[SUBPROTOCOL], max_size=None, ping_timeout=None)
        viewers.append(Viewer(socket))
    tasks = [asyncio.create_task(viewer.view()) for viewer in viewers]
    await asyncio.wait_for(asyncio.gather(*(v.drawn.wait() for v in viewers)), 120.0)
    print("watching", flush=True)
    await asyncio.sleep(seconds)
    for task, viewer in zip(tasks, viewers, strict=True):
        task.cancel()
        await viewer.close()
    return viewers[0].seen


if __name__ == "__main__":
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(asyncio.run(watch(port, count, seconds))))
