"""Endurance: ``python -m benchmarks.soak --minutes 15``.

Posts of /predict, posts of trips, files dropped into ``incoming/`` and viewers of the page at
once, at a bounded rate, while the service is killed with SIGKILL at random moments and started
again. A sender whose post was not answered sends it again, as a sender must. At the end every
accepted trip is in the store once, every file lies in the archive once, and memory and open files
of the long-lived stretches have not grown. Writes benchmarks/results/soak.json; the exit code
says whether all held.
"""

import argparse
import asyncio
import hashlib
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.claims.file_drop import describe_vehicles, drop
from benchmarks.machine import describe
from benchmarks.processes import EVITALS, Server, free_port, until
from benchmarks.requests import bodies
from benchmarks.trips import trip_csv
from benchmarks.viewers import SEQUENCE, SEQUENCE_AT
from evitals.fleet.open import FILE_NAME

OUT = Path(__file__).parent / "results" / "soak.json"
VEHICLES = 50
VIEWERS = 5
PREDICTS_PER_S, TRIPS_PER_S, FILES_PER_S = 40.0, 2.0, 4.0
KILL_EVERY_S = (8.0, 25.0)
CALM_SHARE = 0.3
"""The last part of the time without kills, in which memory and open files must stay flat."""
WARM_SHARE = 0.3
"""The part of the calm in which caches may still fill."""
SAMPLE_S = 2.0
FLAT_MB, FLAT_FILES = 20.0, 8
DRAIN_WITHIN_S = 300.0


@dataclass
class Sent:
    """What was accepted: answered posts by key, files dropped by name."""

    predictions: set[str] = field(default_factory=set)
    """Trip digests that an answer named."""
    posted: dict[str, str] = field(default_factory=dict)
    """SHA-256 of a posted trip -> its vehicle."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of a dropped file -> its name."""
    counts: Counter[str] = field(default_factory=Counter)


