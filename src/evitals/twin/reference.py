"""The circuit again, written plainly and slowly: what the compiled kernel is held against.

One cell at a time, whole trapezoids instead of halves, and currents found by bracketing (scipy's
brentq) on the exact equations. For tests and for whoever wants to read the equations.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from evitals.twin import circuit as c

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Cell:
    """One cell within a step: where it stands and what its next current would do."""

    p: Floats
    tables: Floats
    resistance: float
    capacity_ah: float
    soc: float
    x1_v: float
    x2_v: float

    def elements(self, soc: float, degc: float) -> Floats:
        """R0 in ohm, 1 / (2 i0) in 1/A, R1, R2 in ohm."""
        block = self.tables[c.GRID :].reshape(c.SOC_POINTS, c.DEGC_POINTS, c.COLUMNS)
        warmth = c.DEGC_LOWEST + c.DEGC_STEP * np.arange(c.DEGC_POINTS)
        place = float(np.interp(degc, warmth, np.arange(c.DEGC_POINTS)))
        left = min(int(place), c.DEGC_POINTS - 2)
        by_soc = block[:, left] + (place - left) * (block[:, left + 1] - block[:, left])
        socs = np.linspace(0.0, 1.0, c.SOC_POINTS)
        found = [np.interp(soc, socs, column) for column in by_soc.T]
        scale = self.p[c.GROWTH] / self.p[c.REFERENCE_AH] * self.resistance
        return np.asarray(found) * float(scale)

    def open_v(self, soc: float, degc: float) -> float:
        """OCV at a SoC and temperature."""
        grid = np.linspace(0.0, 1.0, c.GRID)
        at_25 = np.interp(soc, grid, self.tables[: c.GRID, 0])
        index = min(int(min(max(soc, 0.0), 1.0) * (c.GRID - 1)), c.GRID - 2)
        slopes = self.tables[index : index + 2, 1]
        slope = np.interp(soc, grid[index : index + 2], slopes)
        return float(at_25 + (degc - c.REFERENCE_DEGC) * slope)

    def after(
        self, dt: float, last: float, current: float, degc: float
    ) -> tuple[float, float, float, float]:
        """SoC, x1, x2 and terminal voltage at the end of a step to ``current``.

        Tables are read at the SoC that the last current's half of the step leads to.
        """
        half = self.soc + 0.5 * last * dt / 3600.0 / self.capacity_ah
        r0, inverse, r1, r2 = self.elements(half, degc)
        soc = half + 0.5 * current * dt / 3600.0 / self.capacity_ah
        mean = 0.5 * (last + current)
        keep1, keep2 = math.exp(-dt / self.p[c.TAU1_S]), math.exp(-dt / self.p[c.TAU2_S])
        x1 = keep1 * self.x1_v + (1.0 - keep1) * r1 * mean
        x2 = keep2 * self.x2_v + (1.0 - keep2) * r2 * mean
        thermal = c.THERMAL_V_PER_K * (degc + c.ZERO_K)
        over = r0 * current + thermal * math.asinh(current * inverse) + x1 + x2
        return soc, x1, x2, self.open_v(soc, degc) + over


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def current_bounds(
    p: Floats, cells: tuple[Cell, Cell], dt: float, last: float, degc: float
) -> tuple[float, float]:
    """Most negative and most positive current that SoC and temperature leave, A."""
    halves = [x.soc + 0.5 * last * dt / 3600.0 / x.capacity_ah for x in cells]
    per_a = 0.5 * dt / 3600.0 / cells[1].capacity_ah
    warm = _share(min(degc - p[c.DEGC_MIN], p[c.DEGC_MAX] - degc) / c.DERATE_K)
    cold = _share((degc - p[c.CHARGE_NONE_DEGC]) / (p[c.CHARGE_FULL_DEGC] - p[c.CHARGE_NONE_DEGC]))
    fall, rise = p[c.I_DISCHARGE] / c.DERATE_SOC, p[c.I_CHARGE] / c.DERATE_SOC
    least = fall * max(min(halves) - p[c.SOC_MIN], 0.0) / (1.0 + fall * per_a)
    room = max(p[c.SOC_MAX] - max(halves), 0.0)
    most, trickle = rise * room / (1.0 + rise * per_a), c.TRICKLE * p[c.I_CHARGE]
    if most < trickle:
        most = min(trickle, room / per_a) if per_a > 0.0 else trickle * (room > 0.0)
    return -min(least, p[c.I_DISCHARGE] * warm), min(most, p[c.I_CHARGE] * warm * cold)


def climate(p: Floats, degc: float) -> tuple[float, float, float]:
    """Heat into the pack in W, the set point it leads to, electric power for it in W."""
    if degc < p[c.HEAT_BELOW_DEGC]:
        heat_w = p[c.HEATER_W] * _share((p[c.HEAT_BELOW_DEGC] - degc) / c.CLIMATE_BAND_K)
        return heat_w, p[c.HEAT_BELOW_DEGC], heat_w
    if degc > p[c.COOL_ABOVE_DEGC]:
        share = _share((degc - p[c.COOL_ABOVE_DEGC]) / c.CLIMATE_BAND_K)
        cold_w = p[c.COOLER_W] * p[c.COOLING] * share
        return -cold_w, p[c.COOL_ABOVE_DEGC], cold_w / p[c.COOLER_COP]
    return 0.0, degc, 0.0


def run(
    step_s: Floats,
    power_w: Floats,
    ambient_degc: float,
    awake: bool,
    p: Floats,
    tables: Floats,
    state: Floats,
) -> Floats:
    """The kernel's ``out`` (OUTPUTS, n)."""
    ah, weak_ah = float(p[c.CAPACITY_AH]), float(p[c.CAPACITY_AH] * p[c.WEAK_CAPACITY])
    average = Cell(p, tables, 1.0, ah, *map(float, state[c.STATE_SOC : c.STATE_X2 + 1]))
    weak_soc = 1.0 - (1.0 - average.soc) / p[c.WEAK_CAPACITY]
    weak_soc += p[c.WEAK_SOC_OFFSET] + state[c.STATE_WEAK_DRIFT]
    weak = Cell(
        p,
        tables,
        float(p[c.WEAK_RESISTANCE]),
        weak_ah,
        float(weak_soc),
        float(state[c.STATE_WEAK_X1]),
        float(state[c.STATE_WEAK_X2]),
    )
    cells, others = (average, weak), float(p[c.SERIES]) - 1.0
    degc, last = float(state[c.STATE_DEGC]), float(state[c.STATE_A])
    rows = []
    for dt, power in zip(step_s, power_w, strict=True):
        leaked = float(p[c.WEAK_LEAK_A] * dt / 3600.0 / weak_ah)
        left = weak.soc + 0.5 * last * dt / 3600.0 / weak_ah
        weak.soc -= min(leaked, max(left, 0.0))
        halves = [x.soc + 0.5 * last * dt / 3600.0 / x.capacity_ah for x in cells]
        on = (awake and min(halves) > p[c.SOC_MIN] + c.DERATE_SOC) or power > 0.0
        moved_w, target, electric_w = climate(p, degc) if on else (0.0, degc, 0.0)
        asked = float(power) - electric_w

        def volts(
            current: float, which: Cell, dt: float = dt, last: float = last, degc: float = degc
        ) -> float:
            return which.after(dt, last, current, degc)[3]

        def surplus(current: float, asked: float = asked) -> float:
            return current * (others * volts(current, average) + volts(current, weak)) - asked

        low, high = current_bounds(p, cells, dt, last, degc)
        for which in cells:
            if volts(low, which) < p[c.V_MIN]:
                edge = volts(0.0, which) > p[c.V_MIN]
                low = _root(lambda i, w=which: volts(i, w) - p[c.V_MIN], low, 0.0) if edge else 0.0
            if volts(high, which) > p[c.V_MAX]:
                edge = volts(0.0, which) < p[c.V_MAX]
                high = (
                    _root(lambda i, w=which: volts(i, w) - p[c.V_MAX], 0.0, high) if edge else 0.0
                )
        if asked == 0.0:
            current = 0.0
        elif surplus(low) > 0.0 or surplus(high) < 0.0:
            current = low if asked < 0.0 else high
        else:
            current = _root(surplus, low, high)
        ends = [x.after(dt, last, current, degc) for x in cells]
        heat_w = 0.0
        for which, end, count in zip(cells, ends, (others, 1.0), strict=True):
            heat_w += count * current * (end[3] - which.open_v(end[0], degc))
            which.soc, which.x1_v, which.x2_v = end[:3]
        half = halves[0]
        index = min(int(_share(half) * (c.GRID - 1)), c.GRID - 2)
        heat_w += float(p[c.SERIES]) * current * tables[index, 1] * (degc + c.ZERO_K)
        bridge = moved_w / (target - degc) if moved_w else 0.0
        conduct = p[c.PASSIVE_W_PER_K] + bridge
        settled = (p[c.PASSIVE_W_PER_K] * ambient_degc + bridge * target + heat_w) / conduct
        degc = float(settled + (degc - settled) * math.exp(-conduct * dt / p[c.HEAT_J_PER_K]))
        last = current
        pack_v = others * ends[0][3] + ends[1][3]
        seen = sorted((ends[0][3], ends[1][3]))
        rows.append((current, pack_v, average.soc, degc, *seen))
    return np.array(rows).T


def _root(function: object, low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-11, rtol=1e-13))
