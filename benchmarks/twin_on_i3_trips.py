"""The twin against reality: a BMW i3's recorded drives, fitted on summer, scored on winter.

    python -m benchmarks.twin_on_i3_trips [--fit] [--group A|B] [--data FOLDER] [--out FILE]

Speed, elevation and ambient temperature drive the twin; recorded heater, air conditioner,
throttle, torque and current never do. Scores the parameters that ship with the twin; ``--fit``
fits them again on the summer drives, says how far they are from the shipped ones, and scores
those. Writes benchmarks/results/twin_i3.json for the winter drives.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from benchmarks.i3_drives import VEHICLE, Drive, drives
from benchmarks.i3_fit import (
    CAPACITY_AH,
    Fitted,
    cooler_agreement,
    fit_cell,
    fit_heat,
    fit_road,
    with_road,
)
from benchmarks.i3_twin import Run, run
from evitals.battery import describe
from evitals.twin.cabin import Cabin
from evitals.twin.vehicle import TwinVehicle, vehicle

Floats = NDArray[np.float64]
ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "twin_i3.json"
BAR, GOAL = 0.12, 0.08
"""Median relative energy error of the winter drives: what must be reached, what we would like."""
PAYLOAD_KG = 206.4
"""Fitted on the summer drives together with the road load of the vehicle file."""
LOOKS = 1
"""How often the winter drives had been scored when the last choice was made, plus one."""
UNFITTED: dict[str, Any] = {
    "mass_kg": 1345.0,
    "rolling_resistance": 0.008,
    "drag_coefficient": 0.29,
    "transmission_efficiency": 0.95,
    "auxiliary_power_w": 300.0,
    "cell": "nmc811-lgm50",
    "pack_heat_j_per_k": None,
    "pack_passive_w_per_k": None,
    "cabin": Cabin(),
}
"""The twin as it was before it met this car's drives: published numbers and its general cell."""


def summer_kwh_per_km(summer: Sequence[Drive]) -> float:
    """What the summer drives took on average: the baseline that knows nothing else."""
    return sum(d.energy_kwh for d in summer) / sum(d.distance_km for d in summer)


def row(drive: Drive, fitted: Run, unfitted: Run, kwh_per_km: float) -> dict[str, Any]:
    """One drive's errors: energies relative, voltage in V, temperature in K."""
    energy, trace = drive.energy_kwh, fitted.trace
    off_k = trace.temperature_degc - drive.degc
    return {
        "trip": drive.name,
        "ambient_degc": round(drive.ambient_degc, 1),
        "km": round(drive.distance_km, 2),
        "minutes": round(float(drive.time_s[-1]) / 60.0, 1),
        "energy_kwh": round(energy, 3),
        "twin_kwh": round(fitted.energy_kwh, 3),
        "energy_error": round(fitted.energy_kwh / energy - 1.0, 4),
        "energy_error_unfitted": round(unfitted.energy_kwh / energy - 1.0, 4),
        "energy_error_constant": round(kwh_per_km * drive.distance_km / energy - 1.0, 4),
        "twin_cabin_kw": round(float(fitted.cabin_w.mean()) / 1000.0, 2),
        "voltage_rms_v": round(
            float(np.sqrt(np.mean((trace.voltage_v - drive.voltage_v) ** 2))), 2
        ),
        "voltage_bias_v": round(float(np.mean(trace.voltage_v - drive.voltage_v)), 2),
        "temperature_rms_k": round(float(np.sqrt(np.mean(off_k**2))), 2),
        "temperature_end_k": round(float(off_k[-1]), 2),
        "sound": drive.sound,
        "findings": list(drive.findings),
    }


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75])
    return {
        name: round(float(v), 4) for name, v in zip(_QUARTILES, (low, middle, high), strict=True)
    }


