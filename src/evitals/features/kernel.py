"""The one function from samples to features: a step over a state array.

``step`` takes one sample, ``run_parts`` is step after step, ``finish`` turns the sums into the
vector. All see only floats and float arrays, so that C can be written from them. A missing value is
NaN. Equations: trapezoid rule with exact zero crossing; sampling error of an integral sampled at
dt from a Brownian bridge, (dI dt)^2 / 12 a step; line of SoC over charge by least squares.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evitals.features import state as at
from evitals.features.definitions import C_RATE_EDGES, INDEX, TEMPERATURE_EDGES_DEGC

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
UInt32 = NDArray[np.uint32]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile without reference counting (nothing is allocated): counting takes 8/9 of the time.

    Inlined into each other, since passing arrays takes a quarter of what is left.
    """
    options: dict[str, Any] = {
        "cache": True, "error_model": "numpy", "nogil": True, "_nrt": False, "forceinline": True,
    }  # fmt: skip
    jit: Callable[[Function], Function] = njit(**options)
    return jit(function)


GAP_S = 120.0
SOC_WINDOW_S = 120.0
STEP_SHORTEST_S, STEP_LONGEST_S = 0.95, 2.5
FAST_S, SLOW_S = 60.0, 600.0
STEPS_NEEDED = 5
FLOAT_MAX = 1e38
"""Differences of two such values are still float32."""
HALF_MAX, HALF_NORMAL, HALF_STEP = 65504.0, 2.0**-14, 2.0**-24
"""Largest half, smallest normal one, and the step of those below it."""

_C_EDGES = np.array(C_RATE_EDGES)
_T_EDGES = np.array(TEMPERATURE_EDGES_DEGC)
_NAN = math.nan
_F = INDEX
(_DURATION, _STEP, _IN, _OUT, _NET, _E_IN, _E_OUT, _SIGMA, _EFC) = (
    _F[n]
    for n in (
        "duration_s", "step_s", "charge_in_ah", "charge_out_ah", "net_charge_ah", "energy_in_wh",
        "energy_out_wh", "charge_sigma_ah", "equivalent_full_cycles",
    )
)  # fmt: skip
_SOC, _REST = _F["soc_first"], _F["rest_start_s"]
_RESISTANCE, _C_RATE, _TEMPERATURE = _F["resistance_ohm"], _F["c_rate_0"], _F["temperature_0"]
_OUTSIDE, _VOLTAGE, _CURRENT = _F["outside_voltage_s"], _F["voltage_mean_v"], _F["current_mean_a"]
_DEGC, _DISTANCE, _LAST = _F["temperature_mean_degc"], _F["distance_km"], _F["last_voltage_v"]
_GAP, _MISSING = _F["gap_s"], _F["missing_current"]
_SPAN, _LOW, _HIGH = _F["soc_span"], _F["soc_min"], _F["soc_max"]


@compiled
def begin(s: Array) -> None:
    """Set the state to that before the first sample."""
    s[:] = 0.0
    s[at.STEP_T] = _NAN
    s[at.START_V] = _NAN
    s[at.START_T] = _NAN


@compiled
def _track(s: Array, base: int, t: float, x: float) -> float:
    """Fold a known value into a signal's block; returns the time since its last one."""
    dt = 0.0
    if s[base + at.COUNT] == 0.0:
        s[base + at.FIRST] = s[base + at.LOW] = s[base + at.HIGH] = x
    else:
        dt = t - s[base + at.T]
        a, b = s[base + at.X] - s[base + at.FIRST], x - s[base + at.FIRST]
        s[base + at.WEIGHT] += dt
        s[base + at.SUM] += dt * 0.5 * (a + b)
        s[base + at.SQUARES] += dt * 0.5 * (a * a + b * b)
        s[base + at.LOW] = min(s[base + at.LOW], x)
        s[base + at.HIGH] = max(s[base + at.HIGH], x)
    s[base + at.COUNT] += 1.0
    s[base + at.T] = t
    s[base + at.X] = x
    return dt


