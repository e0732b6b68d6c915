"""The circuit, heat and limits of a pack in one numba kernel, a sample at a time.

A cell is ``v = OCV(soc, T) + R0 i + 2RT/F asinh(i / 2 i0) + x1 + x2``: an ohmic part, the
Butler-Volmer law with symmetric transfer, and two first-order states with resistances R1, R2 and
time constants tau1, tau2. R0, i0, R1, R2 are tables over SoC and temperature, per Ah of capacity
(ohm Ah, C-rate), so that cells of any size share them; ``growth`` scales all four.

Two cells are followed: the average one, and the weakest (its own capacity, resistance, SoC offset
and leak). The pack is ``series - 1`` average ones and the weakest; the limits hold for both.
Between samples current runs straight, so charge is the trapezoid of the current, exactly.
Constants stay in this file: numba's cache watches only it.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

THERMAL_V_PER_K = 2.0 * 8.314462618 / 96485.33212
ZERO_K, REFERENCE_DEGC = 273.15, 25.0
DERATE_SOC = 0.03
"""Current fades linearly to zero over the last 3 points of SoC at either end."""
DERATE_K = 10.0
"""Current fades linearly to zero over the last 10 K before either limit of temperature."""
TRICKLE = 0.02
"""Charging ends with this share of the charge current, so that it ends at all."""
CLIMATE_BAND_K = 3.0
"""Heater and cooler reach full power this far beyond their set points."""
ROUNDS, CLOSE_C_RATE, CLOSE_REST_A = 12, 5e-4, 1e-6
SMALL = 0.12
"""Below this square of the argument, series stand for asinh and square root."""
C3, C5, C7, C9, C11 = 1.0 / 6.0, 3.0 / 40.0, 15.0 / 336.0, 105.0 / 3456.0, 945.0 / 42240.0
MOST_POWER_V = 0.1
"""Where power hardly grows with current any more, the pack can give no more."""

GRID = 401
"""Points of the OCV over SoC 0..1."""
SOC_POINTS, DEGC_POINTS = 51, 41
DEGC_LOWEST, DEGC_STEP = -40.0, 2.5
PER_DEGC = 1.0 / DEGC_STEP
"""Grid of the circuit's tables: SoC 0..1 in 2 % steps, -40 to 60 degC in 2.5 K steps."""
ONE, START, ACROSS = np.uint64(1), np.uint64(GRID), np.uint64(DEGC_POINTS)
"""The same as unsigned numbers: indices that need no check for negative ones."""
COLUMNS, ROWS = 4, GRID + SOC_POINTS * DEGC_POINTS
"""``tables`` (ROWS, COLUMNS): GRID rows of OCV in V at 25 degC, its slope with temperature in
V/K, two unused; then, SoC by SoC and within it by temperature, R0 in ohm Ah, 1 / (2 i0) in 1/C,
R1 and R2 in ohm Ah."""

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
    DEGC_MIN,
    DEGC_MAX,
    CHARGE_NONE_DEGC,
    CHARGE_FULL_DEGC,
    TAU1_S,
    TAU2_S,
    HEAT_J_PER_K,
    PASSIVE_W_PER_K,
    HEATER_W,
    HEAT_BELOW_DEGC,
    COOLER_W,
    COOL_ABOVE_DEGC,
    COOLER_COP,
    COOLING,
    WEAK_CAPACITY,
    WEAK_RESISTANCE,
    WEAK_SOC_OFFSET,
    WEAK_LEAK_A,
    PARAMETERS,
) = range(29)
"""Places of the parameters in ``p``, and their count. COOLING is 1, or 0 to 1 in a failure."""
(
    STATE_SOC,
    STATE_X1,
    STATE_X2,
    STATE_DEGC,
    STATE_A,
    STATE_WEAK_X1,
    STATE_WEAK_X2,
    STATE_WEAK_DRIFT,
    STATES,
) = range(9)
"""Places in ``state``, and their count: SoC, overpotentials of the average cell in V, degC, A,
overpotentials of the weakest cell in V, and what its leak took so far, as SoC."""
CURRENT_A, VOLTAGE_V, SOC, TEMPERATURE_DEGC, LOWEST_V, HIGHEST_V, OUTPUTS = range(7)
"""Rows of ``out``, and their count: current, pack voltage, SoC of the average cell, degC, and
the lowest and highest voltage of a cell."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(
        _Function,
        numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})(function),
    )


@_compiled
def _open(tables: Floats, soc: float, over_k: float) -> tuple[float, float, float]:
    """OCV in V, its slopes in V per unit of SoC and V/K, ``over_k`` above 25 degC."""
    place = min(max(soc, 0.0), 1.0) * (GRID - 1)
    at = np.uint64(min(place, GRID - 2.0))
    low = tables[at, 0] + over_k * tables[at, 1]
    rise = tables[at + ONE, 0] + over_k * tables[at + ONE, 1] - low
    return low + (place - at) * rise, rise * (GRID - 1), tables[at, 1]


@_compiled
def _elements(
    tables: Floats, soc: float, column: np.uint64, share: float
) -> tuple[float, float, float, float]:
    """R0 in ohm Ah, 1 / (2 i0) in 1/C, R1, R2 in ohm Ah, bilinear in SoC and temperature."""
    place = min(max(soc, 0.0), 1.0) * (SOC_POINTS - 1)
    at = np.uint64(min(place, SOC_POINTS - 2.0))
    up = place - at
    a = START + at * ACROSS + column
    b = a + ACROSS
    w00, w01 = (1.0 - up) * (1.0 - share), (1.0 - up) * share
    w10, w11 = up * (1.0 - share), up * share
    return (
        w00 * tables[a, 0]
        + w01 * tables[a + ONE, 0]
        + w10 * tables[b, 0]
        + w11 * tables[b + ONE, 0],
        w00 * tables[a, 1]
        + w01 * tables[a + ONE, 1]
        + w10 * tables[b, 1]
        + w11 * tables[b + ONE, 1],
        w00 * tables[a, 2]
        + w01 * tables[a + ONE, 2]
        + w10 * tables[b, 2]
        + w11 * tables[b + ONE, 2],
        w00 * tables[a, 3]
        + w01 * tables[a + ONE, 3]
        + w10 * tables[b, 3]
        + w11 * tables[b + ONE, 3],
    )


@_compiled
def _asinh(arg: float) -> tuple[float, float, float]:
    """asinh of ``arg``, sqrt(1 + arg^2) and its inverse; by series (1e-6) where these suffice."""
    x = arg * arg
    if x < SMALL:
        angle = 1.0 - x * (C3 - x * (C5 - x * (C7 - x * (C9 - x * C11))))
        root = 1.0 + x * (0.5 - x * (0.125 - x * (0.0625 - x * 0.0390625)))
        slope = 1.0 - x * (0.5 - x * (0.375 - x * (0.3125 - x * 0.2734375)))
        return arg * angle, root, slope
    root = math.sqrt(1.0 + x)
    angle = math.log(arg + root) if arg >= 0.0 else -math.log(root - arg)
    return angle, root, 1.0 / root


@_compiled
def _asinh_near(arg: float, root: float, other: float, known: float) -> float:
    """asinh of ``other``, from that of ``arg``: asinh a - asinh b = asinh(a sqrt(1+b2) - b ..)."""
    if other * other < SMALL:
        return _asinh(other)[0]
    apart = other * root - arg * math.sqrt(1.0 + other * other)
    if abs(apart) > 0.2:
        return _asinh(other)[0]
    square = apart * apart
    return known + apart * (1.0 - square * (C3 - square * (C5 - square * C7)))


@_compiled
def _for_power(
    power_w: float,
    open_v: float,
    ohm: float,
    thermal: float,
    inverse: float,
    secant: float,
    close_a: float,
) -> tuple[float, float, float]:
    """Current in A at which a cell takes ``power_w``; -inf where it cannot give as much.

    Newton's steps on power, from the answer for a plain resistance ``ohm + secant``. What a step
    below ``close_a`` leaves is its square times resistance over voltage.
    """
    plain_a = power_w / open_v
    bent = (ohm + secant) * plain_a / open_v
    if abs(bent) < 0.05:
        current = plain_a * (1.0 - bent * (1.0 - bent * (2.0 - bent * (5.0 - bent * 14.0))))
    else:
        current = 2.0 * plain_a / (1.0 + math.sqrt(max(1.0 + 4.0 * bent, 0.0)))
    angle, root = 0.0, 1.0
    for _ in range(ROUNDS):
        arg = current * inverse
        angle, root, slope = _asinh(arg)
        volts = open_v + ohm * current + thermal * angle
        bend = inverse * slope
        gain = volts + current * (ohm + thermal * bend)
        if gain < MOST_POWER_V:
            return -math.inf, angle, root
        step = (current * volts - power_w) / gain
        current -= step
        angle -= step * bend
        root -= step * inverse * arg * slope
        if abs(step) < close_a:
            break
    return current, angle, root


@_compiled
def _for_voltage(over_v: float, ohm: float, thermal: float, inverse: float) -> float:
    """Current in A that moves a cell by ``over_v``: Newton's steps, from below, never beyond."""
    current = over_v / (ohm + thermal * inverse)
    for _ in range(ROUNDS):
        angle, _, slope = _asinh(current * inverse)
        step = (over_v - ohm * current - thermal * angle) / (ohm + thermal * inverse * slope)
        current += step
        if abs(step) < CLOSE_REST_A:
            break
    return current


