"""1,000 vehicles, five years, three trips a day: how long the twin takes, all features kept.

    python -m benchmarks.twin_fleet [--vehicles 1000] [--years 5] [--workers 2] [--out FILE]

runs it whole and stores the minutes in benchmarks/results/twin_fleet.json. The claim ``twin``
runs a small part and extrapolates.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.result import Bar, Row, Scale
from evitals.service.simulate import Order, Report, simulate

RESULT = Path(__file__).parent / "results" / "twin_fleet.json"
VEHICLES, YEARS, TRIPS_PER_DAY, WORKERS = 1000, 5, 3.0, 2
YEAR_DAYS = 365
BAR_MIN = 15.0
SEED = 1


def run(vehicles: int, days: int, folder: Path, workers: int) -> tuple[float, float, Report]:
    """Seconds by the clock and of CPU (all processes) for a fleet, start of the workers and all."""
    order = Order(vehicles=vehicles, days=days, seed=SEED, trips_per_day=TRIPS_PER_DAY)
    begun, before = time.perf_counter(), _cpu_s()
    report = simulate(order, folder, workers=workers)
    return time.perf_counter() - begun, _cpu_s() - before, report


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def row(scale: Scale) -> Row:
    """Minutes of the whole, from the slope between a small and a larger part: CPU over two cores,
    since the clock would measure the neighbours."""
    few, many, days = 4, scale.pick(24, 12), YEAR_DAYS
    minutes = []
    for number in range(scale.runs):
        took = {n: run(n, days, scale.folder / f"{number}-{n}", WORKERS)[1] for n in (few, many)}
        slope = (took[many] - took[few]) / (many - few)
        minutes.append(slope * VEHICLES * YEARS / 60.0 / WORKERS)
    return Row(
        claim="twin",
        quantity="1,000 vehicles, 5 years, 3 trips a day, features kept: CPU over 2 cores",
        unit="min",
        ours=minutes,
        bar=Bar(of="value", bound=BAR_MIN),
        note=f"extrapolated from {many} vehicles less {few} over one year; {whole()}",
    )


def whole() -> str:
    """What the run of the whole said, where it is stored."""
    if not RESULT.is_file():
        return "the whole was not run"
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    return f"the whole, run {found['run']}: {found['minutes']} min"


def main() -> int:
    """Run the whole, print and store it; 1 where it misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vehicles", type=int, default=VEHICLES)
    parser.add_argument("--years", type=float, default=YEARS)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    days = round(given.years * YEAR_DAYS)
    with tempfile.TemporaryDirectory(prefix="evitals-fleet-") as folder:
        seconds, cpu_s, made = run(given.vehicles, days, Path(folder) / "fleet", given.workers)
    found = {
        "command": "python -m benchmarks.twin_fleet " + " ".join(sys.argv[1:]),
        "run": datetime.now(UTC).date().isoformat(),
        "minutes": round(seconds / 60.0, 2),
        "cpu_minutes": round(cpu_s / 60.0, 2),
        "vehicles": made.vehicles,
        "days": made.days,
        "recordings": made.recordings,
        "trips": made.trips,
        "bytes": made.bytes,
        "recordings_per_s": round(made.recordings / seconds),
        "workers": given.workers,
        "machine": describe(),
    }
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    share = given.vehicles * given.years / (VEHICLES * YEARS)
    return 0 if found["minutes"] <= BAR_MIN * share else 1


if __name__ == "__main__":
    sys.exit(main())
