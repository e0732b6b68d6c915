"""The folder watch: whatever is dropped into ``incoming/`` is ingested once it is complete.

A file counts as complete when its size and time have not changed for ``watch_stable_s`` and no
process has it open for writing. Dot-files, ``*.part`` and ``*.tmp`` are left alone: write under
such a name and rename for the fastest intake. Start-up scan, events, and a slow rescan find
files; a claim by rename decides who reads one.
"""

import fcntl
import logging
import os
import queue
import signal
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import watchfiles

from evitals.errors import StoreError
from evitals.service.intake import Intake
from evitals.service.owner import OWNER, address
from evitals.service.pipeline import Pipeline
from evitals.settings import Settings

log = logging.getLogger(__name__)

WORKERS = 4
STEP_MS = 10
"""How often the watcher looks for events, ms: the price of a low latency is 100 wake-ups a s."""
RETRY_S = 1.0
"""Pause before a file is tried again that the store could not take."""
UNFINISHED = (".part", ".tmp")

Signature = tuple[int, int, int]
"""Size, modification time in ns, inode."""


class Watch:
    """Watches one home folder until stopped. ``alive`` is false once a thread of it has died."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.settings = settings
        self.home = pipeline.home
        self.intake = Intake(pipeline)
        self._seen: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._workers: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Own the home, take up what a killed process left, and watch.

        Raises HomeInUse where another process owns the home.
        """
        self.home.own(OWNER + address(self.settings.host, self.settings.port))
        self._stop.clear()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="intake")
        for path in self.home.recover():
            self._workers.submit(self._take, path)
        for path in self.intake.releasable():
            claimed = self.home.claim(path)
            if claimed is not None:
                self._workers.submit(self._take, claimed)
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._listen, "watch-events"), (self._settle, "watch-settle"))
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the files being read, then let go of the home. Claimed files that nobody has
        begun stay claimed; the next start takes them up."""
        self._stop.set()
        self._seen.put(None)
        for thread in self._threads:
            thread.join()
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
        self._workers = None
        self._threads = []
        self.home.disown()

    @property
    def alive(self) -> bool:
        """Whether it watches."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def _listen(self) -> None:
        """Names that changed, as the operating system reports them."""
        while not self._stop.is_set():
            try:
                self._hear()
            except (OSError, RuntimeError) as error:
                log.error("incoming/ cannot be watched, only scanned: %s", error)
                self._stop.wait(self.settings.watch_rescan_s)

    def _hear(self) -> None:
        for changes in watchfiles.watch(
            self.home.incoming,
            watch_filter=None,
            debounce=4 * STEP_MS,
            step=STEP_MS,
            rust_timeout=500,
            stop_event=self._stop,
            raise_interrupt=False,
            recursive=False,
        ):
            for change, path in changes:
                if change != watchfiles.Change.deleted:
                    self._seen.put(Path(path).name)

    def _settle(self) -> None:
        """Wait until a file is complete, claim it, and hand it to a worker."""
        pending: dict[str, tuple[Signature, float]] = {}
        scans = [0.0, 0.2, 1.0]
        next_scan = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= next_scan:
                for name in self._scan():
                    self._note(name, pending)
                next_scan = now + (scans.pop(0) if scans else self.settings.watch_rescan_s)
            for name in [n for n, (_, ready) in pending.items() if ready <= now]:
                self._try_claim(name, pending)
            wake = min([next_scan, *(ready for _, ready in pending.values())])
            try:
                changed = self._seen.get(timeout=max(0.0, wake - time.monotonic()))
            except queue.Empty:
                continue
            if changed is not None:
                self._note(changed, pending)

    def _scan(self) -> list[str]:
        try:
            return [path.name for path in self.home.incoming.iterdir()]
        except OSError as error:
            log.error("incoming/ cannot be listed: %s", error)
            return []

    def _note(self, name: str, pending: dict[str, tuple[Signature, float]]) -> None:
        """(Re)start the wait for a file that is new or has changed."""
        if name.startswith(".") or name.lower().endswith(UNFINISHED):
            return
        found = _signature(self.home.incoming / name)
        if found is None:
            pending.pop(name, None)
        elif name not in pending or pending[name][0] != found:
            pending[name] = found, time.monotonic() + self.settings.watch_stable_s

    def _try_claim(self, name: str, pending: dict[str, tuple[Signature, float]]) -> None:
        path = self.home.incoming / name
        before = pending.pop(name)[0]
        now = _signature(path)
        if now is None:
            return
        if now != before or _being_written(path):
            pending[name] = now, time.monotonic() + self.settings.watch_stable_s
            return
        try:
            claimed = self.home.claim(path)
        except OSError as error:
            log.error("%s cannot be claimed: %s", name, error)
            return
        if claimed is not None and self._workers is not None:
            self._workers.submit(self._take, claimed)

    def _take(self, path: Path) -> None:
        """Take a claimed file; what the store cannot take now is tried again."""
        while True:
            try:
                self.intake.take(path)
                return
            except StoreError as error:
                log.warning("%s waits for the store: %s", path.name, error)
            except Exception as error:
                log.exception("%s", path.name)
                self._give_up(path, error)
                return
            if self._stop.wait(RETRY_S):
                return

    def _give_up(self, path: Path, error: Exception) -> None:
        try:
            self.intake.give_up(path, error)
        except Exception:
            log.exception("%s stays claimed until the next start", path.name)


def _signature(path: Path) -> Signature | None:
    """What changes when a file does; None for a folder or what is gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _being_written(path: Path) -> bool:
    """Whether a process has the file open for writing (Linux; elsewhere: not known, so no).

    A read lease is refused while anyone may write. Should somebody open the file during the
    lease, the kernel would send SIGIO, which kills: SIGURG, ignored by default, is sent instead.
    """
    lease, send = getattr(fcntl, "F_SETLEASE", None), getattr(fcntl, "F_SETSIG", 10)
    if lease is None or not stat.S_ISREG(path.lstat().st_mode):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, send, signal.SIGURG)
        fcntl.fcntl(handle, lease, fcntl.F_RDLCK)
        fcntl.fcntl(handle, lease, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