@compiled
def _parts(a: float, b: float) -> tuple[float, float]:
    """Mean positive and mean negative part (as positive) of a straight line from a to b."""
    if a >= 0.0 and b >= 0.0:
        return 0.5 * (a + b), 0.0
    if a <= 0.0 and b <= 0.0:
        return 0.0, -0.5 * (a + b)
    high, low = max(a, b), min(a, b)
    return 0.5 * high * high / (high - low), 0.5 * low * low / (high - low)


@compiled
def _bin(edges: Array, x: float) -> int:
    k = 0
    while k < edges.size and x >= edges[k]:
        k += 1
    return k


@compiled
def _charge(s: Array, p: Array, t: float, i: float) -> None:
    """Count charge from the last known current to this one."""
    known = s[at.CURRENT + at.COUNT] > 0.0
    last = s[at.CURRENT + at.X]
    dt = _track(s, at.CURRENT, t, i)
    if not known:
        return
    positive, negative = _parts(last, i)
    s[at.CHARGE_IN] += positive * dt / 3600.0
    s[at.CHARGE_OUT] += negative * dt / 3600.0
    s[at.CHARGE_VARIANCE] += ((i - last) * dt / 3600.0) ** 2 / 12.0
    resting = abs(i) <= p[at.P_REST_A] and abs(last) <= p[at.P_REST_A]
    if dt > GAP_S and not resting:
        s[at.GAP] += dt
    s[at.C_RATE + _bin(_C_EDGES, 0.5 * (i + last) / p[at.P_CAPACITY])] += dt
    if i < p[at.P_I_LOW] or i > p[at.P_I_HIGH]:
        s[at.OUT_I] += dt


@compiled
def _energy(s: Array, t: float, power: float) -> None:
    known = s[at.POWER + at.COUNT] > 0.0
    last = s[at.POWER + at.X]
    dt = _track(s, at.POWER, t, power)
    if known:
        positive, negative = _parts(last, power)
        s[at.ENERGY_IN] += positive * dt / 3600.0
        s[at.ENERGY_OUT] += negative * dt / 3600.0


@compiled
def _soc_errors(s: Array, p: Array, t: float, soc: float, q: float) -> None:
    """Compare the change of SoC with the counted charge, by sample and by window."""
    change, moved = soc - s[at.SOC_LAST], (q - s[at.SOC_Q]) / p[at.P_CAPACITY]
    s[at.SOC_STEP] = max(s[at.SOC_STEP], abs(change))
    # Only what the charge does not explain, even if the capacity were 30 % off, is a jump.
    s[at.SOC_JUMP] = max(s[at.SOC_JUMP], abs(change - moved) - 0.3 * abs(moved))
    if t - s[at.WINDOW_T] >= SOC_WINDOW_S:
        moved = (q - s[at.WINDOW_Q]) / p[at.P_CAPACITY]
        s[at.SOC_WINDOW] = max(s[at.SOC_WINDOW], abs(soc - s[at.WINDOW_SOC] - moved))
        s[at.WINDOW_T], s[at.WINDOW_SOC], s[at.WINDOW_Q] = t, soc, q


