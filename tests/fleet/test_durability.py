"""kill -9 at any moment: every acknowledged trip is there, none twice."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from evitals.fleet.open import open_store

SENDER = """
import sys, threading
from evitals.fleet.open import open_store
from evitals.fleet.records import Batch, TripRecord

store = open_store(sys.argv[1])
first = int(sys.argv[2])
lock = threading.Lock()

def send(vehicle):
    for number in range(first, first + 1_000_000):
        digest = f"{vehicle:08x}{number:024x}"
        trip = TripRecord(
            vehicle_id=f"v{vehicle}", battery_id="1", digest=digest, sequence=0, kind="drive",
            event_s=number, event_assumed=False, continues=False, duration_s=1.0, source="s",
            file_name="f", findings=(), features=b"x" * 100,
        )
        store.submit(Batch(trips=(trip,))).result()
        with lock:
            print(digest, flush=True)

for k in range(4):
    threading.Thread(target=send, args=(k,)).start()
"""


def test_kill_9_loses_no_acknowledged_trip_and_doubles_none(tmp_path: Path) -> None:
    rng = random.Random(3)
    acknowledged: list[str] = []
    for round_ in range(4):
        command = [sys.executable, "-c", SENDER, str(tmp_path), str(max(0, round_ * 10_000 - 5))]
        sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert sender.stdout is not None
        # Only after the first acknowledgement does the dice decide when.
        acknowledged.append(sender.stdout.readline().strip())
        time.sleep(rng.uniform(0.0, 0.4))
        sender.send_signal(signal.SIGKILL)
        lines = sender.stdout.read().split("\n")
        # The last line may be cut in the middle.
        acknowledged += lines[:-1]
        sender.stdout.close()
        sender.wait(10)
    store = open_store(tmp_path)
    stored = [t.digest for k in range(4) for t in store.trips(f"v{k}", "1")]
    store.close()
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
