"""Circuits against drives nobody fitted: voltage, SoC and power of the LG 18650HG2.

``python -m benchmarks.voltage_models`` writes ``benchmarks/results/voltage_circuits.json``.
Mixed1-8 train and choose (leaving one profile out); UDDS and HWFET are scored once, HPPC pulses are
scored and never fitted. Streaming, no measured voltage fed back; SoC, current and temperature as
delivered at 1 Hz (decimated by the publisher's mirror, not averaged).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.circuit_fit import HPPC_TESTS, PULSE_A, Pulse, predicted_power_w, pulses
from evitals.battery import Battery, Limits
from evitals.cells import measurements
from evitals.cells.fit import CHARGE_SHARE, ocv_branches
from evitals.cells.measurements import CAMPAIGNS, drive_tests, other_test
from evitals.estimators.power import Margin, sop
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Program
from evitals.estimators.voltage.circuit import Circuit
from evitals.estimators.voltage.soc_filter import SocFilter, Tuning
from evitals.models import power_margin, soc_tuning
from evitals.models.circuit_fit import Drives, Fold, Form, Smoothness, chosen, grid
from evitals.telemetry.celltest import CellTest

Array = NDArray[np.float64]
Change = Callable[[CellTest], dict[str, Array]]

ROOT = Path(__file__).parent.parent
LG = CAMPAIGNS["NMC"]
COLD_START_S = 60.0
COLDEST_HPPC = "-20C_607_HPPC"
COLDEST_PULSE_A = 5.5
CHARGE_PULSE_A = 2.5
PULSE_S = (8.9, 10.2)
DIVERGED = 0.1
FREE = Smoothness(bend=1e-6, step=1e-6, size=1e-6, stay=1e-6, lag=0.0)
"""No regularisation: only what keeps the equations solvable."""
FORMS = tuple(
    Form(tau_s=tau_s, kinetic_a=scale)
    for tau_s in ((1.0, 4.0, 16.0, 64.0), (2.0, 8.0, 32.0, 128.0), (4.0, 16.0, 64.0, 256.0))
    for scale in (0.5, 1.0, 2.0)
)


@dataclass(frozen=True)
class Data:
    """Drives to fit and to score, and the OCV of the C/20 test (101,) V."""

    training: tuple[CellTest, ...]
    scored: tuple[CellTest, ...]
    ocv_v: Array

    @classmethod
    def read(cls, folder: Path) -> "Data":
        """From the public measurements."""
        down, up = ocv_branches(other_test(LG, folder, LG.ocv_test))
        return cls(
            tuple(map(_celltest, drive_tests(LG, folder, LG.fit_profiles))),
            tuple(map(_celltest, drive_tests(LG, folder, LG.validation_profiles))),
            CHARGE_SHARE * up + (1.0 - CHARGE_SHARE) * down,
        )


def _celltest(test: measurements.CellTest) -> CellTest:
    names = ("time_s", "current_a", "voltage_v", "temperature_degc", "soc")
    return CellTest(
        test.test_id,
        LG.cell,
        test.profile,
        {name: getattr(test, name) for name in names},
        ambient_degc=test.ambient_degc,
        source=LG.source,
        sampling="decimated",
    )


def same(test: CellTest) -> dict[str, Array]:
    """The columns as delivered."""
    return dict(test.columns)


def voltage_score(
    program: Program, tests: Iterable[CellTest], change: Change = same
) -> dict[str, Any]:
    """RMSE in mV, all and by temperature; the first minute apart and out of the maximum."""
    machine = Interpreter(program)
    errors: dict[float, list[Array]] = {}
    first, later = [], []
    for test in tests:
        machine.reset()
        error = 1e3 * (machine.run(change(test)) - test.columns["voltage_v"])
        errors.setdefault(float(test.ambient_degc or 0.0), []).append(error)
        cold = test.columns["time_s"] < test.columns["time_s"][0] + COLD_START_S
        first.append(error[cold])
        later.append(error[~cold])
    everything = [error for group in errors.values() for error in group]
    return {
        "all": _rms(everything),
        **{f"{ambient:g}": _rms(errors[ambient]) for ambient in sorted(errors)},
        "max_after_60_s": round(float(np.max(np.abs(np.concatenate(later)))), 1),
        "first_60_s": _rms(first),
    }


def _rms(errors: list[Array]) -> float:
    return round(float(np.sqrt(np.mean(np.concatenate(errors) ** 2))), 2)


def voltage_rows(data: Data) -> tuple[dict[str, Any], Drives, Smoothness]:
    """Every kind's row; the drives in the form that was chosen, and its smoothness."""
    # One form for all: the one that predicts left-out profiles best at the usual smoothness.
    forms = {form: Drives(data.training, form, data.ocv_v) for form in FORMS}
    at_usual = {form: drives.score_mv(Smoothness()) for form, drives in forms.items()}
    form = min(at_usual, key=at_usual.__getitem__)
    linear = Form(form.tau_s, None)
    free = Drives(data.training, linear), Drives(data.training, form)
    kinds = {
        "static_table": (Drives(data.training, Form((), None), data.ocv_v), grid(lag=(0.0,))),
        "circuit_without_ocv_or_ridge": (free[0], (FREE,)),
        "circuit_asinh_without_ocv_or_ridge": (free[1], (FREE,)),
        "circuit": (Drives(data.training, linear, data.ocv_v), grid()),
        "circuit_asinh": (forms[form], grid()),
    }
    rows: dict[str, Any] = {}
    best = Smoothness()
    for name, (drives, among) in kinds.items():
        best, scores = chosen(drives, among)
        program = drives.fit(best).program()
        rows[name] = {
            "parameters": program.parameters,
            "tau_s": list(drives.form.tau_s),
            "kinetic_a": drives.form.kinetic_a,
            "smoothness": {k: getattr(best, k) for k in best.__struct_fields__},
            "cross_validated_rmse_mv": round(min(scores.values()), 2),
            "rmse_mv": voltage_score(program, data.scored),
        }
    return rows, forms[form], best