@compiled
def _soc(s: Array, p: Array, t: float, soc: float) -> None:
    q = s[at.CHARGE_IN] - s[at.CHARGE_OUT]
    if s[at.SOC_COUNT] == 0.0:
        s[at.SOC_T0] = s[at.WINDOW_T] = t
        s[at.SOC_FIRST] = s[at.SOC_LOW] = s[at.SOC_HIGH] = s[at.WINDOW_SOC] = soc
        s[at.SOC_Q0] = s[at.WINDOW_Q] = q
    else:
        _soc_errors(s, p, t, soc, q)
        s[at.SOC_LOW] = min(s[at.SOC_LOW], soc)
        s[at.SOC_HIGH] = max(s[at.SOC_HIGH], soc)
        w, x, y = t - s[at.SOC_T], q - s[at.SOC_Q0], soc - s[at.SOC_FIRST]
        s[at.FIT_W] += w
        s[at.FIT_Q] += w * x
        s[at.FIT_S] += w * y
        s[at.FIT_QQ] += w * x * x
        s[at.FIT_QS] += w * x * y
        s[at.FIT_SS] += w * y * y
    s[at.SOC_COUNT] += 1.0
    s[at.SOC_T], s[at.SOC_LAST], s[at.SOC_Q] = t, soc, q


@compiled
def _rest(s: Array, p: Array, t: float, i: float, v: float, degc: float) -> None:
    """Follow rests: the one at the start, and the newest (which may be the one at the end)."""
    if abs(i) > p[at.P_REST_A]:
        s[at.START_ENDED] = 1.0
        s[at.REST_ON] = 0.0
        return
    if s[at.REST_ON] == 0.0:
        s[at.REST_ON], s[at.REST_SINCE] = 1.0, t
        s[at.REST_T], s[at.REST_FAST], s[at.REST_SLOW] = t, v, v
    elif v == v:
        dt = t - s[at.REST_T]
        if s[at.REST_FAST] != s[at.REST_FAST]:
            s[at.REST_FAST] = s[at.REST_SLOW] = v
        s[at.REST_FAST] += (1.0 - math.exp(-dt / FAST_S)) * (v - s[at.REST_FAST])
        s[at.REST_SLOW] += (1.0 - math.exp(-dt / SLOW_S)) * (v - s[at.REST_SLOW])
        s[at.REST_T] = t
    if s[at.START_ENDED] == 0.0:
        s[at.START_S] = t - s[at.REST_SINCE]
        s[at.START_V] = s[at.REST_FAST]
        s[at.START_T] = degc


@compiled
def _resistance(s: Array, p: Array, t: float, i: float, v: float) -> None:
    """Fold the voltage step that a current step made within about a second."""
    dt = t - s[at.STEP_T]
    if dt < STEP_SHORTEST_S:
        return
    di, dv = i - s[at.STEP_I], v - s[at.STEP_V]
    if dt <= STEP_LONGEST_S and abs(di) >= p[at.P_STEP_A]:
        w = di * di
        s[at.STEP_N] += 1.0
        s[at.STEP_II] += w
        s[at.STEP_VI] += dv * di
        s[at.STEP_VV] += dv * dv
        if s[at.SOC_COUNT] > 0.0:
            s[at.STEP_SOC] += w * s[at.SOC_LAST]
            s[at.STEP_SOC_W] += w
        if s[at.TEMPERATURE + at.COUNT] > 0.0:
            s[at.STEP_TEMP] += w * s[at.TEMPERATURE + at.X]
            s[at.STEP_TEMP_W] += w
    s[at.STEP_T], s[at.STEP_I], s[at.STEP_V] = t, i, v


@compiled
def _voltage(s: Array, p: Array, t: float, v: float) -> None:
    dt = _track(s, at.VOLTAGE, t, v)
    if v < p[at.P_V_LOW] or v > p[at.P_V_HIGH]:
        s[at.OUT_V] += dt


@compiled
def _temperature(s: Array, p: Array, t: float, degc: float) -> None:
    last = s[at.TEMPERATURE + at.X]
    dt = _track(s, at.TEMPERATURE, t, degc)
    if dt > 0.0:
        s[at.TEMPERATURE_BINS + _bin(_T_EDGES, 0.5 * (degc + last))] += dt
    if degc < p[at.P_T_LOW] or degc > p[at.P_T_HIGH]:
        s[at.OUT_T] += dt


