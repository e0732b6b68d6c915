"""Fit the circuit tables, judge them on drives and pulses that the fit never saw.

``python benchmarks/circuit_fit.py`` writes ``benchmarks/results/circuit_fit.json``. Measurements
are found through EVITALS_DATA, else in ../shared/data beside the checkout.

Drives (UDDS, HWFET): RMSE of the streamed voltage beside a static OCV + R0 fitted on the same
cycles. Pulses (LG HPPC, >= 11 A, SoC > 10 %, -10 to 40 degC): the voltage at which the measured
pulse ended is declared the lower limit and the rested voltage before it anchors the OCV; then the
predicted SoP should equal the power the pulse gave at its end.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evitals.battery import Battery, Limits
from evitals.cells.chemistry import chemistry
from evitals.cells.fit import build
from evitals.cells.measurements import CAMPAIGNS, CellTest, other_test
from evitals.estimators.power import sop

ROOT = Path(__file__).parent.parent
HPPC_TESTS = ("-10C_593_HPPC", "0C_585_HPPC", "10C_575_HPPC", "25C_549_HPPC", "40C_555_HPPC")
PULSE_A = 11.0
SOC_ABOVE = 0.1


@dataclass(frozen=True)
class Pulse:
    """A discharge pulse from rest: what went in, and what it ended with."""

    soc: float
    temperature_degc: float
    rest_voltage_v: float
    current_a: float
    horizon_s: float
    end_voltage_v: float


def pulses(
    test: CellTest, capacity_ah: float, least_a: float = PULSE_A, sign: float = -1.0
) -> Iterator[Pulse]:
    """Constant-current pulses of at least ``least_a`` from rest; ``sign`` 1: charging ones."""
    strong = np.flatnonzero(sign * test.current_a > least_a)
    for run in np.split(strong, np.flatnonzero(np.diff(strong) > 1) + 1):
        first, last = int(run[0]), int(run[-1])
        if first == 0 or last == first or test.soc[first - 1] <= SOC_ABOVE:
            continue
        current = float(np.mean(sign * test.current_a[run]))
        # The pulse began between two samples: the counter tells how long before the first.
        moved = sign * float(test.soc[first] - test.soc[first - 1])
        before = moved * capacity_ah * 3600.0 / current
        yield Pulse(
            soc=float(test.soc[first - 1]),
            temperature_degc=float(test.temperature_degc[first - 1]),
            rest_voltage_v=float(test.voltage_v[first - 1]),
            current_a=current,
            horizon_s=float(test.time_s[last] - test.time_s[first]) + before,
            end_voltage_v=float(test.voltage_v[last]),
        )


def predicted_power_w(pulse: Pulse, capacity_ah: float) -> float:
    """SoP of the LG cell with the pulse's end voltage as its lower limit."""
    limits = Limits(
        cell_voltage_min_v=pulse.end_voltage_v,
        cell_voltage_max_v=4.5,
        discharge_current_a=1e3,
        charge_current_a=1e3,
    )
    battery = Battery(
        level="cell", chemistry="NMC", reference_capacity_ah=capacity_ah, limits=limits
    )
    offset = pulse.rest_voltage_v - float(chemistry("NMC").ocv(pulse.soc))
    return sop(
        battery,
        soc=min(pulse.soc, 1.0),
        temperature_degc=pulse.temperature_degc,
        ocv_offset_v=offset,
        horizons=(pulse.horizon_s,),
    )[0].power_w


def score(errors: list[float]) -> dict[str, float]:
    """Percent errors of power: mean absolute, mean, share over-estimated by more than 5 %."""
    array = 100.0 * np.array(errors)
    return {
        "pulses": len(array),
        "mape_percent": round(float(np.mean(np.abs(array))), 2),
        "bias_percent": round(float(np.mean(array)), 2),
        "over_by_5_percent": round(100.0 * float(np.mean(array > 5.0)), 1),
    }


def judge_pulses(data: Path) -> dict[str, Any]:
    """Scores of the shipped NMC tables by test and over all."""
    campaign = CAMPAIGNS["NMC"]
    errors: dict[str, list[float]] = {}
    for test_id in HPPC_TESTS:
        test = other_test(campaign, data, test_id)
        errors[test_id] = [
            predicted_power_w(pulse, campaign.capacity_ah) / (pulse.current_a * pulse.end_voltage_v)
            - 1.0
            for pulse in pulses(test, campaign.capacity_ah)
        ]
    every = [error for group in errors.values() for error in group]
    return {key: score(group) for key, group in {**errors, "all": every}.items()}


def judge_rests(data: Path) -> dict[str, float]:
    """Tables' OCV minus the voltage after an hour's rest, LG HPPC at 25 and 0 degC, SoC > 20 %."""
    campaign = CAMPAIGNS["NMC"]
    errors: list[float] = []
    for test_id in ("25C_549_HPPC", "0C_585_HPPC"):
        test = other_test(campaign, data, test_id)
        flowing = np.abs(test.current_a) > 0.01
        last_flow = np.maximum.accumulate(np.where(flowing, test.time_s, -np.inf))
        ends = np.flatnonzero(~flowing[:-1] & flowing[1:])
        rested = (test.time_s[ends] - last_flow[ends] > 3000.0) & (test.soc[ends] > 0.2)
        # A rest that ends in a pulse; the last one ends in a charge, its counter restarted.
        before_pulse = np.isfinite(last_flow[ends]) & (test.current_a[ends + 1] < -2.0)
        at = ends[rested & before_pulse]
        errors += (1e3 * (chemistry("NMC").ocv(test.soc[at]) - test.voltage_v[at])).tolist()
    return {
        "rests": len(errors),
        "mean_mv": round(float(np.mean(errors)), 1),
        "rms_mv": round(float(np.sqrt(np.mean(np.square(errors)))), 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Fit, judge, print and write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    given_data = os.environ.get("EVITALS_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(given_data))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/circuit_fit.json")
    given = parser.parse_args(arguments)
    result: dict[str, Any] = {"voltage": {}}
    for name, campaign in CAMPAIGNS.items():
        began = time.perf_counter()
        table = build(campaign, given.data)
        shipped = ROOT / "src/evitals/cells/tables" / f"{name.lower()}.json"
        result["voltage"][name] = {
            **table["validation"],
            "tau_s": table["tau_s"],
            "fit_seconds": round(time.perf_counter() - began, 1),
            "equals_shipped_tables": table == json.loads(shipped.read_text(encoding="utf-8")),
        }
    result["sop_10s_discharge_hppc"] = judge_pulses(given.data)
    result["ocv_after_rest"] = judge_rests(given.data)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
