"""The live feed: the fleet's newest state as columns, and one binary frame for all browsers.

``Feed(store, interval_s)`` loads every newest answer and follows the store's commits. While
someone watches, a task encodes what changed as ONE frame, shared by all subscribers: at once
after a quiet spell, then at most every ``interval_s``. A subscriber that has not acknowledged
``WINDOW`` frames is skipped and later gets one fresh snapshot, so memory does not grow with slow
readers.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from itertools import islice

import numpy as np

from evitals.dashboard.frame import (
    DELTA,
    GROUPS,
    ROW,
    SNAPSHOT,
    STATUSES,
    Rows,
    encode,
    row_of,
    tally,
)
from evitals.dashboard.lasso import Lasso
from evitals.fleet.records import LatestRecord
from evitals.fleet.store import Store

WINDOW = 4
"""Frames a subscriber may have unacknowledged."""
HEARTBEAT_S = 5.0
"""Pause after which an empty frame says that the connection lives, s."""
CHUNK = 5_000


class Subscriber:
    """One browser: at most ``WINDOW`` shared frames wait for it; then it needs a snapshot."""

    def __init__(self) -> None:
        self.frames: deque[tuple[int, bytes]] = deque()
        self.needs_snapshot = True
        self.sent = 0
        self.acknowledged = 0
        self.wake = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Frames given out but not acknowledged."""
        return self.sent - self.acknowledged

    def offer(self, sequence: int, frame: bytes) -> None:
        """Queue a frame, or drop all that waits and ask for a snapshot instead."""
        if not self.needs_snapshot and self.in_flight + len(self.frames) >= WINDOW:
            self.needs_snapshot = True
        if self.needs_snapshot:
            self.frames.clear()
        else:
            self.frames.append((sequence, frame))
        self.wake.set()

    def acknowledge(self) -> None:
        """The browser has drawn one more frame."""
        self.acknowledged = min(self.acknowledged + 1, self.sent)
        self.wake.set()