@compiled
def step(
    s: Array, p: Array, t: float, i: float, v: float, degc: float, soc: float, speed: float
) -> None:
    """Fold one sample into the state ``s``. Units and signs as in ``evitals.signals``."""
    if s[at.SAMPLES] == 0.0:
        s[at.TIME_FIRST] = t
    s[at.SAMPLES] += 1.0
    s[at.TIME_LAST] = t
    if degc == degc:
        _temperature(s, p, t, degc)
    if v == v:
        _voltage(s, p, t, v)
    if i == i:
        _charge(s, p, t, i)
        if v == v:
            _energy(s, t, v * i)
    if soc == soc:
        _soc(s, p, t, soc)
    if i == i:
        _rest(s, p, t, i, v, degc)
        if v == v:
            if s[at.STEP_T] != s[at.STEP_T]:
                s[at.STEP_T], s[at.STEP_I], s[at.STEP_V] = t, i, v
            else:
                _resistance(s, p, t, i, v)
    if speed == speed:
        last, known = s[at.SPEED + at.X], s[at.SPEED + at.COUNT] > 0.0
        dt = _track(s, at.SPEED, t, speed)
        if known:
            s[at.METRES] += 0.5 * (last + speed) * dt


@compiled
def _finish_moments(s: Array, base: int, out: Array, k: int) -> None:
    if s[base + at.COUNT] == 0.0:
        return
    w = s[base + at.WEIGHT]
    mean = s[base + at.SUM] / w if w > 0.0 else 0.0
    variance = s[base + at.SQUARES] / w - mean * mean if w > 0.0 else 0.0
    out[k] = s[base + at.FIRST] + mean
    out[k + 1] = math.sqrt(max(variance, 0.0))
    out[k + 2] = s[base + at.LOW]
    out[k + 3] = s[base + at.HIGH]


@compiled
def _finish_charge(s: Array, p: Array, out: Array) -> None:
    out[_DURATION] = s[at.TIME_LAST] - s[at.TIME_FIRST]
    if s[at.SAMPLES] > 1.0:
        out[_STEP] = out[_DURATION] / (s[at.SAMPLES] - 1.0)
    if s[at.CURRENT + at.COUNT] > 0.0:
        out[_IN] = s[at.CHARGE_IN]
        out[_OUT] = s[at.CHARGE_OUT]
        out[_NET] = s[at.CHARGE_IN] - s[at.CHARGE_OUT]
        out[_SIGMA] = math.sqrt(s[at.CHARGE_VARIANCE])
        out[_EFC] = 0.5 * (s[at.CHARGE_IN] + s[at.CHARGE_OUT]) / p[at.P_CAPACITY]
    if s[at.POWER + at.COUNT] > 0.0:
        out[_E_IN] = s[at.ENERGY_IN]
        out[_E_OUT] = s[at.ENERGY_OUT]


@compiled
def _finish_soc(s: Array, out: Array) -> None:
    if s[at.SOC_COUNT] == 0.0:
        return
    out[_SOC] = s[at.SOC_FIRST]
    out[_SOC + 1] = s[at.SOC_LAST]
    out[_SOC + 2] = s[at.SOC_LOW]
    out[_SOC + 3] = s[at.SOC_HIGH]
    out[_SOC + 4] = s[at.SOC_HIGH] - s[at.SOC_LOW]
    if s[at.SOC_COUNT] > 1.0:
        out[_SOC + 5] = s[at.SOC_STEP]
        out[_SOC + 6] = s[at.SOC_JUMP]
        out[_SOC + 7] = s[at.SOC_WINDOW]
    out[_SOC + 8] = s[at.SOC_Q] - s[at.SOC_Q0]
    out[_SOC + 9] = s[at.SOC_T] - s[at.SOC_T0]
    w = s[at.FIT_W]
    if w <= 0.0:
        return
    q, y = s[at.FIT_Q] / w, s[at.FIT_S] / w
    qq, qs = s[at.FIT_QQ] / w - q * q, s[at.FIT_QS] / w - q * y
    ss = s[at.FIT_SS] / w - y * y
    if qq > 0.0 and abs(qs) > 1e-12:
        out[_SOC + 10] = qq / qs
        out[_SOC + 11] = math.sqrt(max(ss - qs * qs / qq, 0.0))
        out[_SOC + 12] = abs(qs) / math.sqrt(qq)


