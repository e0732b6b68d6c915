"""A pack of series x parallel cells at its true age: power in, what truly happens out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.twin import cell, circuit

Floats = NDArray[np.float64]
HEAT_J_PER_KG_K = 900.0
"""Specific heat of a pack with its housing."""
PASSIVE_W_PER_KG_K = 0.03
"""Heat given to the air around per kg of pack: 8 W/K for 270 kg, an own round figure."""
ACTIVE_W_PER_KG_K = 0.3


@dataclass(frozen=True, slots=True)
class State:
    """Where a pack is: true SoC, two slow overpotentials per cell in V, degC, current in A."""

    soc: float
    x1_v: float = 0.0
    x2_v: float = 0.0
    temperature_degc: float = 25.0
    current_a: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """What truly happened, arrays (n,) in signal units; ``state`` is the end."""

    step_s: Floats
    current_a: Floats
    voltage_v: Floats
    soc: Floats
    temperature_degc: Floats
    state: State

    @property
    def energy_kwh(self) -> float:
        """Energy into the terminals (negative: out of them), each sample's power over its step."""
        return float(np.sum(self.current_a * self.voltage_v * self.step_s)) / 3.6e6


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as it is today. ``soh`` and ``growth`` (resistance over new) are its true age.

    Raises InputError for a mass or age that is not positive and for an unknown cell.
    """

    battery: Battery
    cell: str
    mass_kg: float
    soh: float = 1.0
    growth: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mass_kg", "soh", "growth"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(name, value, "is not a positive number", "give one above zero")
        cell.ocv_table(self.cell)

    @property
    def capacity_ah(self) -> float:
        """True capacity between SoC 0 and 1, Ah."""
        return self.battery.reference_capacity_ah * self.soh

    def parameters(self) -> Floats:
        """The kernel's vector, in the order of the places named in ``circuit``."""
        b, limits = self.battery, self.battery.limits
        return np.array(
            [
                self.capacity_ah,
                b.reference_capacity_ah,
                b.series,
                self.growth,
                limits.cell_voltage_min_v,
                limits.cell_voltage_max_v,
                limits.discharge_current_a,
                limits.charge_current_a,
                limits.soc_min,
                limits.soc_max,
                self.mass_kg * HEAT_J_PER_KG_K,
                self.mass_kg * PASSIVE_W_PER_KG_K,
                self.mass_kg * ACTIVE_W_PER_KG_K,
            ]
        )

    def run(
        self,
        state: State,
        step_s: Floats,
        power_w: Floats,
        ambient_degc: float = 22.0,
        *,
        awake: bool = True,
        soc_stop: float = 2.0,
    ) -> Trace:
        """Ask for ``power_w`` (n,) at the terminals, positive charging; limits may give less.

        Charging ends with the sample that reaches ``soc_stop``. ``awake`` lets the coolant run.
        """
        vector = np.array([state.soc, state.x1_v, state.x2_v, state.temperature_degc, 0.0])
        vector[circuit.CURRENT] = state.current_a
        out = np.empty((4, step_s.size))
        done = circuit.kernel(
            step_s,
            power_w,
            float(ambient_degc),
            awake,
            soc_stop,
            self.parameters(),
            cell.ocv_table(self.cell),
            vector,
            out,
        )
        out = out[:, :done]
        return Trace(step_s[:done], out[0], out[1], out[2], out[3], State(*vector.tolist()))

    def park(self, state: State, seconds: float, ambient_degc: float) -> State:
        """The state after standing without current."""
        trace = self.run(
            State(state.soc, state.x1_v, state.x2_v, state.temperature_degc, 0.0),
            np.array([max(seconds, 0.0)]),
            np.zeros(1),
            ambient_degc,
            awake=False,
        )
        return trace.state
