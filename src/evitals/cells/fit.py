"""Make a chemistry's tables from bench data: ``python -m evitals.cells.fit --data DIR``.

The circuit's voltage is linear in its tables once the two time constants are fixed::

    v = ocv0(soc) + sum_k h_k(soc) d_k
        + sum_j th0_j w_j(soc, T) i + th1_j F1[w_j i] + th2_j F2[w_j i]

with hat functions ``h`` and ``w`` (linear, bilinear), ``F`` the exact exponential filter of each
branch, ``d`` the correction of the C/20 curve and ``th >= 0`` the resistances relative to each
temperature's mean. So a bounded linear least-squares solve is the whole fit; the time constants
come from a grid. Structure: G. Plett, Battery Management Systems, vol. 1, ch. 2 (2015).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from evitals.cells.chemistry import Chemistry, from_table
from evitals.cells.circuit import Circuit
from evitals.cells.measurements import CAMPAIGNS, Campaign, CellTest, drive_tests, other_test

Array = NDArray[np.float64]
Taus = tuple[float, ...]

SOC_GRID = np.linspace(0.0, 1.0, 101)
OCV_KNOTS = np.array([0.0, 0.02, 0.05, *np.arange(0.1, 0.96, 0.05), 1.0])
SOC_KNOTS = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
# Bounded by what 2 to 30 s of power needs: a fast branch of 20 s and more follows drives as well
# and pulses worse. The slow one is the slowest of 60 to 250 s; free, the fit also takes 900 s.
FAST_TAUS_S = (8.0, 12.0)
SLOW_TAUS_S = (250.0,)
LAG_ROWS = 10
LAG_WEIGHT = 3.0
"""Voltage changes over LAG_ROWS seconds are fitted beside the levels: slow errors (OCV, SoC) cancel
in them, so resistances are not bent to absorb what they did not cause."""
COMMAND = "python -m evitals.cells.fit --data DIR --out DIR"
GRID_STRIDE = 7
"""Rows skipped while the time constants are searched (the filters still see every row)."""

BEND_SOC = 0.005
"""Weight of a resistance's second difference over SoC, against a mean weighted row of 1."""
STEP_TEMPERATURE = 0.001
"""Weight of the difference in shape between neighbouring temperatures."""
CHARGE_SHARE = 0.3
"""Share of the C/20 charge branch in the OCV: a rest in the field mostly follows a discharge."""
BEND_OCV = 0.005
STAY_OCV = 0.003
"""Weight of each OCV knot's distance from the C/20 curve, in units of 10 mV. Drives discharge
steadily, so a free OCV swallows the slow branch and ends 20 mV below where the cell rests."""
RIDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Fitted:
    """A solved circuit: V, ohm*Ah (resistance times capacity; (1 + branches, T, SoC)) and s."""

    ocv_v: Array
    temperatures_degc: Array
    resistance_ohm_ah: Array
    tau_s: tuple[float, ...]
    residual_v: float


def ocv_branches(test: CellTest) -> tuple[Array, Array]:
    """C/20 discharge and charge voltage on SOC_GRID, V each; each branch on its own charge.

    Each branch spans 0..1 by its own counted charge: a cycler's offset over forty hours (0.19 Ah
    on the LG test) would otherwise shift the branches against each other. A charge that was not
    full is placed by the voltage at which it rests.
    """
    counted = np.cumsum(np.r_[0.0, test.mean_current_a[1:] * np.diff(test.time_s)]) / 3600.0
    rate = 0.3 * float(np.max(np.abs(test.current_a)))
    down, up = np.flatnonzero(test.current_a < -rate), np.flatnonzero(test.current_a > rate)
    soc_down = _unit(counted[down])
    discharge = np.interp(SOC_GRID, soc_down[::-1], test.voltage_v[down][::-1])
    top = 1.0
    if test.voltage_v[-1] < test.voltage_v[0] - 0.01:
        polarised = float(test.voltage_v[0] - test.voltage_v[down[0]])
        rested = test.voltage_v[-1] - polarised
        top = float(np.interp(rested, np.maximum.accumulate(discharge), SOC_GRID))
    charge = np.interp(SOC_GRID, top * _unit(counted[up]), test.voltage_v[up])
    return discharge, charge


def _unit(counted: Array) -> Array:
    low, high = float(counted.min()), float(counted.max())
    return (counted - low) / (high - low)