@_compiled
def _warm_share(degc: float, p: Floats) -> float:
    """Share of either current that the temperature leaves, 0..1."""
    margin = min(degc - p[DEGC_MIN], p[DEGC_MAX] - degc)
    return 1.0 if margin >= DERATE_K else float(max(margin, 0.0) / DERATE_K)


@_compiled
def _most_discharge(soc: float, per_a: float, degc: float, p: Floats) -> float:
    """Most negative current at a SoC that falls by ``per_a`` per A within the step."""
    most, room = p[I_DISCHARGE], soc - p[SOC_MIN]
    warm = most * _warm_share(degc, p)
    if room >= DERATE_SOC + most * per_a:
        return -float(warm)
    return -float(min(warm, most * max(room, 0.0) / (DERATE_SOC + most * per_a)))


@_compiled
def _most_charge(soc: float, per_a: float, degc: float, p: Floats) -> float:
    """Most positive current at a SoC that rises by ``per_a`` per A within the step."""
    most, room = p[I_CHARGE], p[SOC_MAX] - soc
    warm = most * _warm_share(degc, p)
    if degc < p[CHARGE_FULL_DEGC]:  # cold cells plate lithium
        above = max(degc - p[CHARGE_NONE_DEGC], 0.0)
        warm *= above / (p[CHARGE_FULL_DEGC] - p[CHARGE_NONE_DEGC])
    if room >= DERATE_SOC + most * per_a:
        return float(warm)
    by_soc, least = most * max(room, 0.0) / (DERATE_SOC + most * per_a), TRICKLE * most
    if by_soc < least:
        by_soc = least if room > least * per_a else max(room, 0.0) / per_a if per_a > 0.0 else 0.0
    return float(min(warm, by_soc))