def robustness_rows(
    circuit: Circuit, tuning: Tuning, tests: tuple[CellTest, ...]
) -> dict[str, Any]:
    """Voltage RMSE in mV with inputs that err: SoC alone, sensor and its integral, and so on."""

    def changed(**shifts: float) -> Change:
        return lambda test: {
            name: values + shifts.get(name, 0.0) for name, values in test.columns.items()
        }

    def sensed(test: CellTest, bias_a: float, gain: float) -> dict[str, Array]:
        columns = same(test)
        wrong = gain * columns["current_a"] + bias_a
        dt_s = np.diff(columns["time_s"], prepend=columns["time_s"][0])
        extra = np.cumsum((wrong - columns["current_a"]) * dt_s) / 3600.0 / LG.capacity_ah
        return columns | {"current_a": wrong, "soc": columns["soc"] + extra}

    def late(test: CellTest) -> dict[str, Array]:
        columns = same(test)
        return columns | {"current_a": np.r_[columns["current_a"][:1], columns["current_a"][:-1]]}

    def filtered(bias_a: float, gain: float, soc_error: float) -> Change:
        def change(test: CellTest) -> dict[str, Array]:
            columns = sensed(test, bias_a, gain)
            found = SocFilter(circuit, LG.capacity_ah, tuning)
            found.reset(float(test.columns["soc"][0]) + soc_error, 0.2)
            return columns | {"soc": found.run(columns)}

        return change

    rows = {
        "soc +3 %": changed(soc=0.03),
        "soc -3 %": changed(soc=-0.03),
        "current +50 mA and +1 %, integrated": lambda test: sensed(test, 0.05, 1.01),
        "current -50 mA and -1 %, integrated": lambda test: sensed(test, -0.05, 0.99),
        "temperature +3 degC": changed(temperature_degc=3.0),
        "temperature -3 degC": changed(temperature_degc=-3.0),
        "current one sample late": late,
        "soc from our filter, true sensor": filtered(0.0, 1.0, 0.0),
        "soc from our filter, 20 % low, +50 mA and +1 %": filtered(0.05, 1.01, -0.2),
    }
    program = circuit.program()
    return {name: voltage_score(program, tests, change) for name, change in rows.items()}


