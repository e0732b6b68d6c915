"""stuck_sensor: a sensor that stands still while what it measures must move."""

import numpy as np
import numpy.typing as npt

from evitals.battery import Battery
from evitals.telemetry.chart import Chart, Floats
from evitals.telemetry.findings import found
from evitals.telemetry.recording import Finding

STANDING_MPS = 0.3
"""A vehicle slower than this stands."""
MOVED_MPS = 2.0
MOVING_SHARE = 0.5
STUCK_S = 60.0
STUCK_ROWS = 10
STRAIGHT_S = 30.0
STRAIGHT_ROWS = 20
STRAIGHT_BEND_A, STRAIGHT_SLOPE_A = 0.02, 0.005
STEP_SHARE = 0.1
"""A current step over the largest current from which the voltage must answer."""
STEPS = 10
"""Such steps without an answer: in a constant-voltage charge the current falls without steps."""
SOC_MOVED = 0.08
"""Charge moved over the reference capacity from which a standing SoC is stuck."""
SOC_FREE = (0.03, 0.97)
"""Near empty and full a BMS's SoC may stand at its limit."""


def stuck(chart: Chart, battery: Battery | None) -> list[Finding]:
    """Findings ``stuck_sensor`` of current, voltage and SoC (the latter needs ``battery``)."""
    if len(chart.time) < STUCK_ROWS:
        return []
    return [*_current(chart), *_voltage(chart), *_soc(chart, battery)]


def _current(chart: Chart) -> list[Finding]:
    """The current is constant, or a ruled line, while the vehicle changes speed."""
    if np.isnan(chart.speed).all():
        return []
    change = np.diff(chart.current)
    step, bend = np.abs(change), np.abs(np.diff(change))
    straight = np.concatenate([[False], (bend < STRAIGHT_BEND_A) & (step[1:] > STRAIGHT_SLOPE_A)])
    rows = [
        *_long_runs(chart, step == 0.0, STUCK_S, STUCK_ROWS),
        *_long_runs(chart, straight, STRAIGHT_S, STRAIGHT_ROWS),
    ]
    if not rows:
        return []
    seconds = sum(chart.time[b] - chart.time[a] for a, b in rows)
    held = _rows(rows)
    message = (
        f"current is constant or a ruled line for {seconds:.0f} s from "
        f"{chart.time[rows[0][0]]:.0f} s on while the vehicle changes speed"
    )
    remedy = "the charge moved is unknown: do not use this stretch"
    return [found("stuck_sensor", "error", held, "current_a", message, remedy)]


def _long_runs(
    chart: Chart, flags: npt.NDArray[np.bool_], seconds: float, rows: int
) -> list[tuple[int, int]]:
    """First and last row of runs of flagged steps that are long, and in which the speed changes."""
    runs = []
    for a, b in _runs(flags, chart.time, seconds, rows):
        speeds = chart.speed[a : b + 1]
        if np.isnan(speeds).all() or np.nanmax(speeds) - np.nanmin(speeds) <= MOVED_MPS:
            continue
        if np.mean(np.abs(speeds) > STANDING_MPS) >= MOVING_SHARE:
            runs.append((a, b))
    return runs


def _runs(
    flags: npt.NDArray[np.bool_], time: Floats, seconds: float = 0.0, rows: int = 0
) -> list[tuple[int, int]]:
    """First and last row of every run of flagged steps that is long enough."""
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    if len(flags) and flags[0]:
        edges = np.concatenate([[0], edges])
    if len(flags) and flags[-1]:
        edges = np.concatenate([edges, [len(flags)]])
    a, b = edges[::2], edges[1::2]
    long = (time[b] - time[a] >= seconds) & (b - a >= rows)
    return list(zip(a[long].tolist(), b[long].tolist(), strict=True))


def _voltage(chart: Chart) -> list[Finding]:
    """The voltage does not answer to large steps of the current."""
    step = np.abs(np.diff(chart.current))
    large = step > STEP_SHARE * float(np.nanmax(np.abs(chart.current), initial=0.0))
    rows = [
        (a, b)
        for a, b in _runs(chart.voltage[1:] == chart.voltage[:-1], chart.time, STUCK_S)
        if np.count_nonzero(large[a:b]) >= STEPS
    ]
    if not rows:
        return []
    message = (
        f"voltage stays at {chart.voltage[rows[0][0]]:g} V from {chart.time[rows[0][0]]:.0f} s on "
        "while the current steps"
    )
    remedy = "power and resistance are unknown there; charge and SoC still tell the capacity"
    return [found("stuck_sensor", "warning", _rows(rows), "voltage_v", message, remedy)]


def _soc(chart: Chart, battery: Battery | None) -> list[Finding]:
    """The SoC stands while a good part of the capacity moves."""
    if battery is None:
        return []
    limit = SOC_MOVED * battery.reference_capacity_ah
    same = (
        (np.diff(chart.soc) == 0.0) & (chart.soc[1:] > SOC_FREE[0]) & (chart.soc[1:] < SOC_FREE[1])
    )
    for stretch in chart.stretches[1:]:
        same[stretch.start - 1] = False
    rows = [
        (a, b) for a, b in _runs(same, chart.time) if abs(chart.charge[b] - chart.charge[a]) > limit
    ]
    if not rows:
        return []
    first, last = rows[0]
    message = (
        f"soc stays at {chart.soc[first]:g} from {chart.time[first]:.0f} s on while "
        f"{chart.charge[last] - chart.charge[first]:.3g} Ah move"
    )
    remedy = "its change is unknown: do not use this stretch"
    return [found("stuck_sensor", "error", _rows(rows), "soc", message, remedy)]


def _rows(runs: list[tuple[int, int]]) -> npt.NDArray[np.intp]:
    return np.concatenate([np.arange(a, b + 1) for a, b in runs])
