"""``python -m benchmarks [--only NAME] [--quick]``: measure, print a table, write JSON."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.claims import CLAIMS, claim
from benchmarks.machine import describe
from benchmarks.result import RUNS, Row, Scale

OUT = Path(__file__).parent / "results" / "pace.json"


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; 0 even where a bar is missed (the table says so)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=CLAIMS, help="one claim; repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes, short runs")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs a figure (at least {RUNS})")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    machine = describe()
    rows: list[Row] = []
    for name in given.only or CLAIMS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"evitals-{name}-") as folder:
            scale = Scale(folder=Path(folder), quick=given.quick, runs=max(RUNS, given.runs))
            found = claim(name)(scale)
        report.write(given.out, found, machine, quick=given.quick)
        print(report.table(found), file=sys.stderr, flush=True)
        rows += found
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    print(f"\n{machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}")
    print(report.table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