def soc_rows(circuit: Circuit, tuning: Tuning, tests: tuple[CellTest, ...]) -> dict[str, Any]:
    """Errors of the SoC filter in percent of SoC over all scenarios, by temperature."""
    found = list(soc_tuning.replay(circuit, LG.capacity_ah, tuning, tests))

    def summary(rows: list[soc_tuning.Outcome]) -> dict[str, Any]:
        return {
            "runs": len(rows),
            "worst_error_after_300_s": round(100.0 * max(r.settled for r in rows), 2),
            "worst_rmse": round(100.0 * max(r.rmse for r in rows), 2),
            "median_rmse": round(100.0 * float(np.median([r.rmse for r in rows])), 2),
            "largest_error": round(100.0 * max(r.largest for r in rows), 2),
            "diverged": sum(r.largest > DIVERGED for r in rows),
            "missed": sum(r.burden > 1.0 for r in rows),
            "interval_holds_90_percent_of": round(
                float(np.mean([r.widen <= 1.0 for r in rows])), 3
            ),
        }

    ambients = sorted({r.ambient_degc for r in found})
    warm = [r for r in found if r.ambient_degc >= soc_tuning.WARM_DEGC]
    return {
        "from_0_degc": summary(warm),
        "below_0_degc": summary([r for r in found if r not in warm]),
        **{f"{a:g}": summary([r for r in found if r.ambient_degc == a]) for a in ambients},
    }


@dataclass(frozen=True)
class Judged:
    """Predicted power over the measured one of a pulse; the same for the lower bound."""

    ratio: float
    low: float


def judged(circuit: Circuit, margin: Margin, pulse: Pulse, charge: bool) -> Judged:
    """One pulse: its end voltage is the limit, its rest voltage anchors the OCV."""
    bound = pulse.end_voltage_v
    limits = Limits(
        cell_voltage_min_v=2.0 if charge else bound,
        cell_voltage_max_v=bound if charge else 4.5,
        discharge_current_a=1e3,
        charge_current_a=1e3,
    )
    battery = Battery(
        level="cell", chemistry="NMC", reference_capacity_ah=LG.capacity_ah, limits=limits
    )
    anchor = pulse.rest_voltage_v - float(circuit.ocv(pulse.soc, pulse.temperature_degc))
    found = sop(
        battery,
        soc=min(pulse.soc, 1.0),
        temperature_degc=pulse.temperature_degc,
        ocv_offset_v=anchor,
        horizons=(pulse.horizon_s,),
        circuit=circuit,
        margin=margin,
    )[int(charge)]
    # A charge's smallest power is its beginning's; the samples tell the current and the end.
    true = pulse.current_a * bound
    low = found.power_w if found.low_w is None else found.low_w
    return Judged(found.power_w / true, low / true)


def power_rows(circuit: Circuit, margin: Margin, folder: Path) -> dict[str, Any]:
    """Scores by test, all that count for the bar together, the coldest and charges apart."""

    def found(test_id: str, least_a: float, charge: bool = False) -> list[Pulse]:
        test = other_test(LG, folder, test_id)
        every = pulses(test, LG.capacity_ah, least_a, 1.0 if charge else -1.0)
        return [p for p in every if PULSE_S[0] <= p.horizon_s <= PULSE_S[1]]

    bar = {test_id: found(test_id, PULSE_A) for test_id in HPPC_TESTS}
    every = [pulse for group in bar.values() for pulse in group]
    tables = np.array(
        [predicted_power_w(p, LG.capacity_ah) / (p.current_a * p.end_voltage_v) for p in every]
    )
    charges = [
        pulse
        for test_id in (*HPPC_TESTS, COLDEST_HPPC)
        for pulse in found(test_id, CHARGE_PULSE_A, charge=True)
    ]
    cold = found(COLDEST_HPPC, COLDEST_PULSE_A)

    def score(group: list[Pulse], charge: bool = False) -> dict[str, float]:
        return _power_score([judged(circuit, margin, pulse, charge) for pulse in group])

    return {
        "discharge": score(every),
        "discharge_by_chemistry_tables": {
            "mape_percent": round(100.0 * float(np.mean(np.abs(tables - 1.0))), 2),
            "over_by_5_percent": round(100.0 * float(np.mean(tables > 1.05)), 1),
        },
        **{test_id: score(group) for test_id, group in bar.items()},
        COLDEST_HPPC: score(cold),
        "charge": score(charges, charge=True),
    }