def _hats(x: Array, knots: Array) -> tuple[NDArray[np.int64], Array]:
    """Left knot and weight of the right one, clamped to the knots' span."""
    clipped = np.clip(x, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, clipped, side="right") - 1, 0, len(knots) - 2)
    return left, (clipped - knots[left]) / (knots[left + 1] - knots[left])


def _dense(x: Array, knots: Array) -> Array:
    left, weight = _hats(x, knots)
    out = np.zeros((len(x), len(knots)))
    rows = np.arange(len(x))
    out[rows, left] = 1.0 - weight
    out[rows, left + 1] = weight
    return out


def _filtered(weights: Array, current: Array, dt: Array, tau: float) -> Array:
    out = np.zeros_like(weights)
    for k in range(1, len(weights)):
        decay = np.exp(-dt[k] / tau)
        gain = (1.0 - decay) * current[k]
        for j in range(weights.shape[1]):
            out[k, j] = decay * out[k - 1, j] + gain * weights[k, j]
    return out


_filter = njit(cache=True)(_filtered)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What one test adds to the normal equations, before the time constants are chosen."""

    ocv: Array
    weights: Array
    c_rate: Array
    mean_c_rate: Array
    dt: Array
    target: Array
    ambient: float


def _rows(test: CellTest, campaign: Campaign, ocv0: Array, temperatures: Array) -> _Rows:
    soc = _dense(test.soc, SOC_KNOTS)
    heat = _dense(test.temperature_degc, temperatures)
    return _Rows(
        ocv=_dense(test.soc, OCV_KNOTS),
        weights=(heat[:, :, None] * soc[:, None, :]).reshape(len(soc), -1),
        c_rate=test.current_a / campaign.capacity_ah,
        mean_c_rate=test.mean_current_a / campaign.capacity_ah,
        dt=np.diff(test.time_s, prepend=test.time_s[0]),
        target=test.voltage_v - np.interp(test.soc, SOC_GRID, ocv0),
        ambient=test.ambient_degc,
    )


def _design(rows: _Rows, taus: Taus, stride: int) -> Array:
    direct = rows.weights * rows.c_rate[:, None]
    slow = [_filter(rows.weights, rows.mean_c_rate, rows.dt, tau) for tau in taus]
    return np.hstack([rows.ocv, direct, *slow])[::stride]


def _penalty(scale: Array, stay_ocv: float) -> Array:
    """Rows that ask for smooth tables; ``scale`` (1 + branches, T) turns resistances relative."""
    socs, ocvs = len(SOC_KNOTS), len(OCV_KNOTS)
    branches, temperatures = scale.shape
    total = ocvs + branches * temperatures * socs
    rows: list[Array] = []

    def add(weight: float, entries: dict[int, float]) -> None:
        row = np.zeros(total)
        for column, value in entries.items():
            row[column] = np.sqrt(weight) * value
        rows.append(row)

    for k in range(ocvs):
        add(stay_ocv, {k: 100.0})
    for k in range(1, ocvs - 1):
        left, right = OCV_KNOTS[k] - OCV_KNOTS[k - 1], OCV_KNOTS[k + 1] - OCV_KNOTS[k]
        ratio = 2.0 / (left + right)
        bend = {k - 1: ratio * right, k: -2.0, k + 1: ratio * left}
        add(BEND_OCV, {column: 100.0 * value for column, value in bend.items()})
    for branch, heat, soc in product(range(branches), range(temperatures), range(socs)):
        at = ocvs + (branch * temperatures + heat) * socs + soc
        unit = 1.0 / scale[branch, heat]
        add(RIDGE, {at: unit})
        if 0 < soc < socs - 1:
            add(BEND_SOC, {at - 1: unit, at: -2.0 * unit, at + 1: unit})
        if heat + 1 < temperatures:
            add(STEP_TEMPERATURE, {at: unit, at + socs: -1.0 / scale[branch, heat + 1]})
    return np.array(rows)


def _normal(
    rows: list[_Rows], taus: Taus, noise: dict[float, float], lag_weight: float, stride: int
) -> tuple[Array, Array, float]:
    """Mean weighted normal equations: gram, moment and mean square of the target."""
    size = rows[0].ocv.shape[1] + (1 + len(taus)) * rows[0].weights.shape[1]
    gram, moment, square, count = np.zeros((size, size)), np.zeros(size), 0.0, 0
    for one in rows:
        whole = _design(one, taus, 1)
        weight = 1.0 / noise[one.ambient] ** 2
        change, changed = (
            whole[LAG_ROWS:] - whole[:-LAG_ROWS],
            one.target[LAG_ROWS:] - one.target[:-LAG_ROWS],
        )
        for design, target, share in (
            (whole[::stride], one.target[::stride], weight),
            (change[::stride], changed[::stride], lag_weight * weight),
        ):
            gram += share * design.T @ design
            moment += share * design.T @ target
            square += share * float(target @ target)
        count += len(whole[::stride])
    return gram / count, moment / count, square / count


def _scale(gram: Array, moment: Array, temperatures: int) -> Array:
    """Mean resistance (1 + branches, T): the same fit without SoC."""
    ocvs, socs = len(OCV_KNOTS), len(SOC_KNOTS)
    groups = (len(moment) - ocvs) // socs
    fold = np.zeros((len(moment), ocvs + groups))
    fold[:ocvs, :ocvs] = np.eye(ocvs)
    for group in range(groups):
        fold[ocvs + group * socs : ocvs + (group + 1) * socs, ocvs + group] = 1.0
    small = fold.T @ gram @ fold + 1e-9 * np.trace(gram) / len(gram) * np.eye(fold.shape[1])
    solved = np.linalg.solve(small, fold.T @ moment)
    mean = np.asarray(solved[ocvs:]).reshape(-1, temperatures)
    # A branch the data hardly show still needs a positive size to be smoothed against.
    return np.asarray(np.maximum(mean, 0.1 * np.maximum(mean.mean(axis=1, keepdims=True), 1e-3)))


def _solve(
    normal: tuple[Array, Array, float], temperatures: int, stay_ocv: float
) -> tuple[Array, float]:
    gram, moment, square = normal
    scale = _scale(gram, moment, temperatures)
    ocvs, socs = len(OCV_KNOTS), len(SOC_KNOTS)
    penalty = _penalty(scale, stay_ocv)
    pull = np.zeros(len(moment))
    pull[ocvs:] = RIDGE / np.repeat(scale.ravel(), socs)
    full = gram + penalty.T @ penalty + 1e-9 * np.eye(len(moment))
    factor = np.linalg.cholesky(full)
    target = np.linalg.solve(factor, moment + pull)
    floor = np.full(len(moment), -np.inf)
    floor[ocvs:] = 0.02 * np.repeat(scale.ravel(), socs)
    found = np.asarray(lsq_linear(factor.T, target, bounds=(floor, np.inf), method="bvls").x)
    return found, float(square - 2.0 * found @ moment + found @ gram @ found)


def fit(
    tests: list[CellTest],
    ocv0: Array,
    campaign: Campaign,
    grid: Sequence[Taus] = tuple(product(FAST_TAUS_S, SLOW_TAUS_S)),
    lag_weight: float = LAG_WEIGHT,
    stay_ocv: float = STAY_OCV,
) -> Fitted:
    """The tables that explain ``tests`` best, deterministically. ``ocv0``: V on SOC_GRID (S,).

    ``grid``: the time constants to choose from, s; ``((),)`` fits a static OCV and R0.
    ``lag_weight``: how much voltage changes over LAG_ROWS count beside the levels. ``stay_ocv``:
    what an OCV knot pays for leaving ``ocv0``.
    """
    temperatures = np.array(sorted({test.ambient_degc for test in tests}))
    rows = [_rows(test, campaign, ocv0, temperatures) for test in tests]
    noise = dict.fromkeys(temperatures.tolist(), 0.02)
    solved = {
        taus: _solve(
            _normal(rows, taus, noise, lag_weight, GRID_STRIDE), len(temperatures), stay_ocv
        )
        for taus in grid
    }
    taus = min(solved, key=lambda key: solved[key][1])
    found = solved[taus][0]
    noise = _noise(rows, taus, found)
    found, loss = _solve(_normal(rows, taus, noise, lag_weight, 1), len(temperatures), stay_ocv)
    ocvs = len(OCV_KNOTS)
    ocv = ocv0 + _dense(SOC_GRID, OCV_KNOTS) @ found[:ocvs]
    # An OCV that does not rise cannot be inverted: 0.2 mV a percent is far below what is measured.
    ocv = np.maximum.accumulate(ocv - 2e-4 * np.arange(len(ocv))) + 2e-4 * np.arange(len(ocv))
    resistance = found[ocvs:].reshape(-1, len(temperatures), len(SOC_KNOTS))
    return Fitted(ocv, temperatures, resistance, taus, float(np.sqrt(loss)))


def _noise(rows: list[_Rows], taus: Taus, found: Array) -> dict[float, float]:
    """Residual RMS of each ambient, V: cold tests err more and must not bend the shared OCV."""
    squares: dict[float, list[float]] = {}
    for one in rows:
        error = one.target[::GRID_STRIDE] - _design(one, taus, GRID_STRIDE) @ found
        squares.setdefault(one.ambient, []).append(float(np.mean(error**2)))
    return {ambient: max(float(np.sqrt(np.mean(s))), 0.005) for ambient, s in squares.items()}


def build(campaign: Campaign, data: Path) -> dict[str, Any]:
    """The JSON form of a chemistry's tables, fitted and validated on ``data``."""
    tests = list(drive_tests(campaign, data, campaign.fit_profiles))
    down, up = ocv_branches(other_test(campaign, data, campaign.ocv_test))
    start = CHARGE_SHARE * up + (1.0 - CHARGE_SHARE) * down
    table = _table(campaign, tests, fit(tests, start, campaign))
    # The baseline's OCV may go wherever it does best: it needs no rest voltage.
    loose = fit(tests, start, campaign, ((),), lag_weight=0.0, stay_ocv=0.0)
    static = _table(campaign, tests, loose)
    table["ocv_hysteresis_v"] = np.round((up - down) / 2.0, 4).tolist()
    judges = list(drive_tests(campaign, data, campaign.validation_profiles))
    table["validation"] = {
        "tests": [test.test_id for test in judges],
        "circuit_rmse_mv": voltage_rmse_mv(from_table(table), judges),
        "static_rmse_mv": voltage_rmse_mv(from_table(static), judges),
    }
    return table


