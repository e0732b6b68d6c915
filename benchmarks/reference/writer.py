"""Changes the reference's database: ``python -m benchmarks.reference.writer FOLDER VEHICLES LOG``.

5 % of the fleet gets a new row each second, in four commits, each with one new vehicle (as
``benchmarks.live_host`` does it to ours).
"""

import random
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from benchmarks.live_host import CHANGED, TICKS
from benchmarks.reference.api import DATABASE, prepare

INSERT = (
    "INSERT INTO health_records "
    "(vehicle_id, predicted_soh, predicted_sop, health_score, status) VALUES (?, ?, ?, ?, ?)"
)


def row(number: int) -> tuple[str, float, float, float, str]:
    """A made-up answer of vehicle ``number``."""
    score = random.uniform(0.2, 0.9)
    status = "Priority_Maintenance" if score >= 0.8 else "Monitor" if score >= 0.5 else "Healthy"
    return f"V{number:06d}", random.uniform(0.7, 1.0), random.uniform(2e4, 5e4), score, status


def change(folder: Path, vehicles: int, log: Path) -> None:
    """Fill the database, then change it until killed."""
    prepare(folder)
    per_tick = max(1, int(vehicles * CHANGED / TICKS))
    with closing(sqlite3.connect(folder / DATABASE, timeout=30.0)) as store:
        with store:
            store.executemany(INSERT, map(row, range(vehicles)))
        with log.open("w", buffering=1) as lines:
            due = time.monotonic()
            for round_ in range(1, 1_000_000):
                numbers = [(round_ * per_tick + k) % vehicles for k in range(per_tick)]
                with store:
                    store.executemany(INSERT, map(row, [*numbers, vehicles + round_ - 1]))
                lines.write(f"{round_} {time.monotonic()} {time.time()}\n")
                due = max(due + 1.0 / TICKS, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    change(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