class Soak:
    """One endurance run over one home folder."""

    def __init__(self, home: Path, seconds: float, seed: int) -> None:
        self.home = home
        self.end = time.monotonic() + seconds
        self.calm = self.end - CALM_SHARE * seconds
        self.rng = random.Random(seed)
        self.port = free_port()
        self.server = self.start()
        self.sent = Sent()
        self.samples: list[tuple[float, float, int]] = []
        self.frames = 0
        self.failures: list[str] = []

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.end

    def start(self) -> Server:
        """``evitals serve`` on the same port, over the same home."""
        command = [*EVITALS, "serve", "--home", str(self.home), "--port", str(self.port)]
        return Server(command, self.port, self.home.parent / "serve.log", "/health/ready")

    def post(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        """Post until it is answered. Raises RuntimeError for an answer that is a refusal."""
        url = f"http://127.0.0.1:{self.port}{path}"
        while True:
            request = urllib.request.Request(url, body, {"Content-Type": kind})
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    answer: dict[str, Any] = json.loads(reply.read())
                    return answer
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise RuntimeError(f"{path}: {error.code} {error.read()[:500]!r}") from error
            except (OSError, ValueError, EOFError):
                pass  # killed in between: whether it was stored is not known, so send it again
            self.sent.counts["sent_again"] += 1
            time.sleep(0.2)

    def predict(self, number: int) -> None:
        """One /predict, dated, so that the same one sent twice is the same test."""
        body = json.loads(BODIES[number % len(BODIES)])
        body["vehicle_id"] = f"cell-{number % VEHICLES:04d}"
        body["event_time"] = f"2025-{1 + number % 12:02d}-01T{number % 24:02d}:00:00Z"
        body["discharge_time_s"] = 2000.0 + number % 1_000_000 / 100.0
        answer = self.post("/predict", json.dumps(body).encode(), "application/json")
        self.sent.predictions.add(answer["trip_digest"])
        self.sent.counts["predict"] += 1

    def trip(self, number: int) -> None:
        """One trip posted as CSV."""
        data = trip_csv(1_000_000 + number)
        vehicle = f"car-{number % VEHICLES:04d}"
        self.post(f"/v1/trips?vehicle_id={vehicle}", data, "text/csv")
        self.sent.posted[hashlib.sha256(data).hexdigest()] = vehicle
        self.sent.counts["trip"] += 1

    def file(self, number: int) -> None:
        """One file dropped, whether or not anybody watches now."""
        data = trip_csv(2_000_000 + number)
        name = f"car-{number % VEHICLES:04d}_{number:07d}.csv"
        beside = self.home.parent / name
        beside.write_bytes(data)
        drop(beside, self.home / "incoming")
        beside.unlink()
        self.sent.files[hashlib.sha256(data).hexdigest()] = name
        self.sent.counts["file"] += 1

    def repeat(self, act: Callable[[int], None], per_s: float) -> None:
        """Do ``act`` at a bounded rate until the time is up; what it raises is a failure."""
        number = 0
        try:
            while not self.over:
                began = time.monotonic()
                act(number)
                number += 1
                time.sleep(max(0.0, 1.0 / per_s - (time.monotonic() - began)))
        except Exception as error:
            self.failures.append(f"{act.__name__}: {error!r}")

    def watch_page(self) -> None:
        """Viewers that come back after every kill."""
        asyncio.run(self._viewers())

    async def _viewers(self) -> None:
        await asyncio.gather(*(self._viewer() for _ in range(VIEWERS)))

    async def _viewer(self) -> None:
        url = f"ws://127.0.0.1:{self.port}/v1/live"
        while not self.over:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(url, compression=None, max_size=None) as socket:
                    while not self.over:
                        frame = await asyncio.wait_for(socket.recv(), 10.0)
                        assert isinstance(frame, bytes)
                        self.frames += 1
                        await socket.send(SEQUENCE.pack(*SEQUENCE.unpack_from(frame, SEQUENCE_AT)))
            await asyncio.sleep(0.2)

    def disturb(self) -> None:
        """Kill and start again until the calm; then sample memory and open files."""
        while time.monotonic() < self.calm:
            time.sleep(min(self.rng.uniform(*KILL_EVERY_S), max(0.0, self.calm - time.monotonic())))
            self.server.kill()
            self.sent.counts["kill"] += 1
            self.server = self.start()
        while not self.over:
            self.samples.append(
                (time.monotonic(), self.server.memory_mb(), self.server.open_files())
            )
            time.sleep(SAMPLE_S)

    def run(self) -> None:
        """All of it, until the time is up and what was dropped is read."""
        describe_vehicles(self.server, VEHICLES)
        works = [
            lambda: self.repeat(self.predict, PREDICTS_PER_S),
            lambda: self.repeat(self.trip, TRIPS_PER_S),
            lambda: self.repeat(self.file, FILES_PER_S),
            self.watch_page,
        ]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            self.disturb()
        finally:
            self.end = min(self.end, time.monotonic())
            for thread in threads:
                thread.join()
        folders = (self.home / "incoming", self.home / ".claimed")
        until(lambda: not any(any(f.iterdir()) for f in folders), DRAIN_WITHIN_S)
        self.server.stop()

    def judge(self) -> dict[str, Any]:
        """What must hold at the end, each with its verdict."""
        checks = {"no sender failed": not self.failures}
        digests, files = self._stored()
        lost = self.sent.predictions - set(digests)
        checks["every answered prediction is stored"] = not lost
        checks["no trip is stored twice"] = len(digests) == len(set(digests))
        for what, given in (("posted trip", self.sent.posted), ("dropped file", self.sent.files)):
            checks[f"every {what} is stored"] = all(files.get(d) == "stored" for d in given)
        extra = len(digests) - len(self.sent.predictions) - len(self.sent.posted)
        checks["one trip a file"] = extra == len(self.sent.files)
        archived = Counter(_digests(self.home / "archive"))
        checks["every dropped file is archived once"] = archived == Counter(list(self.sent.files))
        grown_mb, grown_files = _growth(self.samples)
        checks["memory is flat"] = grown_mb <= FLAT_MB
        checks["open files are flat"] = grown_files <= FLAT_FILES
        return {
            "held": all(checks.values()),
            "checks": checks,
            "failures": self.failures,
            "counts": dict(self.sent.counts),
            "frames": self.frames,
            "stored_trips": len(digests),
            "memory_mb": _ends([m for _, m, _ in self.samples]),
            "memory_grown_mb": round(grown_mb, 1),
            "open_files": _ends([float(n) for _, _, n in self.samples]),
        }

    def _stored(self) -> tuple[list[str], dict[str, str]]:
        """Digests of all trips, and what became of every file or message by its digest."""
        with closing(sqlite3.connect(self.home / FILE_NAME)) as store:
            trips = [row[0].hex() for row in store.execute("SELECT digest FROM trips")]
            files = {
                row[0].hex(): row[1] for row in store.execute("SELECT digest, state FROM files")
            }
        return trips, files


BODIES = bodies()


def _digests(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def _ends(values: list[float]) -> list[float]:
    """First, highest and last."""
    return [round(values[0], 1), round(max(values), 1), round(values[-1], 1)] if values else []


def _growth(samples: list[tuple[float, float, int]]) -> tuple[float, int]:
    """How much the last third's highest memory and open files exceed those of the first third
    after the caches have filled."""
    settled = samples[int(WARM_SHARE * len(samples)) :]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    memory = max(m for _, m, _ in last) - max(m for _, m, _ in first)
    return memory, max(n for *_, n in last) - max(n for *_, n in first)


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print and keep the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="evitals-soak-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        soak = Soak(home, 60.0 * given.minutes, given.seed)
        try:
            soak.run()
        finally:
            soak.server.stop()
        report = {"minutes": given.minutes, "seed": given.seed, **soak.judge()}
    report["machine"] = describe()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    given.out.write_bytes(text + b"\n")
    print(text.decode())
    return 0 if report["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
