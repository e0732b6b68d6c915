"""The service with a fleet that changes: ``python -m benchmarks.live_host HOME PORT VEHICLES LOG``.

The app is served as ``evitals serve`` does it. A thread commits newest answers through the
store's writer, ``CHANGED`` of the fleet a second in ``TICKS`` commits, and one new vehicle in
each, so that the page's count of vehicles tells which commit it shows. LOG gets a line a commit:
the round, and when it was done (the system's monotonic clock, and seconds since 1970).
"""

import asyncio
import signal
import sys
import threading
import time
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from benchmarks.made_up import batch_of, latest_record
from evitals.fleet.store import Store
from evitals.service.app import create_app
from evitals.settings import Settings

CHANGED = 0.05
TICKS = 4


def change(store: Store, vehicles: int, log: Path, stop: threading.Event) -> None:
    """Commit rounds on a steady beat until told to stop; late rounds are not made up for."""
    per_tick = max(1, int(vehicles * CHANGED / TICKS))
    next_due = time.monotonic()
    with log.open("w", buffering=1) as lines:
        for round_ in range(1, 1_000_000):
            first = round_ * per_tick % vehicles
            numbers = {(first + k) % vehicles for k in range(per_tick)}
            records = [latest_record(n, round_) for n in sorted(numbers)]
            records.append(latest_record(vehicles + round_ - 1, round_))
            store.submit(batch_of(records)).result()
            lines.write(f"{round_} {time.monotonic()} {time.time()}\n")
            next_due = max(next_due + 1.0 / TICKS, time.monotonic())
            if stop.wait(max(0.0, next_due - time.monotonic())):
                return


async def host(home: Path, port: int, vehicles: int, log: Path) -> None:
    """Serve until SIGTERM."""
    app = create_app(Settings(home=home), watch=False)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_level=LogLevels.error
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    stop = threading.Event()
    async with app.lifespan():
        arguments = (app.state.service.store, vehicles, log, stop)
        changes = threading.Thread(target=change, args=arguments)
        changes.start()
        try:
            await server.serve()
        finally:
            stop.set()
            await asyncio.to_thread(changes.join)


if __name__ == "__main__":
    asyncio.run(host(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