@compiled
def _finish_rest(s: Array, out: Array) -> None:
    if s[at.CURRENT + at.COUNT] == 0.0:
        return
    out[_REST] = s[at.START_S]
    if s[at.START_S] > 0.0:
        out[_REST + 1] = s[at.START_V]
        out[_REST + 2] = s[at.START_T]
    out[_REST + 3] = 0.0
    if s[at.REST_ON] == 1.0:
        out[_REST + 3] = s[at.CURRENT + at.T] - s[at.REST_SINCE]
    if out[_REST + 3] > 0.0:
        out[_REST + 4] = s[at.REST_FAST]
        if s[at.TEMPERATURE + at.COUNT] > 0.0:
            out[_REST + 5] = s[at.TEMPERATURE + at.X]
        if out[_REST + 3] >= SLOW_S:
            out[_REST + 6] = (s[at.REST_FAST] - s[at.REST_SLOW]) / (SLOW_S - FAST_S) * 3600.0


@compiled
def _finish_resistance(s: Array, out: Array) -> None:
    n, ii = s[at.STEP_N], s[at.STEP_II]
    out[_RESISTANCE + 4] = n
    if n < STEPS_NEEDED:
        return
    r = s[at.STEP_VI] / ii
    out[_RESISTANCE] = r
    out[_RESISTANCE + 1] = math.sqrt(max(s[at.STEP_VV] - r * s[at.STEP_VI], 0.0) / (n - 1.0) / ii)
    if s[at.STEP_SOC_W] > 0.0:
        out[_RESISTANCE + 2] = s[at.STEP_SOC] / s[at.STEP_SOC_W]
    if s[at.STEP_TEMP_W] > 0.0:
        out[_RESISTANCE + 3] = s[at.STEP_TEMP] / s[at.STEP_TEMP_W]


@compiled
def _finish_shares(s: Array, out: Array) -> None:
    w = s[at.CURRENT + at.WEIGHT]
    for k in range(_C_EDGES.size + 1):
        out[_C_RATE + k] = s[at.C_RATE + k] / w if w > 0.0 else _NAN
    w = s[at.TEMPERATURE + at.WEIGHT]
    for k in range(_T_EDGES.size + 1):
        out[_TEMPERATURE + k] = s[at.TEMPERATURE_BINS + k] / w if w > 0.0 else _NAN
    n = s[at.SAMPLES]
    out[_MISSING] = 1.0 - s[at.CURRENT + at.COUNT] / n
    out[_MISSING + 1] = 1.0 - s[at.VOLTAGE + at.COUNT] / n
    out[_MISSING + 2] = 1.0 - s[at.TEMPERATURE + at.COUNT] / n
    out[_MISSING + 3] = 1.0 - s[at.SOC_COUNT] / n


@compiled
def _finish_last(s: Array, out: Array) -> None:
    if s[at.VOLTAGE + at.COUNT] > 0.0:
        out[_LAST] = s[at.VOLTAGE + at.X]
        out[_OUTSIDE] = s[at.OUT_V]
    if s[at.CURRENT + at.COUNT] > 0.0:
        out[_LAST + 1] = s[at.CURRENT + at.X]
        out[_OUTSIDE + 1] = s[at.OUT_I]
        out[_GAP] = s[at.GAP]
    if s[at.TEMPERATURE + at.COUNT] > 0.0:
        out[_LAST + 2] = s[at.TEMPERATURE + at.X]
        out[_OUTSIDE + 2] = s[at.OUT_T]
    if s[at.SPEED + at.COUNT] > 0.0:
        out[_DISTANCE] = s[at.METRES] / 1000.0


