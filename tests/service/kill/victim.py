"""A process that forks watching children to be killed. Not a test; test_kill.py starts it.

Reads orders from standard input, one JSON object a line: ``{"home": ..., "die_at": n or null}``.
Each forks a child that watches the home, and writes the child's process id. A child told ``n``
kills itself with SIGKILL right before its n-th step: a change in the file system, or a commit
(before and after). Everything slow is imported and compiled before the first fork.
"""

import json
import os
import signal
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import numpy as np

from evitals.battery import describe
from evitals.estimators.answer import Segment
from evitals.estimators.assessor import Assessor
from evitals.features import extract
from evitals.fleet.open import open_store
from evitals.fleet.records import Batch
from evitals.service.pipeline import Pipeline
from evitals.service.watch import Watch
from evitals.settings import Settings

STEPS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove"}


class Fate:
    """Counts steps and ends the process before the one that was chosen."""

    def __init__(self, home: str, die_at: int | None) -> None:
        self.home = home
        self.left = die_at

    def step(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and os.fsdecode(arguments[0]).startswith(self.home):
            self.step()


def live(order: dict[str, Any]) -> None:
    """Watch until killed."""
    home = Path(order["home"])
    store = open_store(home)
    fate = Fate(str(home), order["die_at"])
    submit = store.submit

    def mortal(batch: Batch) -> Future[None]:
        fate.step()
        future = submit(batch)
        future.result()
        fate.step()
        return future

    cast(Any, store).submit = mortal
    settings = Settings(home=home, watch_stable_s=0.02, watch_rescan_s=0.5)
    watch = Watch(Pipeline(store, settings), settings)
    sys.addaudithook(fate.hook)
    watch.start()
    time.sleep(600)


def warm() -> None:
    """Load what is compiled; threads must not start before the fork."""
    battery = describe("bmw-i3-60ah").battery
    time_s = np.arange(30.0)
    columns = {"time_s": time_s, "current_a": time_s - 40.0, "voltage_v": 350.0 + time_s}
    segment = Segment(
        kind="drive",
        event_s=1_700_000_000,
        event_assumed=False,
        duration_s=29.0,
        continues=False,
        digest="0" * 64,
        features=extract(columns, battery),
    )
    Assessor(battery, Settings()).step(segment)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    warm()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            live(json.loads(line))
            os._exit(0)
        print(child, flush=True)