class Feed:
    """The newest state of every vehicle, followed live. Thread-safe where the store calls it."""

    def __init__(self, store: Store, interval_s: float = 0.25) -> None:
        self.interval_s = interval_s
        self.sequence = 0
        self._lock = threading.Lock()
        self._index: dict[str, int] = {}
        self._ids: list[str] = []
        self._table = np.zeros(1024, dtype=ROW)
        self._dirty = np.zeros(1024, dtype=bool)
        self._announced = 0
        self._groups: dict[str, int] = {"": 0}
        self._groups_announced = 1
        self._subscribers: set[Subscriber] = set()
        self._snapshot: tuple[int, bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Listen first: a commit between the two would else be lost.
        store.on_commit(self.apply)
        newest = iter(store.all_latest())
        while chunk := list(islice(newest, CHUNK)):
            self.apply(chunk, keep_known=True)

    def __len__(self) -> int:
        return len(self._ids)

    def apply(self, changed: Sequence[LatestRecord], *, keep_known: bool = False) -> None:
        """Take over newest answers; ``keep_known`` leaves vehicles that have a row already."""
        with self._lock:
            if keep_known:
                changed = [r for r in changed if r.prediction.vehicle_id not in self._index]
            if not changed:
                return
            at = np.array([self._place(r.prediction.vehicle_id) for r in changed])
            self._table[at] = np.array(
                [row_of(r, self._group(r.group)) for r in changed], dtype=ROW
            )
            self._dirty[at] = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just closed: nobody watches
                loop.call_soon_threadsafe(self._changed.set)

    def _place(self, vehicle_id: str) -> int:
        at = self._index.setdefault(vehicle_id, len(self._ids))
        if at == len(self._ids):
            self._ids.append(vehicle_id)
            if at == len(self._table):
                # The new tail is never read before it is written.
                self._table = np.resize(self._table, 2 * at)
                self._dirty = np.concatenate([self._dirty, np.zeros(at, dtype=bool)])
        return at

    def _group(self, name: str) -> int:
        if len(self._groups) >= GROUPS:
            return self._groups.get(name, GROUPS)
        return self._groups.setdefault(name, len(self._groups))

    def rows(self) -> Rows:
        """A copy of all rows, in order of first appearance; see ``frame.ROW``."""
        with self._lock:
            return self._table[: len(self._ids)].copy()

    def chosen(self, lasso: Lasso) -> frozenset[str]:
        """The vehicles inside a polygon."""
        with self._lock:
            rows, ids = self._table[: len(self._ids)].copy(), list(self._ids)
        return frozenset(ids[k] for k in np.flatnonzero(lasso.inside(rows)))

    def summary(self) -> dict[str, object]:
        """Vehicles, mean of the known SoH (None: none), attention, count by status."""
        by_status, mean = tally(self.rows())
        return {
            "vehicles": sum(by_status),
            "soh_mean": None if np.isnan(mean) else round(mean, 6),
            "attention": by_status[1] + by_status[2],
            "by_status": dict(zip(STATUSES, by_status, strict=True)),
        }

    def delta(self) -> bytes:
        """What changed since the last delta as one frame (empty: a heartbeat)."""
        with self._lock:
            self.sequence += 1
            count = len(self._ids)
            index = np.flatnonzero(self._dirty[:count])
            rows, new = self._table[index], self._ids[self._announced :]
            self._dirty[:count] = False
            self._announced = count
            new_groups = list(self._groups)[self._groups_announced :]
            self._groups_announced = len(self._groups)
            by_status, mean = tally(self._table[:count])
            sequence = self.sequence
        return encode(
            DELTA, sequence, rows, new, index=index, vehicles=count, by_status=by_status,
            soh_mean=mean, sent_s=time.time(), new_groups=new_groups,
        )  # fmt: skip

    def snapshot(self) -> tuple[int, bytes]:
        """The state at the newest sequence with all ids, encoded once per sequence.

        Rows that changed after that sequence are in it too; the next delta repeats them.
        """
        if self._snapshot is None or self._snapshot[0] != self.sequence:
            with self._lock:
                sequence, ids = self.sequence, self._ids[: self._announced]
                rows = self._table[: self._announced].copy()
                groups = list(self._groups)[1 : self._groups_announced]
            by_status, mean = tally(rows)
            frame = encode(
                SNAPSHOT, sequence, rows, ids, vehicles=len(ids), by_status=by_status,
                soh_mean=mean, sent_s=time.time(), new_groups=groups,
            )  # fmt: skip
            self._snapshot = (sequence, frame)
        return self._snapshot

    async def watch(self, subscriber: Subscriber) -> AsyncGenerator[bytes, None]:
        """Frames for one browser: a snapshot, then deltas, and a snapshot again if it lagged."""
        self._join(subscriber)
        try:
            while True:
                frame = self._next(subscriber)
                if frame is not None:
                    subscriber.sent += 1
                    yield frame
                    continue
                subscriber.wake.clear()
                await subscriber.wake.wait()
        finally:
            self._leave(subscriber)

    def _next(self, subscriber: Subscriber) -> bytes | None:
        if subscriber.in_flight >= WINDOW:
            return None
        if subscriber.needs_snapshot:
            subscriber.needs_snapshot = False
            subscriber.frames.clear()
            return self.snapshot()[1]
        return subscriber.frames.popleft()[1] if subscriber.frames else None

    def _join(self, subscriber: Subscriber) -> None:
        self._subscribers.add(subscriber)
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._changed = asyncio.Event()
            self._publish()  # changes that came while nobody watched go into the snapshot
            self._task = self._loop.create_task(self._run())

    def _leave(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task, self._loop, self._snapshot = None, None, None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), HEARTBEAT_S)
            self._changed.clear()
            self._publish()
            await asyncio.sleep(self.interval_s)

    def _publish(self) -> None:
        frame = self.delta()
        for subscriber in self._subscribers:
            subscriber.offer(self.sequence, frame)