@compiled
def finish(s: Array, p: Array, out: Array) -> None:
    """Write the features of the samples seen so far into ``out``; the state stays as it is."""
    out[:] = _NAN
    if s[at.SAMPLES] == 0.0:
        return
    _finish_charge(s, p, out)
    _finish_soc(s, out)
    _finish_rest(s, out)
    _finish_resistance(s, out)
    _finish_shares(s, out)
    _finish_moments(s, at.VOLTAGE, out, _VOLTAGE)
    _finish_moments(s, at.CURRENT, out, _CURRENT)
    _finish_moments(s, at.TEMPERATURE, out, _DEGC)
    _finish_last(s, out)


@compiled
def round_off(
    values: Array, forms: NDArray[np.int8], steps: Array, tops: Array, out: Float32, bits: UInt32
) -> None:
    """Values rounded to what their packed form keeps, into ``out``; ``bits`` is ``out`` as uint32.

    ``forms``: 0 a float32 without its last byte, 1 a half, 2 steps of ``steps`` from 0 up to
    ``tops`` steps.
    """
    for k in range(values.size):
        if values[k] != values[k]:
            out[k] = _NAN
            continue
        out[k] = min(max(values[k], -FLOAT_MAX), FLOAT_MAX)
        if forms[k] == 0:
            bits[k] = (bits[k] + 0x80) & 0xFFFFFF00
        elif forms[k] == 2:
            out[k] = min(max(np.rint(np.float64(out[k]) / steps[k]), 0.0), tops[k]) * steps[k]
        else:
            out[k] = min(max(out[k], -HALF_MAX), HALF_MAX)
            if abs(out[k]) < HALF_NORMAL:
                out[k] = np.rint(np.float64(out[k]) / HALF_STEP) * HALF_STEP
            else:
                bits[k] = (bits[k] + 0x0FFF + ((bits[k] >> 13) & 1)) & 0xFFFFE000
    out[_NET] = out[_IN] - out[_OUT]
    out[_SPAN] = out[_HIGH] - out[_LOW]


@compiled
def run_parts(
    s: Array,
    p: Array,
    bounds: NDArray[np.int64],
    forms: NDArray[np.int8],
    steps: Array,
    tops: Array,
    values: Array,
    out: Float32,
    bits: UInt32,
    t: Array,
    i: Array,
    v: Array,
    degc: Array,
    soc: Array,
    speed: Array,
) -> None:
    """``step`` after ``step`` over stretches of arrays (n,), empty where a signal is absent:
    their features, rounded, into ``out`` (m, features). ``bounds`` (m, 2 or more): first row, row
    after the last. ``values`` (m, features) takes them unrounded."""
    for k in range(bounds.shape[0]):
        begin(s)
        for m in range(bounds[k, 0], bounds[k, 1]):
            step(
                s,
                p,
                t[m],
                i[m] if i.size else _NAN,
                v[m] if v.size else _NAN,
                degc[m] if degc.size else _NAN,
                soc[m] if soc.size else _NAN,
                speed[m] if speed.size else _NAN,
            )
        finish(s, p, values[k])
        round_off(values[k], forms, steps, tops, out[k], bits[k])


@compiled
def usable(
    bounds: NDArray[np.int64],
    t: Array,
    i: Array,
    v: Array,
    degc: Array,
    soc: Array,
    speed: Array,
) -> bool:
    """Whether time is finite and never runs backward within stretches, and no value is infinite."""
    good = True
    for k in range(t.size):
        good &= abs(t[k]) < math.inf
    for m in range(bounds.shape[0]):
        for k in range(bounds[m, 0] + 1, bounds[m, 1]):
            good &= t[k] >= t[k - 1]
    for column in (i, v, degc, soc, speed):
        for k in range(column.size):
            good &= abs(column[k]) != math.inf
    return good
