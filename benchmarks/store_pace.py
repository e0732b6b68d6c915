"""Committed batches a second: ``python benchmarks/store_pace.py``.

One trip, answer, newest answer and checkpoint a batch; one caller, then 64 who each wait for
their commit. Beside it, in the same run and on the same disk, the way many scripts do it:
connect, insert one row, commit, close. Writes ``results/store_pace.json``.
"""

import argparse
import hashlib
import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from evitals.fleet.open import open_store
from evitals.fleet.records import (
    Batch,
    BatteryState,
    FleetQuery,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
)

RESULTS = Path(__file__).parent / "results"

MODEL = ModelRecord(name="assessor", version="1", digest="5e" * 32)
START_S = 1_760_000_000


def a_batch(vehicle: str, number: int) -> Batch:
    """What one trip of one vehicle changes."""
    event_s = START_S + number * 9000
    trip = TripRecord(
        vehicle_id=vehicle, battery_id="1", sequence=0, kind="drive", event_s=event_s,
        digest=hashlib.sha256(f"{vehicle}/{number}".encode()).hexdigest(), event_assumed=False,
        continues=False, duration_s=1370.0, source="bdf", file_name="upload.parquet",
        findings=(), features=bytes(range(110)),
    )  # fmt: skip
    answer = PredictionRecord(
        vehicle_id=vehicle, battery_id="1", trip_digest=trip.digest, event_s=event_s,
        scored_s=event_s + 4000, kind="drive", soh=0.9, soh_low=0.88, soh_high=0.92,
        capacity_bms_ah=61.9, capacity_ocv_ah=None, resistance_growth=1.2,
        reference_sop_w=1.1e5, risk_score=0.2, status="Healthy", evidence_count=number,
        reasons=("no_rest",), model=MODEL,
    )  # fmt: skip
    newest = LatestRecord(
        prediction=answer, rated_power_w=125e3, reference_capacity_ah=62.0, group="",
        soc=0.5, temperature_degc=20.0, live_sop=None,
    )  # fmt: skip
    state = BatteryState(
        vehicle_id=vehicle, battery_id="1", last_event_s=event_s, last_digest=trip.digest,
        model_digest=MODEL.digest, state={"mean": [0.1] * 12, "covariance": [0.01] * 36},
    )  # fmt: skip
    return Batch(trips=(trip,), predictions=(answer,), latest=(newest,), states=(state,))


def pace(send: Callable[[int, int], None], callers: int, seconds: float) -> float:
    """Calls of ``send(caller, number)`` a second, each caller one after the other."""
    end = time.perf_counter() + seconds
    counts = [0] * callers

    def run(caller: int) -> None:
        while time.perf_counter() < end:
            send(caller, counts[caller])
            counts[caller] += 1

    threads = [threading.Thread(target=run, args=(k,)) for k in range(callers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def naive(path: Path) -> Callable[[int, int], None]:
    """Connect, insert, commit, close; the default journal, synchronous FULL."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE p (vehicle TEXT, time TEXT, soh REAL, sop REAL, score REAL)"
        )

    def send(caller: int, number: int) -> None:
        connection = sqlite3.connect(path, timeout=60)
        row = (f"v{caller}", str(number), 0.9, 1.1e5, 0.2)
        connection.execute("INSERT INTO p VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
        connection.close()

    return send


def pages(folder: Path, vehicles: int) -> dict[str, float]:
    """Milliseconds a page of 50 takes in a fleet of ``vehicles``."""
    store = open_store(folder)
    rows = [a_batch(f"vehicle-{k:06}", k % 100).latest[0] for k in range(vehicles)]
    for start in range(0, vehicles, 1000):
        store.submit(Batch(latest=tuple(rows[start : start + 1000]))).result()
    queries = {
        "first page by event": FleetQuery(sort="event_s"),
        "last page by SoH": FleetQuery(sort="soh", offset=vehicles - 50),
        "page of a search": FleetQuery(search="00012"),
    }
    found = {}
    for name, query in queries.items():
        times = []
        for _ in range(9):
            began = time.perf_counter()
            store.fleet(query)
            times.append(time.perf_counter() - began)
        found[name] = round(sorted(times)[4] * 1000, 2)
    store.close()
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--vehicles", type=int, default=100_000)
    parser.add_argument(
        "--out", type=Path, default=RESULTS / Path(__file__).with_suffix(".json").name
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        slow = pace(naive(home / "naive.db"), 1, args.seconds)
        store = open_store(home)
        one = pace(lambda c, n: store.submit(a_batch(f"one{c}", n)).result(), 1, args.seconds)
        commits = store.writer.commits
        many = pace(lambda c, n: store.submit(a_batch(f"v{c}", n)).result(), 64, args.seconds)
        group = many * args.seconds / (store.writer.commits - commits)
        store.close()
        found = {
            "connect_insert_commit_per_s": round(slow),
            "one_caller_per_s": round(one),
            "callers_64_per_s": round(many),
            "batches_per_commit_64": round(group, 1),
            "ratio_one": round(one / slow, 2),
            "ratio_64": round(many / slow, 2),
            "fleet_page_ms": pages(home / "fleet", args.vehicles),
        }
    print(json.dumps(found, indent=1))
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
