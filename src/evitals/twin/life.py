"""A cell cycled until it is old: the laboratory's test, with circuit and ageing.

Each cycle is constant current to empty, then to full with the voltage's limit, at the pack's true
age; what it did (charge, swing, mean temperature and SoC) ages the cell before the next one.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery, Limits
from evitals.errors import InputError
from evitals.twin import circuit
from evitals.twin.ageing import USUAL_CELL, Age, Ageing, model
from evitals.twin.cell import electrodes
from evitals.twin.pack import Climate, Pack, Weakest

Floats = NDArray[np.float64]
CELL_AH, CELL_KG, CELL_W_PER_K = 5.0, 0.07, 0.15
"""A 21700 cell in moving air; any other would do, the circuit is per Ah."""
MORE_POWER = 2.0
"""Asked power over that of the wanted current: the limit of the current is what acts."""
PATIENCE = 1.25
"""Steps granted to a half cycle, over those at full current."""


@dataclass(frozen=True, slots=True)
class Life:
    """A cycled cell, one value a cycle (n,): SoH, resistance over new, Ah given while
    discharging, and mean temperature; ``age`` is the end."""

    soh: Floats
    growth: Floats
    discharged_ah: Floats
    temperature_degc: Floats
    age: Age


def cycled(
    cell_name: str | None = None,
    ageing: Ageing | None = None,
    *,
    cycles: int = 1000,
    c_rate: float = 1.0,
    ambient_degc: float = 25.0,
    step_s: float = 10.0,
) -> Life:
    """Full cycles of one cell (default: the usual one of the ageing model's chemistry).

    Raises InputError for what cannot be cycled.
    """
    for name, value, low, high in (
        ("cycles", cycles, 1, 100_000),
        ("c_rate", c_rate, 0.05, 5.0),
        ("ambient_degc", ambient_degc, -20.0, 50.0),
        ("step_s", step_s, 0.5, 60.0),
    ):
        if not low <= value <= high:
            raise InputError(name, value, "is out of bounds", f"give {low} to {high}")
    ageing = Ageing() if ageing is None else ageing
    chemistry = model(ageing.model).chemistry
    cell_name = cell_name or USUAL_CELL[chemistry]
    pack = _cell(cell_name, chemistry, c_rate)
    count = int(PATIENCE * 3600.0 / c_rate / step_s)
    watts = MORE_POWER * c_rate * CELL_AH * pack.battery.limits.cell_voltage_max_v
    halves = (np.full(count, -watts), np.full(count, watts))
    step, out = np.full(count, step_s), np.empty((circuit.OUTPUTS, count))
    state = np.zeros(circuit.STATES)
    state[circuit.STATE_SOC], state[circuit.STATE_DEGC] = 1.0, ambient_degc
    age, found = Age(), np.empty((cycles, 4))
    for k in range(cycles):
        soh, growth = ageing.soh(age), ageing.growth(age)
        aged = replace(pack, soh=soh, growth=growth, balance=ageing.modes(age, cell_name))
        p, tables = aged.parameters(), aged.tables()
        moved, degc, soc = np.zeros(2), np.zeros(2), np.zeros(2)
        ends = np.empty(2)
        for half, power in enumerate(halves):
            circuit.kernel(step, power, ambient_degc, False, 2.0, p, tables, state, out)
            moved[half] = np.abs(out[circuit.CURRENT_A]).sum() * step_s / 3600.0
            degc[half] = out[circuit.TEMPERATURE_DEGC].mean()
            soc[half] = out[circuit.SOC].mean()
            ends[half] = state[circuit.STATE_SOC]
        efc = float(moved.sum()) / 2.0 / CELL_AH
        age = ageing.after(
            age,
            2.0 * count * step_s,
            float(degc.mean()),
            float(soc.mean()),
            efc,
            float(np.clip(ends[1] - ends[0], 0.0, 1.0)),
            c_rate,
        )
        found[k] = soh, growth, moved[0], degc.mean()
    return Life(found[:, 0], found[:, 1], found[:, 2], found[:, 3], age)


def _cell(cell_name: str, chemistry: str, c_rate: float) -> Pack:
    bounds = electrodes(cell_name)
    battery = Battery(
        level="cell",
        chemistry=chemistry,
        reference_capacity_ah=CELL_AH,
        limits=Limits(
            cell_voltage_min_v=bounds.voltage_empty_v,
            cell_voltage_max_v=bounds.voltage_full_v,
            discharge_current_a=c_rate * CELL_AH,
            charge_current_a=c_rate * CELL_AH,
        ),
    )
    nothing = Climate(heater_w=0.0, cooler_w=0.0)
    return Pack(
        battery,
        cell_name,
        CELL_KG,
        weakest=Weakest(),
        climate=nothing,
        passive_w_per_k=CELL_W_PER_K,
    )
