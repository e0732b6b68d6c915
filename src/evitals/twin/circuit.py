"""The circuit and heat of a pack in one numba kernel, a sample at a time.

Resistances are per cell and multiplied by the capacity (ohm Ah), so that current enters as
C-rate and cells of any size share them:
``v = OCV(soc) + g (R0(soc, T) c + 2RT/F asinh(c / 2 c0(T))) + x1 + x2``; x1, x2 are first-order
states with resistances g R1(T), g R2(T). R0 is U-shaped in SoC; all follow Arrhenius in T. The
numbers are our own round figures for an EV cell (about 1 mOhm in 10 s at 60 Ah and 25 degC), not
a fit to any data set. Constants stay in this file: numba's cache watches only it.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

R0_OHM_AH = 0.030
R0_CURVE = 0.45
R0_LOWEST_SOC = 0.6
"""R0 = R0_OHM_AH (1 + R0_CURVE ((soc - R0_LOWEST_SOC) / R0_LOWEST_SOC)^2)."""
EXCHANGE_C_RATE = 1.6
R1_OHM_AH, TAU1_S = 0.012, 12.0
R2_OHM_AH, TAU2_S = 0.022, 900.0
R0_ACTIVATION_K, CT_ACTIVATION_K, RC_ACTIVATION_K = 1800.0, 4200.0, 3000.0
"""Activation energies over the gas constant, K (15, 35 and 25 kJ/mol)."""
THERMAL_V_PER_K = 2.0 * 8.314462618 / 96485.33212
ZERO_K, REFERENCE_K = 273.15, 298.15
DERATE_SOC = 0.03
"""Power fades linearly to zero over the last 3 points of SoC."""
TRICKLE = 0.02
COOL_ABOVE_DEGC, COOLANT_DEGC = 32.0, 25.0
ROUNDS, CLOSE_A = 20, 1e-4
MOST_POWER_V = 0.1
"""Where power hardly grows with current any more, the solver stops: the pack can give no more."""

(
    CAPACITY_AH,
    REFERENCE_AH,
    SERIES,
    GROWTH,
    V_MIN,
    V_MAX,
    I_DISCHARGE,
    I_CHARGE,
    SOC_MIN,
    SOC_MAX,
    HEAT_J_PER_K,
    PASSIVE_W_PER_K,
    ACTIVE_W_PER_K,
) = range(13)
"""Places of the parameters in the kernel's vector."""
SOC, X1, X2, TEMPERATURE, CURRENT = range(5)
"""Places in the state vector: true SoC, overpotentials per cell in V, degC, A."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True)(function))


@_compiled
def _interpolate(table: Floats, soc: float) -> float:
    place = min(max(soc, 0.0), 1.0) * (table.size - 1)
    at = min(int(place), table.size - 2)
    return float(table[at] + (place - at) * (table[at + 1] - table[at]))


@_compiled
def _secant(current: float, thermal: float, exchange: float) -> float:
    """Resistance of the asinh term at a current: its voltage over the current."""
    arg = current / (2.0 * exchange)
    if abs(arg) < 1e-6:
        return thermal / (2.0 * exchange)
    return thermal * math.asinh(arg) / current


@_compiled
def _for_power(power_w: float, open_v: float, r0: float, thermal: float, exchange: float) -> float:
    """Current in A at which a cell takes ``power_w``; its most powerful where it cannot give it.

    Newton's steps on power from the current without resistance: monotone while discharging, since
    power is convex in current there, and quadratic near the end.
    """
    current = power_w / open_v
    for _ in range(ROUNDS):
        arg = current / (2.0 * exchange)
        volts = open_v + r0 * current + thermal * math.asinh(arg)
        slope = r0 + thermal / (2.0 * exchange * math.sqrt(1.0 + arg * arg))
        gain = volts + current * slope
        if gain < MOST_POWER_V:
            break
        step = (current * volts - power_w) / gain
        current -= step
        if abs(step) < CLOSE_A:
            break
    return current


@_compiled
def _for_voltage(over_v: float, r0: float, thermal: float, exchange: float) -> float:
    """Current in A that moves a cell's voltage by ``over_v``."""
    current = over_v / (r0 + thermal / (2.0 * exchange))
    for _ in range(ROUNDS):
        before = current
        current = over_v / (r0 + _secant(current, thermal, exchange))
        if abs(current - before) < CLOSE_A:
            break
    return current


