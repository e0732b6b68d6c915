"""kill -9 at any moment: nothing is lost, nothing is there twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from evitals.fleet.open import open_store
from evitals.fleet.records import PredictionRecord
from evitals.service.home import REASON
from evitals.service.pipeline import Pipeline
from evitals.settings import Settings

from ..made_up import csv, drive

ID = "bmw-i3-60ah"
VICTIM = Path(__file__).with_name("victim.py")
BAD = b"\x00\x01\x02 rubbish \xff" * 50


class Victims:
    """Children that watch a home, one at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, str(VICTIM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.child = 0

    def start(self, die_at: int | None = None) -> None:
        assert self.process.stdin
        assert self.process.stdout
        order = {"home": str(self.home), "die_at": die_at}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.child = int(self.process.stdout.readline())

    def alive(self) -> bool:
        return Path(f"/proc/{self.child}").exists()

    def kill(self) -> None:
        if self.alive():
            os.kill(self.child, signal.SIGKILL)
        until(lambda: not self.alive())

    def end(self) -> None:
        self.kill()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def drop(home: Path, name: str, data: bytes) -> None:
    """Put a file into incoming/ as a careful sender does."""
    incoming = home / "incoming"
    incoming.mkdir(exist_ok=True)
    half = incoming / f".{name}"
    half.write_bytes(data)
    half.rename(incoming / name)


def contents(folder: Path) -> list[bytes]:
    """The files under a folder without their reasons, in a comparable order."""
    paths = [p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(REASON)]
    return sorted(p.read_bytes() for p in paths)


def history(home: Path) -> list[PredictionRecord]:
    with closing(open_store(home)) as store:
        rows = store.trend(ID)
    return [msgspec.structs.replace(row, scored_s=0) for row in rows]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def victims(home: Path) -> Iterator[Victims]:
    made = Victims(home)
    yield made
    made.end()


@pytest.fixture(scope="module")
def drives() -> list[bytes]:
    return [csv(drive(day, minutes=5)) for day in range(24)]


@pytest.fixture(scope="module")
def undisturbed(
    drives: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> list[PredictionRecord]:
    """What a watch that nobody kills remembers of the drives."""
    home = tmp_path_factory.mktemp("undisturbed")
    with closing(open_store(home)) as store:
        pipeline = Pipeline(store, Settings(home=home))
        for data in drives:
            pipeline.ingest_bytes(data, vehicle_id=ID)
    return history(home)


def check_settled(home: Path, drives: list[bytes]) -> None:
    """Every file lies in exactly one place, and no claim is left."""
    assert contents(home / "archive") == sorted(drives)
    assert contents(home / "quarantine") == [BAD]
    assert contents(home / "held") == [drives[0]]
    for folder in (home / "quarantine", home / "held"):
        assert len(list(folder.glob(f"[!.]*{REASON}"))) == 1
        assert len(list(folder.iterdir())) == 2
    assert not list((home / "incoming").iterdir())
    assert not list((home / ".claimed").iterdir())


def settled(home: Path) -> bool:
    folders = [home / "incoming", home / ".claimed"]
    return all(folder.is_dir() and not any(folder.iterdir()) for folder in folders)


def test_killed_at_random_moments(
    home: Path, victims: Victims, drives: list[bytes], undisturbed: list[PredictionRecord]
) -> None:
    rng = random.Random(20240301)
    waiting = [(f"{ID}_{i:02}.csv", data) for i, data in enumerate(drives)]
    waiting += [("bad.csv", BAD), ("nobody.csv", drives[0])]
    rng.shuffle(waiting)
    kills = 0
    while waiting or not settled(home):
        for name, data in [waiting.pop() for _ in range(min(2, len(waiting)))]:
            drop(home, name, data)
        if kills < 30:
            victims.start()
            time.sleep(rng.uniform(0.05, 0.5))
            victims.kill()
            kills += 1
        else:
            victims.start()
            until(lambda: settled(home))
            victims.kill()
    assert kills >= 13
    check_settled(home, drives)
    assert history(home) == undisturbed


def test_killed_before_every_step(home: Path, victims: Victims, drives: list[bytes]) -> None:
    """Step by step through an archived, a quarantined and a held file, until none is left."""
    few = drives[:3]
    died = 0
    for step in range(1, 60):
        if step == 1 or settled(home):
            number = step % len(few)
            drop(home, f"{ID}_{step}.csv", few[number])
            drop(home, f"bad_{step}.csv", BAD)
            drop(home, f"nobody_{step}.csv", few[0])
        victims.start(die_at=step)
        until(lambda: settled(home) or not victims.alive())
        survived = victims.alive()
        victims.kill()
        if survived:
            break
        died += 1
    assert survived
    victims.start()
    until(lambda: settled(home))
    victims.kill()
    assert died > 12
    rounds = len(contents(home / "quarantine"))
    assert contents(home / "quarantine") == [BAD] * rounds
    assert len(contents(home / "archive")) == rounds
    assert contents(home / "held") == [few[0]] * rounds
    for folder in (home / "quarantine", home / "held"):
        assert len(list(folder.glob(f"*{REASON}"))) == rounds
        assert len(list(folder.iterdir())) == 2 * rounds
    seen = set(contents(home / "archive"))
    assert len(history(home)) == len(seen)
