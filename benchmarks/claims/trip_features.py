"""A trip CSV of 1,370 rows to features, beside pandas computing the same ones.

Ours is what the service does with a file: detect its source, read, convert units and signs, check
it, cut it into trips and extract all features. A second row leaves the checks out.
"""

import math
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.clocks import cpu_s
from benchmarks.reference import features as reference
from benchmarks.result import Bar, Row, Scale, alternate
from benchmarks.trips import trip_csv, vehicle_named
from evitals.battery import Battery
from evitals.features import as_dict, extract
from evitals.service.prepare import prepare
from evitals.telemetry import read

NAME = "trip_features"
COLUMNS = {"voltage_V": "voltage_v", "current_A": "current_a", "temperature_C": "temperature_degc"}


def bare(path: Path, battery: Battery) -> dict[str, float | None]:
    """CSV to features without detection, checks and cuts."""
    table = pl.read_csv(path).rename(COLUMNS)
    names = ("time_s", "current_a", "voltage_v", "temperature_degc", "soc", "speed_mps")
    columns = {name: table[name].cast(pl.Float64).to_numpy() for name in names}
    columns["current_a"] = -columns["current_a"]
    return as_dict(extract(columns, battery))


def compare(ours: dict[str, float | None], theirs: dict[str, float]) -> None:
    """Raise AssertionError naming the features that differ by more than a packed value may."""
    wrong = {
        name: (ours[name], value)
        for name, value in theirs.items()
        if not math.isclose(ours[name] or 0.0, value, rel_tol=2e-3, abs_tol=5e-3)
    }
    if wrong:
        raise AssertionError(f"features differ (ours, pandas): {wrong}")


def measure(scale: Scale) -> list[Row]:
    """Milliseconds of CPU a trip; the features compared first."""
    path = scale.folder / "car-0001_1.csv"
    path.write_bytes(trip_csv(1))
    vehicle = vehicle_named("car-0001")
    capacity = vehicle.battery.reference_capacity_ah
    theirs = reference.features(path, capacity)
    compare(bare(path, vehicle.battery), theirs)

    def whole() -> int:
        recording = read(path, vehicle=vehicle).recordings[0]
        return len(prepare(recording, vehicle).trips)

    calls = scale.pick(200, 40)
    full, quick, pandas = alternate(
        [
            lambda: 1e3 * cpu_s(whole, calls),
            lambda: 1e3 * cpu_s(lambda: bare(path, vehicle.battery), calls),
            lambda: 1e3 * cpu_s(lambda: reference.features(path, capacity), calls),
        ],
        scale.runs,
    )
    rows = int(np.sum(np.frombuffer(path.read_bytes(), np.uint8) == ord("\n"))) - 1
    note = f"{rows} rows; {len(theirs)} features equal in both; evitals computes more"
    return [
        Row(
            claim=NAME,
            quantity="CPU per file, detected, checked, cut, all features",
            unit="ms",
            ours=full,
            reference=pandas,
            other="pandas",
            bar=Bar(of="ratio", bound=3.0),
            note=note,
        ),
        Row(
            claim=NAME,
            quantity="CPU per file, read and features only",
            unit="ms",
            ours=quick,
            reference=pandas,
            other="pandas",
            bar=Bar(of="ratio", bound=3.0),
            note=note,
        ),
    ]