@_compiled
def _decay(x: float) -> float:
    """exp(-x), by its series where x is small."""
    if x < 0.02:
        return 1.0 - x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x / 24.0)))
    return math.exp(-x)


@_compiled
def kernel(
    step_s: Floats,
    power_w: Floats,
    ambient_degc: float,
    awake: bool,
    soc_stop: float,
    p: Floats,
    tables: Floats,
    state: Floats,
    out: Floats,
) -> int:
    """Run ``power_w`` (n,) at the terminals (positive charging) over steps of ``step_s`` (n,).

    ``awake``, or charging, lets heater and cooler run; their electric power comes off the
    power asked, so the pack gives (or takes) it as well. Returns how many samples were done:
    fewer than n once SoC reached ``soc_stop`` while charging. ``p`` (PARAMETERS,), ``tables``
    (ROWS, COLUMNS), ``out`` (OUTPUTS, n), ``state`` (STATES,), which is moved on.
    """
    soc, x1, x2 = state[STATE_SOC], state[STATE_X1], state[STATE_X2]
    temp, last = state[STATE_DEGC], state[STATE_A]
    weak_x1, weak_x2 = state[STATE_WEAK_X1], state[STATE_WEAK_X2]
    drift = state[STATE_WEAK_DRIFT]
    series = p[SERIES]
    part = 1.0 / series
    scale = p[GROWTH] / p[REFERENCE_AH]
    weak_scale = scale * p[WEAK_RESISTANCE]
    per_as = 1.0 / (3600.0 * p[CAPACITY_AH])
    weaker = 1.0 / p[WEAK_CAPACITY]
    weak_base = 1.0 - weaker + p[WEAK_SOC_OFFSET]
    leak = p[WEAK_LEAK_A] * per_as * weaker
    per_k = 1.0 / p[HEAT_J_PER_K]
    outward = 1.0 / p[PASSIVE_W_PER_K]
    close_a = CLOSE_C_RATE * p[REFERENCE_AH]
    secant, known_s, keep1, keep2 = 0.0, -1.0, 1.0, 1.0
    done = 0
    for k in range(step_s.size):
        dt = step_s[k]
        if dt != known_s:
            known_s = dt
            keep1, keep2 = math.exp(-dt / p[TAU1_S]), math.exp(-dt / p[TAU2_S])
        # Halves of the trapezoids that belong to the last current; the rest is resistance.
        per_a = 0.5 * dt * per_as
        soc += last * per_a
        drift -= leak * dt
        weak_soc = weak_base + soc * weaker + drift
        if weak_soc < 0.0 and leak > 0.0:  # an empty cell leaks no more
            back = min(-weak_soc, leak * dt)
            drift += back
            weak_soc += back
        over_k = temp - REFERENCE_DEGC
        place = min(max((temp - DEGC_LOWEST) * PER_DEGC, 0.0), DEGC_POINTS - 1.0)
        column = np.uint64(min(place, DEGC_POINTS - 2.0))
        share = place - column
        half1, half2 = 0.5 * (1.0 - keep1), 0.5 * (1.0 - keep2)
        r0, inverse, r1, r2 = _elements(tables, soc, column, share)
        r0, r1, r2 = r0 * scale, half1 * r1 * scale, half2 * r2 * scale
        inverse *= scale
        x1, x2 = keep1 * x1 + r1 * last, keep2 * x2 + r2 * last
        ocv, slope, per_degree = _open(tables, soc, over_k)
        open_v, ohm = ocv + x1 + x2, r0 + r1 + r2 + slope * per_a
        w0, weak_inverse, w1, w2 = _elements(tables, weak_soc, column, share)
        w0, w1, w2 = w0 * weak_scale, half1 * w1 * weak_scale, half2 * w2 * weak_scale
        weak_inverse *= weak_scale
        weak_x1, weak_x2 = keep1 * weak_x1 + w1 * last, keep2 * weak_x2 + w2 * last
        weak_ocv, weak_slope, _ = _open(tables, weak_soc, over_k)
        weak_open = weak_ocv + weak_x1 + weak_x2
        weak_ohm = w0 + w1 + w2 + weak_slope * per_a * weaker
        thermal = THERMAL_V_PER_K * (temp + ZERO_K)

        power = power_w[k]
        lowest, highest = min(soc, weak_soc), max(soc, weak_soc)
        conduct, around, electric_w = p[PASSIVE_W_PER_K], ambient_degc, 0.0
        if (awake and lowest > p[SOC_MIN] + DERATE_SOC) or power > 0.0:
            moved_w, target = 0.0, ambient_degc
            if temp < p[HEAT_BELOW_DEGC] and p[HEATER_W] > 0.0:
                target = p[HEAT_BELOW_DEGC]
                moved_w = p[HEATER_W] * min((target - temp) / CLIMATE_BAND_K, 1.0)
                electric_w = moved_w
            elif temp > p[COOL_ABOVE_DEGC] and p[COOLER_W] * p[COOLING] > 0.0:
                target = p[COOL_ABOVE_DEGC]
                moved_w = -p[COOLER_W] * p[COOLING] * min((temp - target) / CLIMATE_BAND_K, 1.0)
                electric_w = -moved_w / p[COOLER_COP]
            if moved_w != 0.0:
                bridge = moved_w / (target - temp)
                conduct = p[PASSIVE_W_PER_K] + bridge
                around = (p[PASSIVE_W_PER_K] * ambient_degc + bridge * target) / conduct
        want = power - electric_w
        current, angle, root = 0.0, 0.0, 1.0
        if want != 0.0:
            mean_v = open_v + (weak_open - open_v) * part
            mean_ohm = ohm + (weak_ohm - ohm) * part
            if secant == 0.0:
                secant = thermal * inverse
            asked, angle, root = _for_power(
                want * part, mean_v, mean_ohm, thermal, inverse, secant, close_a
            )
            if asked < 0.0:
                current = max(asked, _most_discharge(lowest, per_a * weaker, temp, p))
            else:
                current = min(asked, _most_charge(highest, per_a * weaker, temp, p))
            if current != asked:
                angle, root, _ = _asinh(current * inverse)
        arg = current * inverse
        weak_angle = _asinh_near(arg, root, current * weak_inverse, angle)
        volts = open_v + ohm * current + thermal * angle
        weak_v = weak_open + weak_ohm * current + thermal * weak_angle
        bounded = current
        if current < 0.0 and min(volts, weak_v) < p[V_MIN]:
            if volts < p[V_MIN]:
                bounded = _for_voltage(min(p[V_MIN] - open_v, 0.0), ohm, thermal, inverse)
            if weak_v < p[V_MIN]:
                least_v = min(p[V_MIN] - weak_open, 0.0)
                bounded = max(bounded, _for_voltage(least_v, weak_ohm, thermal, weak_inverse))
        elif current > 0.0 and max(volts, weak_v) > p[V_MAX]:
            if volts > p[V_MAX]:
                bounded = _for_voltage(max(p[V_MAX] - open_v, 0.0), ohm, thermal, inverse)
            if weak_v > p[V_MAX]:
                most_v = max(p[V_MAX] - weak_open, 0.0)
                bounded = min(bounded, _for_voltage(most_v, weak_ohm, thermal, weak_inverse))
        if bounded != current:
            current = bounded
            arg = current * inverse
            angle, root, _ = _asinh(arg)
            weak_angle = _asinh_near(arg, root, current * weak_inverse, angle)
            volts = open_v + ohm * current + thermal * angle
            weak_v = weak_open + weak_ohm * current + thermal * weak_angle
        if abs(arg) > 1e-3:
            secant = thermal * angle / current
        x1, x2 = x1 + r1 * current, x2 + r2 * current
        weak_x1, weak_x2 = weak_x1 + w1 * current, weak_x2 + w2 * current
        soc += current * per_a
        pack_v = volts * (series - 1.0) + weak_v
        over_v = pack_v - (ocv + slope * per_a * current) * (series - 1.0)
        over_v -= weak_ocv + weak_slope * per_a * weaker * current
        heat_w = current * (over_v + series * per_degree * (temp + ZERO_K))
        settled = around + heat_w * outward
        if conduct != p[PASSIVE_W_PER_K]:
            settled = around + heat_w / conduct
        temp = settled + (temp - settled) * _decay(conduct * dt * per_k)
        last = current
        out[CURRENT_A, k], out[VOLTAGE_V, k], out[SOC, k] = current, pack_v, soc
        out[TEMPERATURE_DEGC, k] = temp
        out[LOWEST_V, k], out[HIGHEST_V, k] = min(volts, weak_v), max(volts, weak_v)
        done = k + 1
        if soc >= soc_stop and power > 0.0:
            break
    state[STATE_SOC], state[STATE_X1], state[STATE_X2] = soc, x1, x2
    state[STATE_DEGC], state[STATE_A] = temp, last
    state[STATE_WEAK_X1], state[STATE_WEAK_X2] = weak_x1, weak_x2
    state[STATE_WEAK_DRIFT] = drift
    return done