def _power_score(found: list[Judged]) -> dict[str, float]:
    ratio, low = np.array([j.ratio for j in found]), np.array([j.low for j in found])
    return {
        "pulses": len(found),
        "mape_percent": round(100.0 * float(np.mean(np.abs(ratio - 1.0))), 2),
        "bias_percent": round(100.0 * float(np.mean(ratio - 1.0)), 2),
        "over_by_5_percent": round(100.0 * float(np.mean(ratio > 1.05)), 1),
        "low_over_by_5_percent": round(100.0 * float(np.mean(low > 1.05)), 1),
        "low_median_percent": round(100.0 * float(np.median(low)), 1),
    }


def bars(result: dict[str, Any]) -> dict[str, bool]:
    """What had to be reached, and whether it was."""
    voltage = result["voltage"]["circuit_asinh"]["rmse_mv"]
    warm, cold = result["soc"]["from_0_degc"], result["soc"]["below_0_degc"]
    power = result["power"]["discharge"]
    return {
        "circuit <= 20 mV": voltage["all"] <= 20.0,
        "soc after 300 s <= 3 % from 0 degC": warm["worst_error_after_300_s"] <= 3.0,
        "soc after 300 s <= 6 % below": cold["worst_error_after_300_s"] <= 6.0,
        "soc rmse <= 1.3 % from 0 degC": warm["worst_rmse"] <= 1.3,
        "soc rmse <= 3.5 % below": cold["worst_rmse"] <= 3.5,
        "soc never diverges": warm["diverged"] + cold["diverged"] == 0,
        "sop mape <= 4 %": power["mape_percent"] <= 4.0,
        "sop bound over by 5 % on <= 5 %": power["low_over_by_5_percent"] <= 5.0,
        "sop bound's median >= 90 %": power["low_median_percent"] >= 90.0,
    }


def measured(folder: Path) -> dict[str, Any]:
    """All of it."""
    data = Data.read(folder)
    voltage, drives, smoothness = voltage_rows(data)
    circuit, folds = drives.fit(smoothness), drives.folds(smoothness)
    tuning, burdens = soc_tuning.chosen(folds, LG.capacity_ah, soc_tuning.candidates(folds))
    tuning = soc_tuning.widened(folds, LG.capacity_ah, tuning)
    margin = power_margin.calibrated(folds)
    result: dict[str, Any] = {
        "cell": LG.cell,
        "training": _digests(data.training),
        "scored": _digests(data.scored),
        "ocv": f"{LG.ocv_test}: {CHARGE_SHARE:g} of the charge, the rest of the discharge branch",
        "voltage": voltage,
        "robustness_rmse_mv": robustness_rows(circuit, tuning, data.scored),
        "soc_tuning": {k: getattr(tuning, k) for k in tuning.__struct_fields__}
        | {"burden": round(min(burdens), 3), "candidates": len(burdens)},
        "soc_cross_validated": _cross_validated(folds, tuning),
        "soc": soc_rows(circuit, tuning, data.scored),
        "power_margin": {k: getattr(margin, k) for k in margin.__struct_fields__},
        "power": power_rows(circuit, margin, folder),
    }
    result["bars"] = bars(result)
    return result


def _cross_validated(folds: tuple[Fold, ...], tuning: Tuning) -> dict[str, float]:
    found = [
        outcome
        for fold in folds
        for outcome in soc_tuning.replay(fold.circuit, LG.capacity_ah, tuning, fold.tests)
    ]
    return {
        "runs": len(found),
        "missed": sum(outcome.burden > 1.0 for outcome in found),
        "diverged": sum(outcome.largest > DIVERGED for outcome in found),
    }


def _digests(tests: tuple[CellTest, ...]) -> dict[str, str]:
    return {test.test_id: test.digest[:16] for test in tests}


def main(arguments: list[str] | None = None) -> int:
    """Fit, choose, score, print and write; 0 even where a bar is missed (the table says so)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    given_data = os.environ.get("EVITALS_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(given_data))
    out = ROOT / "benchmarks/results/voltage_circuits.json"
    parser.add_argument("--out", type=Path, default=out)
    given = parser.parse_args(arguments)
    result = measured(given.data)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    shown = {k: v for k, v in result.items() if k not in ("training", "scored")}
    print(json.dumps(shown, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