def _table(campaign: Campaign, tests: list[CellTest], fitted: Fitted) -> dict[str, Any]:
    temperatures = fitted.temperatures_degc.tolist()
    lowest = [
        min(float(test.soc.min()) for test in tests if test.ambient_degc == ambient)
        for ambient in temperatures
    ]
    resistance = np.zeros((3, len(temperatures), len(SOC_KNOTS)))
    resistance[: len(fitted.resistance_ohm_ah)] = fitted.resistance_ohm_ah
    return {
        "chemistry": campaign.chemistry,
        "cell": campaign.cell,
        "source": campaign.source,
        "licence": "understood to be CC BY 4.0",
        "command": COMMAND,
        "fitted_on": [test.test_id for test in tests],
        "ocv_test": campaign.ocv_test,
        "cell_capacity_ah": campaign.capacity_ah,
        "known_gaps": list(campaign.known_gaps),
        "temperatures_degc": temperatures,
        "soc_min_fitted": np.round(lowest, 3).tolist(),
        "soc_knots": SOC_KNOTS.tolist(),
        "tau_s": list(fitted.tau_s) or [1.0, 1.0],
        "r0_ohm_ah": np.round(resistance[0], 5).tolist(),
        "r1_ohm_ah": np.round(resistance[1], 5).tolist(),
        "r2_ohm_ah": np.round(resistance[2], 5).tolist(),
        "ocv_soc": np.round(SOC_GRID, 4).tolist(),
        "ocv_v": np.round(fitted.ocv_v, 5).tolist(),
    }


