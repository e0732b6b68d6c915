"""Servers as children: started, waited for, their CPU and memory read, ended by process id."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
EVITALS = (sys.executable, "-c", "from evitals.cli import main; main()")
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A child that listens on ``port``, with its own children."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        ready: str = "/",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = port
        self.log = log
        given = {"OMP_NUM_THREADS": "1", **(environment or {})}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                list(command), cwd=ROOT, stdout=out, stderr=out, env=os.environ | given
            )
        try:
            self.wait(ready)
        except BaseException:
            self.stop()
            raise

    def wait(self, ready: str) -> None:
        """Return once ``ready`` answers. Raises TimeoutError with the end of the log."""
        until(lambda: self._answers(ready), START_WITHIN_S, lambda: self.log.read_text()[-2000:])

    def _answers(self, path: str) -> bool:
        if self.process.poll() is not None:
            raise ChildProcessError(f"it ended: {self.log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as reply:
                return bool(reply.status < 500)
        except urllib.error.HTTPError as error:
            return bool(error.code < 500)
        except OSError:
            return False

    def tree(self) -> list[psutil.Process]:
        """The child and its children."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_s(self) -> float:
        """CPU seconds of the whole tree so far, user and system."""
        return float(sum(t.user + t.system for t in (p.cpu_times() for p in self.tree())))

    def memory_mb(self) -> float:
        """Resident memory of the whole tree, MB."""
        return float(sum(p.memory_info().rss for p in self.tree())) / 1e6

    def open_files(self) -> int:
        """File descriptors of the whole tree."""
        return sum(int(p.num_fds()) for p in self.tree())

    def kill(self) -> None:
        """End with SIGKILL, at once, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End with SIGTERM, and with SIGKILL what does not listen to it."""
        tree = self.tree() if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            for process in tree:
                process.kill()
            self.process.wait()


@contextmanager
def evitals(home: Path, **environment: str) -> Iterator[Server]:
    """``evitals serve`` as a user would start it, over ``home``."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    command = [*EVITALS, "serve", "--home", str(home), "--port", str(port)]
    server = Server(command, port, home / "serve.log", "/health/live", environment)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def reference(folder: Path) -> Iterator[Server]:
    """The reference's API under gunicorn with 2 workers, its models trained where absent."""
    from benchmarks.reference import trees
    from benchmarks.reference.api import prepare

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "sop.json").is_file():
        trees.train(folder)
    prepare(folder)
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}",
        "--backlog", "2048", "--log-level", "warning", "benchmarks.reference.api:create_app()",
    ]  # fmt: skip
    server = Server(command, port, folder / "gunicorn.log", "/", {"REFERENCE_HOME": str(folder)})
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def bare(folder: Path, size: int) -> Iterator[Server]:
    """An ASGI app under the same server as evitals that only sends ``size`` bytes."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", str(port), str(size)]
    server = Server(command, port, folder / "bare.log")
    try:
        yield server
    finally:
        server.stop()


def timed(work: Callable[[], object]) -> float:
    """Wall-clock seconds that ``work`` takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def until(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = str) -> float:
    """Wait for ``condition``; returns the seconds it took. Raises TimeoutError."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not within {seconds} s: {explain()}")
        time.sleep(0.02)
    return time.monotonic() - start