_QUARTILES = ("q1", "median", "q3")


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians with quartiles of the errors' sizes over drives, and the bias in energy."""
    report: dict[str, Any] = {"trips": len(rows)}
    for name in ("energy_error", "energy_error_unfitted", "energy_error_constant"):
        report[name] = quartiles([abs(r[name]) for r in rows])
        report[name]["bias"] = round(float(np.median([r[name] for r in rows])), 4)
    for name in ("voltage_rms_v", "temperature_rms_k"):
        report[name] = quartiles([r[name] for r in rows])
    return report


def score(
    group: Sequence[Drive], summer: Sequence[Drive], car: TwinVehicle, payload_kg: float
) -> dict[str, Any]:
    """Rows and summaries of a group of drives, all of them and those without findings."""
    plain = structs.replace(car, **UNFITTED)
    rate = summer_kwh_per_km(summer)
    rows = [
        row(d, run(d, car, payload_kg, CAPACITY_AH), run(d, plain, 0.0, CAPACITY_AH), rate)
        for d in group
    ]
    return {
        "all": summary(rows),
        "sound": summary([r for r in rows if r["sound"]]),
        "baseline_kwh_per_km": round(rate, 4),
        "rows": rows,
    }


def refit(summer: Sequence[Drive], car: TwinVehicle) -> tuple[TwinVehicle, dict[str, Any]]:
    """The car with its road fitted again, and everything that was fitted, with standard errors."""
    reference_ah = describe(VEHICLE).battery.reference_capacity_ah
    road = fit_road(summer, car)
    cell, knots, rms_v = fit_cell(summer, reference_ah)
    heat = fit_heat(summer, knots)
    report = {
        "road": _both(road),
        "cell": _both(cell) | {"ocv_v": np.round(knots, 4).tolist(), "rms_v": round(rms_v, 5)},
        "heat": _both(heat),
        "cooler": cooler_agreement(summer, car),
    }
    return with_road(car, road.value), report


def _both(fitted: Fitted) -> dict[str, Any]:
    return {
        name: {"value": float(f"{value:.4g}"), "error": float(f"{fitted.error[name]:.2g}")}
        for name, value in fitted.value.items()
    }


def show(scored: dict[str, Any]) -> None:
    """Print rows and summaries."""
    print("trip      degC    km   kWh  twin  error unfitted const.  cabin  V rms   K rms  findings")
    for r in scored["rows"]:
        print(
            f"{r['trip']:8} {r['ambient_degc']:5.1f} {r['km']:5.1f} {r['energy_kwh']:5.2f}"
            f" {r['twin_kwh']:5.2f} {r['energy_error']:+6.1%} {r['energy_error_unfitted']:+7.1%}"
            f" {r['energy_error_constant']:+7.1%} {r['twin_cabin_kw']:5.2f}"
            f" {r['voltage_rms_v']:6.2f} {r['temperature_rms_k']:6.2f}  {' '.join(r['findings'])}"
        )
    for which in ("all", "sound"):
        print(which, json.dumps(scored[which], indent=2))


def main() -> int:
    """Fit or take what ships, score, print and store; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="fit again on the summer drives")
    parser.add_argument("--group", choices=("A", "B"), default="B", help="drives to score")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("EVITALS_DATA", ROOT.parent / "shared" / "data")),
        help="folder of the public measurements",
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"{given.data} is no folder: give the public measurements", file=sys.stderr)
        return 2
    summer = drives(given.data, "A")
    car, payload_kg = vehicle(VEHICLE), PAYLOAD_KG
    report: dict[str, Any] = {}
    if given.fit:
        car, report = refit(summer, car)
        payload_kg = report["road"]["payload_kg"]["value"]
        print(json.dumps(report, indent=2))
    group = summer if given.group == "A" else drives(given.data, given.group)
    scored = score(group, summer, car, payload_kg)
    show(scored)
    if given.group == "A":
        return 0
    stored = {
        "scored": datetime.now(UTC).date().isoformat(),
        "parameters": "refitted" if given.fit else "shipped",
        "looks": LOOKS,
        "bar": BAR,
        "goal": GOAL,
        **({"fit": report} if given.fit else {}),
        "summer": score(summer, summer, car, payload_kg)["all"],
        **scored,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    return 0 if scored["all"]["energy_error"]["median"] <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