def voltage_rmse_mv(chemistry: Chemistry, tests: list[CellTest]) -> dict[str, float]:
    """RMSE of the terminal voltage in mV, by ambient temperature (degC) and "all".

    Streamed from the first sample with the measured current, temperature and counted SoC; no
    voltage is fed back. Every sample weighs alike.
    """
    squares: dict[str, list[Array]] = {}
    circuit = Circuit(chemistry, 1, 1, chemistry.cell_capacity_ah)
    for test in tests:
        voltage = circuit.run(test.time_s, test.current_a, test.soc, test.temperature_degc)
        squares.setdefault(f"{test.ambient_degc:g}", []).append((voltage - test.voltage_v) ** 2)
    squares = {key: squares[key] for key in sorted(squares, key=float)}
    everything = [one for group in squares.values() for one in group]
    return {
        key: round(1e3 * float(np.sqrt(np.mean(np.concatenate(group)))), 1)
        for key, group in {**squares, "all": everything}.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Write nmc.json and nca.json into ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m evitals.cells.fit", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of public measurements")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--chemistry", choices=sorted(CAMPAIGNS), action="append")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.chemistry or CAMPAIGNS:
        table = build(CAMPAIGNS[name], given.data)
        path = given.out / f"{name.lower()}.json"
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(f"{path}: tau {table['tau_s']} s, RMSE {table['validation']['circuit_rmse_mv']} mV")
    return 0


if __name__ == "__main__":
    sys.exit(main())
