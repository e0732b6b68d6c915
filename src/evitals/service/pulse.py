"""The power a twin's pack can truly give or take: its own kernel on a copy of its state."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evitals.twin import circuit

Floats = NDArray[np.float64]
Pack = tuple[Floats, Floats, Floats]
"""State, parameters and tables of ``circuit.kernel``."""
Direction = Literal["discharge", "charge"]

HALVINGS = 24
CLOSE = 1e-4
"""Power counts as given where no second of the pulse falls short by more than this share."""
NEVER = 2.0


def power_w(pack: Pack, direction: Direction, seconds: int = 10) -> float:
    """The greatest constant power at the terminals for ``seconds`` within all limits, W, >= 0.

    Heater and cooler are off. The pack's own state stays as it is.
    """
    most = float(_given(pack, direction, 1e9, seconds)[0])
    low, high = 0.0, max(most, 0.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _given(pack, direction, middle, seconds).min() >= middle * (1.0 - CLOSE):
            low = middle
        else:
            high = middle
    return low


def reference_w(pack: Pack, soc: float, temperature_degc: float, seconds: int = 10) -> float:
    """Discharge power of the pack as it is today at another SoC and temperature, from rest, W."""
    state, p, tables = pack
    there = np.zeros_like(state)
    there[circuit.STATE_SOC], there[circuit.STATE_DEGC] = soc, temperature_degc
    there[circuit.STATE_WEAK_DRIFT] = state[circuit.STATE_WEAK_DRIFT]
    return power_w((there, p, tables), "discharge", seconds)


def _given(pack: Pack, direction: Direction, power: float, seconds: int) -> Floats:
    """Power given each second when ``power`` is asked for, W (seconds,), positive."""
    state, p, tables = pack
    sign = -1.0 if direction == "discharge" else 1.0
    step, out = np.ones(seconds), np.empty((circuit.OUTPUTS, seconds))
    asked = np.full(seconds, sign * power)
    ambient = float(state[circuit.STATE_DEGC])
    circuit.kernel(step, asked, ambient, False, NEVER, p, tables, state.copy(), out)
    given: Floats = sign * out[circuit.CURRENT_A] * out[circuit.VOLTAGE_V]
    return given