@_compiled
def _limited(
    current: float, open_v: float, soc: float, r0: float, thermal: float, exchange: float, p: Floats
) -> float:
    """The current that the pack's limits leave: voltage, current, SoC."""
    volts = open_v + current * (r0 + _secant(current, thermal, exchange))
    if volts < p[V_MIN] and current < 0.0:
        current = max(current, min(_for_voltage(p[V_MIN] - open_v, r0, thermal, exchange), 0.0))
    elif volts > p[V_MAX] and current > 0.0:
        current = min(current, max(_for_voltage(p[V_MAX] - open_v, r0, thermal, exchange), 0.0))
    if current < 0.0:
        share = min(max((soc - p[SOC_MIN]) / DERATE_SOC, 0.0), 1.0)
        return float(max(current, -p[I_DISCHARGE] * share))
    share = min(max((p[SOC_MAX] - soc) / DERATE_SOC, TRICKLE), 1.0) if soc < p[SOC_MAX] else 0.0
    return float(min(current, p[I_CHARGE] * share))


@_compiled
def kernel(
    step_s: Floats,
    power_w: Floats,
    ambient_degc: float,
    awake: bool,
    soc_stop: float,
    p: Floats,
    table: Floats,
    state: Floats,
    out: Floats,
) -> int:
    """Run ``power_w`` (n,) at the terminals (positive charging) over steps of ``step_s`` (n,).

    Sample k holds the current at its own instant; charge moved between samples is the trapezoid
    of the current, so that it integrates back exactly. ``awake`` lets the coolant run. Returns
    how many samples were done: fewer than n once SoC reached ``soc_stop`` while charging.
    ``out`` (4, n) takes current A, pack voltage V, true SoC, degC; ``state`` (5,) is moved on.
    """
    soc, x1, x2, temp, last = state[0], state[1], state[2], state[3], state[4]
    done, known_s, keep1, keep2 = 0, -1.0, 1.0, 1.0
    for k in range(step_s.size):
        dt = step_s[k]
        kelvin = temp + ZERO_K
        inverse = 1.0 / kelvin - 1.0 / REFERENCE_K
        drive = last / p[REFERENCE_AH] * p[GROWTH] * math.exp(RC_ACTIVATION_K * inverse)
        if dt != known_s:
            known_s, keep1, keep2 = dt, math.exp(-dt / TAU1_S), math.exp(-dt / TAU2_S)
        x1 = keep1 * x1 + (1.0 - keep1) * drive * R1_OHM_AH
        x2 = keep2 * x2 + (1.0 - keep2) * drive * R2_OHM_AH
        ahead = soc + last * dt / 3600.0 / p[CAPACITY_AH]
        bend = (ahead - R0_LOWEST_SOC) / R0_LOWEST_SOC
        r0 = p[GROWTH] * R0_OHM_AH / p[REFERENCE_AH] * math.exp(R0_ACTIVATION_K * inverse)
        r0 *= 1.0 + R0_CURVE * bend * bend
        exchange = EXCHANGE_C_RATE * p[REFERENCE_AH] / p[GROWTH]
        exchange *= math.exp(-CT_ACTIVATION_K * inverse)
        thermal = THERMAL_V_PER_K * kelvin
        current = 0.0
        if power_w[k] != 0.0:
            open_v = _interpolate(table, ahead) + x1 + x2
            current = _for_power(power_w[k] / p[SERIES], open_v, r0, thermal, exchange)
            current = _limited(current, open_v, ahead, r0, thermal, exchange, p)
        soc += 0.5 * (last + current) * dt / 3600.0 / p[CAPACITY_AH]
        over = r0 * current + thermal * math.asinh(current / (2.0 * exchange)) + x1 + x2
        heat_w = abs(over * current) * p[SERIES]
        exchange_w, around = p[PASSIVE_W_PER_K], ambient_degc
        if awake and temp > COOL_ABOVE_DEGC:
            exchange_w, around = p[ACTIVE_W_PER_K], min(ambient_degc, COOLANT_DEGC)
        settled = around + heat_w / exchange_w
        temp = settled + (temp - settled) * math.exp(-exchange_w * dt / p[HEAT_J_PER_K])
        last = current
        out[0, k], out[2, k], out[3, k] = current, soc, temp
        out[1, k] = (_interpolate(table, soc) + over) * p[SERIES]
        done = k + 1
        if soc >= soc_stop and power_w[k] > 0.0:
            break
    state[0], state[1], state[2], state[3], state[4] = soc, x1, x2, temp, last
    return done
