"""The twin's pace: a trip, its features, its Parquet; FASTSim beside it; a fleet of five years."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import twin_fleet
from benchmarks.clocks import cpu_s, wall_s
from benchmarks.processes import ROOT
from benchmarks.result import Bar, Row, Scale, alternate
from evitals.features import extract
from evitals.service import outputs
from evitals.service.chunk import samples
from evitals.twin import cycles, journeys, reference, road, trip, vehicle
from evitals.twin.pack import State, Trace
from evitals.twin.recorder import TwinTrip

NAME = "twin"
MODEL, CYCLE = "renault-zoe-ze50", "udds"
FASTSIM = Path(os.environ.get("FASTSIM_PYTHON", ROOT / ".venv-fastsim" / "bin" / "python"))
FILE_TRIPS = 100
"""Trips a Parquet file, as a fleet's."""


class Udds:
    """The Zoe on UDDS at 22 degC, step by step as a fleet's trip goes."""

    def __init__(self) -> None:
        self.car = vehicle.vehicle(MODEL)
        self.battery = vehicle.battery_of(self.car)
        self.journey = journeys.over(cycles.cycle(CYCLE))
        self.pack = vehicle.pack_of(self.car)
        self.step = np.diff(self.journey.time_s, prepend=self.journey.time_s[0])
        self.driven = trip.drive(self.car, self.journey)
        self.always = np.full(self.step.size, self.car.auxiliary_power_w)

    def power(self) -> road.Drive:
        """What the battery is asked for."""
        j = self.journey
        return road.drive(self.car, j.time_s, j.speed_mps, always_w=self.always)

    def trace(self) -> Trace:
        """Road load and pack: all that truly happens."""
        return self.pack.run(State(0.9, temperature_degc=22.0), self.step, self.power().power_w)

    def recorded(self, seed: int = 1) -> TwinTrip:
        """With sensors and BMS: what the vehicle reports."""
        return trip.recorded(replace(self.driven, trace=self.trace()), seed)

    def features(self) -> object:
        """And what the product makes of it."""
        return extract(self.recorded().columns, self.battery)


@contextmanager
def fastsim() -> Iterator[subprocess.Popen[str]]:
    """FASTSim in its own Python (``make`` puts it into .venv-fastsim)."""
    script = ROOT / "benchmarks" / "fastsim_alone.py"
    with subprocess.Popen(
        [FASTSIM, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        if process.stdin:
            process.stdin.close()


def asked(process: subprocess.Popen[str], runs: int) -> float:
    """CPU seconds a ``run_once`` of FASTSim."""
    if not process.stdin or not process.stdout:
        raise AssertionError("no pipes")
    process.stdin.write(f"{runs}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def parquet_s(udds: Udds, folder: Path, trips: int) -> float:
    """CPU seconds a trip with features and its samples in Parquet, ``FILE_TRIPS`` a file."""

    def one_file() -> None:
        made = [udds.recorded(seed) for seed in range(FILE_TRIPS)]
        for recorded in made:
            extract(recorded.columns, udds.battery)
        outputs.save_table(folder / "trips.parquet", samples(made))

    return cpu_s(one_file, max(trips // FILE_TRIPS, 1)) / FILE_TRIPS


def against_fastsim(udds: Udds, scale: Scale) -> Row:
    """Road load and pack beside FASTSim's road load and energy."""
    with fastsim() as process:
        ours, theirs = alternate(
            [
                lambda: 1e3 * cpu_s(udds.trace, scale.pick(400, 100)),
                lambda: 1e3 * asked(process, scale.pick(20, 5)),
            ],
            scale.runs,
        )
    return Row(
        claim=NAME,
        quantity="UDDS, road load and pack (voltage, heat, weakest cell)",
        unit="ms",
        ours=ours,
        reference=theirs,
        other="FASTSim 3 run_once",
        bar=Bar(of="ratio", bound=150.0),
        note="FASTSim in a Python of its own, in turn with ours; it has no circuit and no heat",
    )


def against_plain(udds: Udds, scale: Scale) -> Row:
    """The compiled kernel beside its plain rewriting, which finds currents by bracketing."""
    power = udds.power().power_w
    p, tables = udds.pack.parameters(), udds.pack.tables()
    start = State(0.9, temperature_degc=22.0)

    def plain() -> object:
        return reference.run(udds.step, power, 22.0, True, p, tables, start.vector())

    ours, theirs = alternate(
        [
            lambda: (
                1e3 * cpu_s(lambda: udds.pack.run(start, udds.step, power), scale.pick(400, 100))
            ),
            lambda: 1e3 * cpu_s(plain, 1),
        ],
        scale.runs,
    )
    return Row(
        claim=NAME,
        quantity="UDDS, pack alone",
        unit="ms",
        ours=ours,
        reference=theirs,
        other="plain NumPy and scipy",
    )


def measure(scale: Scale) -> list[Row]:
    """CPU a trip, rates of trips a core, a fleet's minutes."""
    udds = Udds()
    calls = scale.pick(1000, 200)
    quick, stored, single = alternate(
        [
            lambda: 1.0 / cpu_s(udds.features, calls),
            lambda: 1.0 / parquet_s(udds, scale.folder, calls),
            lambda: 1e3 * wall_s(partial(trip.trip, MODEL, CYCLE), scale.pick(100, 30)),
        ],
        scale.runs,
    )
    rate = partial(Row, claim=NAME, unit="trips/s and core", better="higher")
    return [
        rate(
            quantity="UDDS with sensors, BMS and features",
            ours=quick,
            bar=Bar(of="value", bound=4000.0),
            note=f"{udds.step.size} rows at 1 Hz; CPU of this process",
        ),
        rate(
            quantity="the same, and its samples as Parquet",
            ours=stored,
            bar=Bar(of="value", bound=1200.0),
            note=f"{FILE_TRIPS} trips a file, each with noise of its own",
        ),
        Row(
            claim=NAME,
            quantity="one trip with its report, warm",
            unit="ms",
            ours=single,
            bar=Bar(of="value", bound=2.0),
        ),
        against_fastsim(udds, scale),
        against_plain(udds, scale),
        twin_fleet.row(scale),
    ]


if not FASTSIM.exists() and "pytest" not in sys.modules:
    print(f"FASTSim is missing: make {FASTSIM.parents[1].name}/installed", file=sys.stderr)
