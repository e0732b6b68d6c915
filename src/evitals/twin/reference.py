"""The circuit again, written plainly and slowly: what the compiled kernel is held against.

Currents are found by bracketing (scipy's brentq) instead of the kernel's secant rounds; no limits
but those of the physics. For tests and for whoever wants to read the equations.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from evitals.twin import circuit as c

Floats = NDArray[np.float64]


def overpotential_v(current_a: float, soc: float, kelvin: float, ah: float, growth: float) -> float:
    """Instant overpotential of one cell, V: ohmic and Butler-Volmer (symmetric, asinh form)."""
    inverse = 1.0 / kelvin - 1.0 / c.REFERENCE_K
    shape = 1.0 + c.R0_CURVE * ((soc - c.R0_LOWEST_SOC) / c.R0_LOWEST_SOC) ** 2
    ohmic = current_a / ah * growth * c.R0_OHM_AH * shape * math.exp(c.R0_ACTIVATION_K * inverse)
    exchange = c.EXCHANGE_C_RATE * ah / growth * math.exp(-c.CT_ACTIVATION_K * inverse)
    return ohmic + c.THERMAL_V_PER_K * kelvin * math.asinh(current_a / (2.0 * exchange))


def run(
    step_s: Floats, power_w: Floats, ambient_degc: float, p: Floats, table: Floats, state: Floats
) -> Floats:
    """Current A, pack voltage V, SoC, temperature degC as (4, n), within the pack's limits."""
    soc, x1, x2, temp, last = (float(value) for value in state)
    growth, reference, series = float(p[c.GROWTH]), float(p[c.REFERENCE_AH]), float(p[c.SERIES])
    grid = np.linspace(0.0, 1.0, table.size)
    rows = []
    for dt, power in zip(step_s, power_w, strict=True):
        kelvin = temp + c.ZERO_K
        fast = math.exp(c.RC_ACTIVATION_K * (1.0 / kelvin - 1.0 / c.REFERENCE_K))
        for_x1 = last / reference * growth * fast * c.R1_OHM_AH
        for_x2 = last / reference * growth * fast * c.R2_OHM_AH
        x1 = for_x1 + (x1 - for_x1) * math.exp(-dt / c.TAU1_S)
        x2 = for_x2 + (x2 - for_x2) * math.exp(-dt / c.TAU2_S)
        ahead = soc + last * dt / 3600.0 / p[c.CAPACITY_AH]
        rest_v = float(np.interp(ahead, grid, table)) + x1 + x2

        def surplus(
            current: float,
            rest_v: float = rest_v,
            ahead: float = ahead,
            kelvin: float = kelvin,
            cell_w: float = power / series,
        ) -> float:
            over = overpotential_v(current, ahead, kelvin, reference, growth)
            return current * (rest_v + over) - cell_w

        current = 0.0 if power == 0.0 else float(brentq(surplus, -4.0 * reference, 4.0 * reference))
        soc += 0.5 * (last + current) * dt / 3600.0 / p[c.CAPACITY_AH]
        over = overpotential_v(current, ahead, kelvin, reference, growth) + x1 + x2
        heat_w, exchange_w = abs(over * current) * series, p[c.PASSIVE_W_PER_K]
        settled = ambient_degc + heat_w / exchange_w
        temp = settled + (temp - settled) * math.exp(-exchange_w * dt / p[c.HEAT_J_PER_K])
        last = current
        rows.append((current, (float(np.interp(soc, grid, table)) + over) * series, soc, temp))
    return np.array(rows).T
