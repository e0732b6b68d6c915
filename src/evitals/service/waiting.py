"""Waiting for commits from an event loop.

``asyncio.wrap_future`` wakes the loop once a future: a write to a socket, and a change of the
thread that runs, for every reply of a group commit. Here the first one that resolves wakes the
loop, which then takes all that have.
"""

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from functools import partial

Ready = list[tuple["asyncio.Future[None]", "Future[None]"]]


class Waiting:
    """Those of one event loop who wait for the store's futures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: Ready = []

    async def until_done(self, future: "Future[None]") -> None:
        """Wait for ``future``; raises what it raises. A waiter that leaves does not cancel it."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(partial(self._resolved, loop, waiter))
        await waiter

    def _resolved(
        self,
        loop: asyncio.AbstractEventLoop,
        waiter: "asyncio.Future[None]",
        future: "Future[None]",
    ) -> None:
        with self._lock:
            self._ready.append((waiter, future))
            first = len(self._ready) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            ready, self._ready = self._ready, []
        for waiter, future in ready:
            if waiter.done():
                continue
            error = future.exception()
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
