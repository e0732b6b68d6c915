"""SoH and power against truth on a simulated fleet: with and without rests, and by fault.

    python -m benchmarks.health_on_simulated_fleet [--only with_rests] [--vehicles 500] [--out FILE]

Writes benchmarks/results/health.json, a part at a time. The scoring seed was never used to tune:
tuning used the seeds 3, 7 and 11.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs

from evitals.service import witness
from evitals.service.simulate import twin_digest

RESULT = Path(__file__).parent / "results" / "health.json"
SCORING_SEED = 20_260_001
TUNING_SEEDS = (3, 7, 11)
PARTS = {
    "with_rests": witness.Trial(seed=SCORING_SEED),
    "without_rests": witness.Trial(seed=SCORING_SEED, rests=False),
    "faulty": witness.Trial(seed=SCORING_SEED, faults=True, vehicles=480),
}
JUDGED = ("with_rests", "without_rests")
"""Parts whose coverage has a target; a fault's is reported."""


def progress(done: int) -> None:
    """Say now and then how many vehicles are scored."""
    if done % 50 == 0:
        print(f"{done} vehicles", file=sys.stderr, flush=True)


def misses(report: dict[str, Any]) -> list[str]:
    """What lies outside its target, in words."""
    low, high = witness.TARGET_COVERAGE
    found = []
    for name in JUDGED:
        for when in ("early", "end"):
            coverage = report.get(name, {}).get(when, {}).get("coverage_90")
            if coverage is not None and not low <= coverage <= high:
                found.append(f"{name}, {when}: coverage {coverage} is outside {low} to {high}")
    mae = report.get("with_rests", {}).get("early", {}).get("soh", {}).get("mae", 0.0)
    if mae > witness.TARGET_MAE:
        found.append(f"with_rests, early: SoH MAE {mae} is above {witness.TARGET_MAE}")
    return found


def main() -> int:
    """Score the parts, print and store them; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--vehicles", type=int, help="instead of 500 (480 with faults)")
    parser.add_argument("--days", type=int)
    parser.add_argument("--seed", type=int, default=SCORING_SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.seed in TUNING_SEEDS:
        parser.error(f"seed {given.seed} was used to tune; take another")
    report: dict[str, Any] = {}
    if given.out.is_file():
        stored = json.loads(given.out.read_text(encoding="utf-8"))
        report = {name: stored[name] for name in PARTS if "early" in stored.get(name, {})}
    report["tuning_seeds"] = list(TUNING_SEEDS)
    for name in given.only or PARTS:
        trial = PARTS[name]
        trial = structs.replace(
            trial,
            seed=given.seed,
            vehicles=given.vehicles or trial.vehicles,
            days=given.days or trial.days,
        )
        began = time.perf_counter()
        scored = witness.score(trial, workers=given.workers, progress=progress)
        report[name] = scored | {
            "command": f"python -m benchmarks.health_on_simulated_fleet --only {name}",
            "scored": datetime.now(UTC).date().isoformat(),
            "twin": twin_digest(),
            "seconds": round(time.perf_counter() - began, 1),
        }
        print(name, json.dumps(report[name], indent=2), flush=True)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = misses(report)
    print("\n".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
