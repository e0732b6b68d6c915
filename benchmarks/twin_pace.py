"""How fast the twin is: one core, warm. Run `python benchmarks/twin_pace.py`; prints JSON."""

import json
import time
from collections.abc import Callable

import numpy as np

from evitals.battery import describe
from evitals.twin import cycles, road, vehicle
from evitals.twin.fleet import Fleet
from evitals.twin.pack import Pack, State


def best_s(work: Callable[[], object], repeats: int = 7, calls: int = 200) -> float:
    """Seconds a call, the best of ``repeats`` rounds (others may use the machine)."""
    work()
    rounds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        rounds.append((time.perf_counter() - start) / calls)
    return min(rounds)


def main() -> None:
    """Time the kernel, a whole UDDS trip and a fleet with and without rests."""
    car = vehicle.vehicle("renault-zoe-ze50")
    udds = cycles.cycle("udds")
    pack = Pack(describe(car.vehicle_id).battery, car.cell, car.pack_mass_kg)
    step = np.diff(udds.time_s, prepend=0.0)

    def asked() -> np.ndarray:
        return road.drive(car, udds.time_s, udds.speed_mps).power_w

    power = asked()
    figures = {
        "udds_pack_ms": 1e3 * best_s(lambda: pack.run(State(0.9), step, power)),
        "udds_whole_ms": 1e3 * best_s(lambda: pack.run(State(0.9), step, asked())),
    }
    for rests in (True, False):
        fleet = Fleet(vehicles=10, days=60, seed=3, rests=rests)
        start, trips, rows = time.process_time(), 0, 0
        for i in range(fleet.vehicles):
            for trip in fleet.trips(i):
                trips += 1
                rows += trip.columns["time_s"].size
        seconds = time.process_time() - start
        figures |= {
            f"fleet_rests_{rests}_trips_per_cpu_s": trips / seconds,
            f"fleet_rests_{rests}_cpu_s_per_vehicle": seconds / fleet.vehicles,
            f"fleet_rests_{rests}_rows_per_trip": rows / trips,
        }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
