"""Heat and cold in the cabin: electric power over time from ambient, sun and settings.

Two lumps, air (with ducts and heater loop) and interior (seats, trim, glass), and a controller
that feeds the losses forward and closes the rest of the gap within `SETTLING_S`. The air loses
heat through the body and with the fresh air taken in; humidity, and so defogging, is left out.
"""

import math
from collections.abc import Callable
from typing import Annotated, TypeVar, cast

import numba
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError

Floats = NDArray[np.float64]
Power = Annotated[float, Meta(ge=0.0, le=1e5)]
Positive = Annotated[float, Meta(gt=0.0, le=1e7)]
AIR_J_PER_KG_K = 1006.0
SETTLING_S = 120.0
"""How fast the controller would close the gap if nothing limited it."""
PUMP_WORST_DEGC, PUMP_RATED_DEGC = -15.0, 7.0
"""A heat pump's COP falls linearly from the rated one to 1 between these."""
OCCUPANT_W = 75.0
"""Sensible heat of one seated driver at light work (ASHRAE Handbook Fundamentals)."""

(
    BODY_W_PER_K,
    FRESH_W_PER_K,
    COUPLING_W_PER_K,
    AIR_J_PER_K,
    INTERIOR_J_PER_K,
    HEAT_TO_DEGC,
    COOL_TO_DEGC,
    HEATER_MAX_W,
    HEATER_EFFICIENCY,
    PUMP_COP,
    COOLER_MAX_W,
    COOLER_COP,
    BLOWER_W,
) = range(13)
"""Places of the parameters in the vector."""
AIR_DEGC, INTERIOR_DEGC = range(2)
"""Places in the state."""

_Function = TypeVar("_Function", bound=Callable[..., object])


class Cabin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cabin and its settings. Powers are electric, W; ``heat_pump_cop`` 1 means none."""

    body_w_per_k: Positive = 45.0
    fresh_air_kg_per_s: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.06
    recirculation: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.35
    coupling_w_per_k: Positive = 60.0
    air_j_per_k: Positive = 25_000.0
    interior_j_per_k: Positive = 90_000.0
    heat_to_degc: Annotated[float, Meta(ge=-60.0, le=35.0)] = 21.5
    cool_to_degc: Annotated[float, Meta(ge=10.0, le=90.0)] = 23.0
    heater_max_w: Power = 5000.0
    heater_efficiency: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.9
    heat_pump_cop: Annotated[float, Meta(ge=1.0, le=6.0)] = 1.0
    cooler_max_w: Power = 3000.0
    cooler_cop: Annotated[float, Meta(gt=0.0, le=8.0)] = 2.2
    blower_w: Power = 100.0
    source: str = (
        "lumps and losses chosen so that a compact car takes about 2 kWh to come from -10 to "
        "20 degC and 1.5 to 2.5 kW to hold it (ADAC 2022, seven electric cars in a cold chamber: "
        "1.5 to 2.3 kWh, 1.5 to 2 kW)"
    )

    def __post_init__(self) -> None:
        if not self.heat_to_degc < self.cool_to_degc:
            raise InputError(
                "heat_to_degc", self.heat_to_degc, "is not below cool_to_degc", "lower it"
            )

    def parameters(self) -> Floats:
        """The vector of `power_w`, in the order of the places named in this module."""
        fresh = self.fresh_air_kg_per_s * (1.0 - self.recirculation) * AIR_J_PER_KG_K
        return np.array(
            [
                self.body_w_per_k,
                fresh,
                self.coupling_w_per_k,
                self.air_j_per_k,
                self.interior_j_per_k,
                self.heat_to_degc,
                self.cool_to_degc,
                self.heater_max_w,
                self.heater_efficiency,
                self.heat_pump_cop,
                self.cooler_max_w,
                self.cooler_cop,
                self.blower_w,
            ]
        )


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


@_compiled
def heating_cop(ambient_degc: float, p: Floats) -> float:
    """Heat into the cabin per electric work of the heater or heat pump."""
    span = (ambient_degc - PUMP_WORST_DEGC) / (PUMP_RATED_DEGC - PUMP_WORST_DEGC)
    pump = 1.0 + (p[PUMP_COP] - 1.0) * min(max(span, 0.0), 1.0)
    return float(p[HEATER_EFFICIENCY] * pump)


@_compiled
def power_w(
    step_s: Floats, ambient_degc: float, sun_w: float, p: Floats, state: Floats, out: Floats
) -> None:
    """Electric power of heating, cooling and blower, W, into ``out`` (n,), driver on board.

    ``step_s`` (n,) is the time before each sample; ``sun_w`` what the sun brings in through the
    glass; ``state`` (2,) holds air and interior in degC and is moved on (implicit Euler, so
    steps of a minute are safe).
    """
    losing = p[BODY_W_PER_K] + p[FRESH_W_PER_K]
    coupling = p[COUPLING_W_PER_K]
    firm = p[AIR_J_PER_K] / SETTLING_S + losing + coupling
    cop = heating_cop(ambient_degc, p)
    air, interior = state[AIR_DEGC], state[INTERIOR_DEGC]
    known_s, gain, per_own = -1.0, 0.0, 0.0
    for k in range(step_s.size):
        # What would hold the air where it is, and what more brings it to either set point.
        held = losing * (air - ambient_degc) + coupling * (air - interior) - OCCUPANT_W
        warm = held + firm * (p[HEAT_TO_DEGC] - air)
        cold = held + firm * (p[COOL_TO_DEGC] - air)
        heat, electric = 0.0, 0.0
        if warm > 0.0:
            heat = min(warm, p[HEATER_MAX_W] * cop)
            electric = heat / cop + p[BLOWER_W]
        elif cold < 0.0:
            heat = -min(-cold, p[COOLER_MAX_W] * p[COOLER_COP])
            electric = -heat / p[COOLER_COP] + p[BLOWER_W]
        out[k] = electric
        dt = step_s[k]
        if dt != known_s:
            known_s, gain = dt, dt * coupling / (p[INTERIOR_J_PER_K] + dt * coupling)
            per_own = 1.0 / (p[AIR_J_PER_K] + dt * (losing + coupling * (1.0 - gain)))
        kept = (interior + dt * sun_w / p[INTERIOR_J_PER_K]) * (1.0 - gain)
        brought = losing * ambient_degc + coupling * kept + OCCUPANT_W + heat
        air = (p[AIR_J_PER_K] * air + dt * brought) * per_own
        interior = kept + gain * air
    state[AIR_DEGC], state[INTERIOR_DEGC] = air, interior


@_compiled
def park(seconds: float, ambient_degc: float, sun_w: float, p: Floats, state: Floats) -> None:
    """Move ``state`` (2,) over a time with everything off and the windows closed.

    One lump without fresh air: it ends ``sun_w`` over the body's conductance above the ambient.
    """
    settled = ambient_degc + sun_w / p[BODY_W_PER_K]
    rate = p[BODY_W_PER_K] / (p[AIR_J_PER_K] + p[INTERIOR_J_PER_K])
    left = math.exp(-rate * seconds)
    for k in range(2):
        state[k] = settled + (state[k] - settled) * left


def steady_w(cabin: Cabin, ambient_degc: float, sun_w: float = 0.0) -> float:
    """Electric power once everything is warm (or cool), W."""
    p, out = cabin.parameters(), np.empty(600)
    state = np.full(2, min(max(ambient_degc, cabin.heat_to_degc), cabin.cool_to_degc))
    power_w(np.full(600, 60.0), float(ambient_degc), float(sun_w), p, state, out)
    return float(out[-1])
