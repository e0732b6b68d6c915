"""One thread that writes: it takes every batch that waits and commits them together."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from evitals.errors import EvitalsError, StoreBusy, StoreError
from evitals.fleet.apply import Applier
from evitals.fleet.records import Batch, LatestRecord

log = logging.getLogger(__name__)
Listener = Callable[[Sequence[LatestRecord]], None]
Item = tuple[Batch, "Future[None]"]
Task = tuple[Callable[[], Any], "Future[Any]"]
QUEUE = 4096
"""Batches that may wait; a submit beyond them raises StoreBusy."""
GROUP = 512
"""Most batches of one commit."""
GATHER_S = 0.005
"""How long batches are gathered where many come at once: a commit costs as much as many rows, and
its thread keeps those who submit from running."""
MANY = 4
"""Batches of the last commit from which on the next ones are gathered."""


class Writer:
    """Owns the writing connection. ``commits`` counts transactions, ``batches`` what they held."""

    def __init__(self, engine: Engine, dialect: Any, queue_size: int = QUEUE) -> None:
        self.commits = self.batches = 0
        self._engine, self._dialect = engine, dialect
        self._applier = Applier(dialect)
        self._listeners: list[Listener] = []
        self._queue: queue.Queue[Item | Task | None] = queue.Queue(queue_size)
        self._gate, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, name="evitals-writer", daemon=True)
        self._thread.start()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` from the writer's thread after each commit that changed answers."""
        self._listeners.append(listener)

    def submit(self, batch: Batch) -> "Future[None]":
        """Queue a batch. Raises StoreBusy when the queue is full, StoreError when closed."""
        future: Future[None] = Future()
        self._put((batch, future))
        return future

    def run(self, task: Callable[[], Any]) -> "Future[Any]":
        """Queue a task that runs in the writer's thread between two commits."""
        future: Future[Any] = Future()
        self._put((task, future))
        return future

    def _put(self, item: Item | Task) -> None:
        with self._gate:
            if self._closed:
                raise StoreError("store: it is closed; open it again")
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                raise StoreBusy(
                    f"store: {self._queue.maxsize} batches wait for the disk; send this again later"
                ) from None

    def close(self) -> None:
        """Commit what waits, then stop. May be called twice."""
        with self._gate:
            if not self._closed:
                self._closed = True
                threading.Thread(target=self._queue.put, args=(None,), daemon=True).start()
        self._thread.join()

    def _run(self) -> None:
        last: Item | Task | None = None
        group: list[Item] = []
        while True:
            if len(group) >= MANY:
                time.sleep(GATHER_S)
            group = []
            last = self._queue.get()
            while isinstance(last, tuple) and isinstance(last[0], Batch):
                group.append((last[0], last[1]))
                if len(group) == GROUP or self._queue.empty():
                    break
                last = self._queue.get()
            # A caller may have cancelled; from here on it no longer can.
            group = [item for item in group if item[1].set_running_or_notify_cancel()]
            if group:
                self._write(group)
            if last is None:
                return
            if not isinstance(last[0], Batch) and last[1].set_running_or_notify_cancel():
                self._perform(last[0], last[1])

    def _perform(self, task: Callable[[], Any], future: "Future[Any]") -> None:
        try:
            future.set_result(task())
        except Exception as error:
            future.set_exception(self._explain(error))
        finally:
            self._applier.forget()

    def _write(self, group: list[Item]) -> None:
        try:
            changed = self._commit(group)
        except Exception as error:
            self._applier.forget()
            if len(group) > 1:
                # One of them is at fault: alone, each stands or falls for itself.
                for item in group:
                    self._write([item])
                return
            group[0][1].set_exception(self._explain(error))
            return
        for _, future in group:
            future.set_result(None)
        if changed:
            self._tell(changed)

    def _commit(self, group: list[Item]) -> list[LatestRecord]:
        with self._engine.begin() as connection:
            changed = self._applier.apply(connection, [batch for batch, _ in group])
        self.commits += 1
        self.batches += len(group)
        return changed

    def _explain(self, error: Exception) -> Exception:
        if isinstance(error, EvitalsError):
            return error
        if not isinstance(error, (SQLAlchemyError, self._dialect.driver_error)):
            log.exception("the writer met an unexpected error")
        explained: StoreError = self._dialect.error(error)
        explained.__cause__ = error
        return explained

    def _tell(self, changed: Sequence[LatestRecord]) -> None:
        for listener in self._listeners:
            try:
                listener(changed)
            except Exception:
                log.exception("a listener of the store failed")
