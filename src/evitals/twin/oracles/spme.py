"""PyBaMM's single particle model with electrolyte: makes the twin's cells and judges them.

    python -m evitals.twin.oracles.spme make NAME OUT.json     tables of a cell, a minute or two
    python -m evitals.twin.oracles.spme freeze NAME OUT.json   voltages that tests compare with

Extra ``[physics]``; PYBAMM_DISABLE_TELEMETRY=true keeps PyBaMM quiet. Every run is isothermal at
the stated temperature. Tables are fitted on random steps, pulses, charges and rests (seeded);
UDDS never enters the fit, it is the test. Made again, elements repeat to 0.3 %.
"""

import argparse
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import numba
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.battery import Battery, Limits
from evitals.errors import InputError, MissingExtra
from evitals.twin import cell, circuit, cycles, road, vehicle
from evitals.twin.pack import Climate, Pack, State, Weakest

Floats = NDArray[np.float64]
ZOE = "renault-zoe-ze50"
NOMINAL_V = 3.65
SOCS = (0.9, 0.5, 0.2)
DEGCS = (-10.0, 0.0, 25.0, 40.0)
FROZEN_EVERY = 5
"""Frozen voltages are every fifth sample."""
OCV_SOCS = [round(0.05 * k, 2) for k in range(21)]
PULSE_SOCS = OCV_SOCS[2:20]
PULSES = {-10.0: 0.5, 25.0: 1.0}
"""C-rate of 30 s of discharge, by temperature."""
PULSE_S = 30
MOST_C_RATE = {-20.0: 0.6, -10.0: 1.0, 0.0: 1.5, 10.0: 2.0, 25.0: 2.5, 40.0: 3.0, 55.0: 3.0}
"""Largest discharge in the fit by temperature; charge goes to 0.6 of it."""
STARTS, LASTS_S, LEAST_SOC = np.linspace(0.10, 1.0, 18), 1800, 0.04
KNOTS = circuit.SOC_POINTS
TAUS_S = (30.0, 400.0)
SMOOTH = 5.0
"""Weight of the second differences of the tables' logarithms over SoC."""
PRIOR_C_RATE, PRIOR_ACTIVATION_K, PRIOR_WEIGHT = 1.25, 5800.0, 0.002
"""The exchange current leans this weakly on Arrhenius: at high temperature the voltage hardly
tells it from an ohmic resistance."""
LEAST, MOST = 1e-4, 20.0
OUTLIER_V = 0.03
ROUNDS = 12
POTENTIALS, SLOPES, EDGE = 1001, 101, 1e-4


@dataclass(frozen=True)
class Recipe:
    """A cell as PyBaMM parameters: the set, the voltages that bound SoC, what is put into it."""

    parameters: str
    chemistry: str
    voltage_empty_v: float
    voltage_full_v: float
    source: str
    gaps: tuple[str, ...]
    borrowed: tuple[str, ...] = ()
    lender: str = ""
    activation_k: dict[str, float] = field(default_factory=dict)


ALWAYS = (
    "the oracle is a model too: single particles, one temperature for the whole cell",
    "two slow states: after long or cold high currents the last tens of mV relax differently",
    "no hysteresis",
)
RECIPES = {
    "nmc811-lgm50": Recipe(
        "ORegan2022",
        "NMC",
        2.8,
        4.2,
        "LG M50 (NMC811 against graphite-SiOx, 5 Ah, 21700): O'Regan et al. 2022, Electrochimica "
        "Acta 425, 140700, with full dependence on temperature, as PyBaMM's set ORegan2022",
        ALWAYS,
    ),
    "nca-kim2011": Recipe(
        "NCA_Kim2011",
        "NCA",
        2.7,
        4.2,
        "NCA against graphite, a power cell: Kim et al. 2011, J. Electrochem. Soc. 158, A955, as "
        "PyBaMM's set NCA_Kim2011",
        (*ALWAYS, "a power cell: an energy cell has several times its resistance", "no entropy"),
    ),
    "lfp-prada2013": Recipe(
        "Prada2013",
        "LFP",
        2.5,
        3.6,
        "LFP against graphite (A123 2.3 Ah): Prada et al. 2013, J. Electrochem. Soc. 160, A616, "
        "with the open-circuit potentials PyBaMM's set Prada2013 takes from Afshar 2017 and Chen "
        "2020; electrolyte by temperature from Landesfeind and Gasteiger 2019 and activation of "
        "the graphite's diffusion from O'Regan 2022",
        (
            *ALWAYS,
            "diffusion in LFP does not depend on temperature here: cold cells are too good",
            "no entropy; the plateau's hysteresis of some 10 mV is missing",
        ),
        borrowed=("Electrolyte conductivity [S.m-1]", "Electrolyte diffusivity [m2.s-1]"),
        lender="ORegan2022",
        activation_k={"Negative particle diffusivity [m2.s-1]": 2092.0},
    ),
}
"""Cells that PyBaMM makes."""


class Run(NamedTuple):
    """One isothermal run: arrays (n,) at 1 Hz, C-rate positive while charging."""

    degc: float
    c_rate: Floats
    soc: Floats
    over_v: Floats


class Frozen(Struct, frozen=True):
    """PyBaMM's voltages of one cell by degC and start SoC: OCV at ``OCV_SOCS``, under ``c_rate``
    every ``FROZEN_EVERY`` s, and at the end of pulses from ``PULSE_SOCS``."""

    cell: str
    capacity_ah: float
    c_rate: list[float]
    ocv_v: dict[str, list[float]]
    voltage_v: dict[str, list[float]]
    pulse_v: dict[str, list[float]]


def library() -> ModuleType:
    """PyBaMM. Raises MissingExtra."""
    os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
    try:
        import pybamm
    except ImportError as error:
        raise MissingExtra("physics") from error
    module: ModuleType = pybamm
    return module


class Simulator:
    """One cell in PyBaMM. ``capacity_ah`` is its own between SoC 0 and 1 at 25 degC."""

    def __init__(self, recipe: Recipe) -> None:
        p = self.pybamm = library()
        self.recipe, self.parameters = recipe, p.LithiumIonParameters()
        values = self.values = p.ParameterValues(recipe.parameters)
        for name in recipe.borrowed:
            values[name] = p.ParameterValues(recipe.lender)[name]
        for name, energy_k in recipe.activation_k.items():
            values[name] = _activated(values[name], energy_k)
        empty, full = recipe.voltage_empty_v, recipe.voltage_full_v
        values.update(
            {
                "Reference temperature [K]": 298.15,
                "Lower voltage cut-off [V]": empty,
                "Upper voltage cut-off [V]": full,
                "Open-circuit voltage at 0% SOC [V]": empty,
                "Open-circuit voltage at 100% SOC [V]": full,
            }
        )
        ends = p.lithium_ion.get_min_max_stoichiometries(values)
        self.x0, self.x1, self.y1, self.y0 = (float(end) for end in ends)
        held_ah = float(values.evaluate(self.parameters.n.prim.Q_init))
        self.capacity_ah = held_ah * (self.x1 - self.x0)
        self.inputs = values.copy()
        self.inputs.update(
            {"Lower voltage cut-off [V]": empty - 0.5, "Upper voltage cut-off [V]": full + 0.15}
        )
        for name in ("Ambient temperature [K]", "Initial temperature [K]"):
            self.inputs[name] = "[input]"
        for name in ("negative", "positive"):
            self.inputs[f"Initial concentration in {name} electrode [mol.m-3]"] = "[input]"

    def potential_v(self, electrode: str, at: Floats, degc: float = 25.0) -> Floats:
        """Potential of the negative or positive electrode against lithium, V."""
        domain = getattr(self.parameters, electrode[0]).prim
        symbol = domain.U(self.pybamm.Vector(at), self.pybamm.Scalar(degc + 273.15))
        return np.asarray(self.values.process_symbol(symbol).evaluate()).ravel()

    def published_v(self, electrode: str, at: Floats) -> Floats:
        """The same at 25 degC without the poles that PyBaMM adds at either end."""
        function = self.values[f"{electrode.capitalize()} electrode OCP [V]"]
        symbol = self.values.process_symbol(function(self.pybamm.Vector(at)))
        return np.asarray(symbol.evaluate()).ravel()

    def ocv_v(self, soc: Floats, degc: float) -> Floats:
        """Open-circuit voltage (n,) at SoC (n,)."""
        positive = self.potential_v("positive", self.y0 + soc * (self.y1 - self.y0), degc)
        volts: Floats = positive - self.potential_v(
            "negative", self.x0 + soc * (self.x1 - self.x0), degc
        )
        return volts

    def voltage_v(self, c_rate: Floats, soc: float, degc: float) -> Floats:
        """Terminal voltage at 1 Hz under a current (n,); shorter where the cell gave up."""
        p, time_s = self.pybamm, np.arange(float(c_rate.size))
        values = self.inputs.copy()
        values["Current function [A]"] = p.Interpolant(time_s, -c_rate * self.capacity_ah, p.t)
        inputs = {
            "Ambient temperature [K]": degc + 273.15,
            "Initial temperature [K]": degc + 273.15,
        }
        for name, empty, full in (
            ("negative", self.x0, self.x1),
            ("positive", self.y0, self.y1),
        ):
            most = self.values[f"Maximum concentration in {name} electrode [mol.m-3]"]
            inputs[f"Initial concentration in {name} electrode [mol.m-3]"] = most * (
                empty + soc * (full - empty)
            )
        solver = p.IDAKLUSolver(atol=1e-7, rtol=1e-7)
        model = p.lithium_ion.SPMe()
        simulation = p.Simulation(model, parameter_values=values, solver=solver)
        solved = simulation.solve(t_eval=[0.0, time_s[-1]], t_interp=time_s, inputs=inputs)
        volts: Floats = np.asarray(solved["Voltage [V]"].entries)[: time_s.size]
        return volts


def _activated(value: float, energy_k: float) -> object:
    def diffusivity(_stoichiometry: object, kelvin: Any) -> object:
        return value * np.exp(energy_k * (1.0 / 298.15 - 1.0 / kelvin))

    return diffusivity


def udds_c_rate() -> Floats:
    """UDDS as the Renault Zoe's cells see it, C-rate (n,) at 1 Hz, positive while charging."""
    trace, car = cycles.cycle("udds"), vehicle.vehicle(ZOE)
    power = road.drive(car, trace.time_s, trace.speed_mps).power_w
    pack = vehicle.battery_of(car)
    c_rate: Floats = power / pack.series / NOMINAL_V / pack.reference_capacity_ah
    return np.round(c_rate, 5)


def random_c_rate(rng: np.random.Generator, most: float) -> Floats:
    """Random steps, pulses, charges and rests (LASTS_S,), C-rate."""
    parts: list[Floats] = [np.zeros(1)]
    while sum(part.size for part in parts) < LASTS_S:
        kind = int(rng.integers(4))
        if kind == 0:
            count = int(rng.integers(20, 60))
            size = rng.uniform(-most, 0.6 * most, count) * rng.random(count) ** 1.5
            parts.append(np.repeat(size, rng.integers(1, 12, count)))
        elif kind == 1:
            parts.append(np.full(int(rng.integers(10, 90)), -most * rng.uniform(0.2, 1.0)))
        elif kind == 2:
            parts.append(np.full(int(rng.integers(10, 200)), most * rng.uniform(0.1, 0.5)))
        else:
            parts.append(np.zeros(int(rng.integers(10, 300))))
    return np.concatenate(parts)[:LASTS_S]


def counted(soc: float, c_rate: Floats) -> Floats:
    """SoC (n,) at 1 Hz from a start: the trapezoid of the current."""
    moved = np.cumsum(0.5 * (c_rate[1:] + c_rate[:-1])) / 3600.0
    return soc + np.concatenate([[0.0], moved])


def runs(simulator: Simulator, degc: float) -> list[Run]:
    """What the tables of one temperature are fitted on, from every start SoC."""
    found = []
    for number, start in enumerate(STARTS):
        rng = np.random.default_rng([7, int(degc) + 100, number])
        c_rate = random_c_rate(rng, MOST_C_RATE[degc])
        soc = counted(float(start), c_rate)
        outside = np.flatnonzero((soc < LEAST_SOC) | (soc > 1.0))
        n = int(outside[0]) if outside.size else soc.size
        if n < 100:
            continue
        volts = simulator.voltage_v(c_rate[:n], float(start), degc)
        n = volts.size
        over = volts - simulator.ocv_v(soc[:n], degc)
        found.append(Run(degc, c_rate[:n], soc[:n], over))
    return found


@numba.njit(cache=True)
def _predict(
    c_rate: Floats, soc: Floats, thermal: float, elements: Floats, taus: Floats, slopes: Floats
) -> Floats:
    """Overpotential (n,) by elements (4, KNOTS): R0, 1 / (2 i0), R1, R2; its slopes with respect
    to their logarithms go to ``slopes`` (n, 4 KNOTS), unless that is empty."""
    n, knots = c_rate.size, elements.shape[1]
    volts, state, keep = np.empty(n), np.zeros(2), np.exp(-1.0 / taus)
    carried = np.zeros((2, knots))
    for k in range(n):
        place = min(max(soc[k], 0.0), 1.0) * (knots - 1)
        at = min(int(place), knots - 2)
        up = place - at
        mixed = elements[:, at] * (1.0 - up) + elements[:, at + 1] * up
        mean = 0.5 * (c_rate[k] + c_rate[k - 1]) if k > 0 else 0.0
        for j in range(2):
            state[j] = keep[j] * state[j] + (1.0 - keep[j]) * mixed[2 + j] * mean
        angle = c_rate[k] * mixed[1]
        volts[k] = mixed[0] * c_rate[k] + thermal * np.arcsinh(angle) + state[0] + state[1]
        if slopes.size > 0:
            bent = thermal * c_rate[k] / np.sqrt(1.0 + angle * angle)
            for j in range(2):
                carried[j] *= keep[j]
            for i, weight in ((at, 1.0 - up), (at + 1, up)):
                slopes[k, i] = c_rate[k] * weight * elements[0, i]
                slopes[k, knots + i] = bent * weight * elements[1, i]
                for j in range(2):
                    carried[j, i] += (1.0 - keep[j]) * mean * weight * elements[2 + j, i]
            for j in range(2):
                slopes[k, (2 + j) * knots : (3 + j) * knots] = carried[j]
    return volts


def fit(found: list[Run], degc: float) -> Floats:
    """Elements (4, KNOTS) of one temperature: smooth in SoC, least squares, outliers weigh less."""
    inverse = 1.0 / (degc + 273.15) - 1.0 / 298.15
    kinetic = 0.5 / PRIOR_C_RATE * np.exp(PRIOR_ACTIVATION_K * inverse)
    starts = (0.06 * np.exp(2500.0 * inverse), kinetic, *2 * (0.04 * np.exp(2000.0 * inverse),))
    prior = np.log(np.repeat(starts, KNOTS))
    lean = np.repeat([0.0, PRIOR_WEIGHT, 0.0, 0.0], KNOTS) + 1e-6
    bend = SMOOTH * np.diff(np.eye(KNOTS), 2, axis=0)
    bends = np.kron(np.eye(4), bend.T @ bend)
    thermal, taus, logs = circuit.THERMAL_V_PER_K * (degc + 273.15), np.array(TAUS_S), prior
    for _ in range(ROUNDS):
        normal = bends + np.diag(lean)
        wanted = lean * (prior - logs) - bends @ logs
        for run in found:
            slopes = np.zeros((run.soc.size, 4 * KNOTS))
            elements = np.exp(logs).reshape(4, KNOTS)
            missing = run.over_v - _predict(run.c_rate, run.soc, thermal, elements, taus, slopes)
            slopes, missing = slopes[::2], missing[::2]
            weighted = slopes / (1.0 + (missing / OUTLIER_V) ** 2)[:, None]
            normal += weighted.T @ slopes
            wanted += weighted.T @ missing
        step = np.linalg.solve(normal, wanted)
        logs = np.clip(logs + np.clip(step, -0.7, 0.7), np.log(LEAST), np.log(MOST))
    return np.asarray(np.exp(logs)).reshape(4, KNOTS)


def make(name: str) -> dict[str, Any]:
    """A cell's file as plain data. Raises InputError for an unknown one and MissingExtra."""
    recipe, simulator = recipe_of(name), Simulator(recipe_of(name))
    degcs = list(MOST_C_RATE)
    fitted = [fit(runs(simulator, degc), degc) for degc in degcs]
    r0, inverse, r1, r2 = np.stack(fitted, axis=-1)
    soc = np.linspace(0.0, 1.0, SLOPES)
    warm, cool = simulator.ocv_v(soc, 35.0), simulator.ocv_v(soc, 15.0)
    grid = np.linspace(EDGE, 1.0 - EDGE, POTENTIALS)
    return {
        "chemistry": recipe.chemistry,
        "source": recipe.source,
        "command": f"python -m evitals.twin.oracles.spme make {name} OUT.json",
        "fitted": {
            "soc": [LEAST_SOC, 1.0],
            "temperature_degc": [min(degcs), max(degcs)],
            "c_rate": [-max(MOST_C_RATE.values()), 0.6 * max(MOST_C_RATE.values())],
        },
        "gaps": list(recipe.gaps),
        "voltage_empty_v": recipe.voltage_empty_v,
        "voltage_full_v": recipe.voltage_full_v,
        "time_constants_s": list(TAUS_S),
        "negative": _electrode(simulator, "negative", grid, simulator.x0, simulator.x1),
        "positive": _electrode(simulator, "positive", grid, simulator.y0, simulator.y1),
        "ocv_per_k": _rounded((warm - cool) / 20.0, 8),
        "elements": {
            "soc": _rounded(np.linspace(0.0, 1.0, KNOTS), 4),
            "temperature_degc": degcs,
            "r0_ohm_ah": _rows(r0),
            "exchange_c_rate": _rows(0.5 / inverse),
            "r1_ohm_ah": _rows(r1),
            "r2_ohm_ah": _rows(r2),
        },
    }


def recipe_of(name: str) -> Recipe:
    """How PyBaMM makes a cell. Raises InputError naming those it can."""
    if name not in RECIPES:
        raise InputError("cell", name, "has no recipe", f"use one of {', '.join(RECIPES)}")
    return RECIPES[name]


def _electrode(
    simulator: Simulator, which: str, grid: Floats, empty: float, full: float
) -> dict[str, Any]:
    return {
        "empty": round(empty, 8),
        "full": round(full, 8),
        "low": float(grid[0]),
        "high": float(grid[-1]),
        "potential_v": _rounded(simulator.published_v(which, grid), 6),
    }


def _rounded(values: Floats, digits: int) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


def _rows(table: Floats) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in table.tolist()]


@cache
def freeze(name: str) -> Frozen:
    """PyBaMM's voltages of a cell on UDDS current. Raises InputError and MissingExtra."""
    simulator, c_rate = Simulator(recipe_of(name)), udds_c_rate()
    ocv, volts, pulses = {}, {}, {}
    for degc in DEGCS:
        ocv[f"{degc:g}"] = _rounded(simulator.ocv_v(np.array(OCV_SOCS), degc), 5)
        for start in SOCS:
            found = simulator.voltage_v(c_rate, start, degc)
            volts[f"{degc:g} {start:g}"] = _rounded(found[::FROZEN_EVERY], 5)
    for degc, size in PULSES.items():
        ends = [simulator.voltage_v(pulse(size), soc, degc)[-1] for soc in PULSE_SOCS]
        pulses[f"{degc:g}"] = _rounded(np.array(ends), 5)
    return Frozen(name, round(simulator.capacity_ah, 6), c_rate.tolist(), ocv, volts, pulses)


def pulse(c_rate: float) -> Floats:
    """A discharge of ``PULSE_S`` after a second of rest, C-rate (n,)."""
    return np.concatenate([[0.0], np.full(PULSE_S, -c_rate)])


def twin_voltage_v(name: str, c_rate: Floats, soc: float, degc: float) -> Floats:
    """The twin's kernel on one cell under a current (n,) at 1 Hz, isothermal, V (n,).

    The kernel takes power, so the power that gives the current is found by repeating. Limits that
    PyBaMM does not know are wide open.
    """
    limits = Limits(
        cell_voltage_min_v=1.0,
        cell_voltage_max_v=6.0,
        discharge_current_a=1e3,
        charge_current_a=1e3,
        temperature_min_degc=-90.0,
        temperature_max_degc=190.0,
    )
    battery = Battery(level="cell", chemistry="any", reference_capacity_ah=1.0, limits=limits)
    still = Climate(heater_w=0.0, cooler_w=0.0)
    one = Pack(battery, name, 1.0, weakest=Weakest(), climate=still, heat_j_per_k=1e12)
    step = np.ones(c_rate.size)
    step[0] = 0.0
    volts = cell.ocv(name, counted(soc, c_rate))
    p, volts, out = one.parameters(), cell.ocv(name, counted(soc, c_rate)), np.empty((6, step.size))
    p[circuit.CHARGE_NONE_DEGC], p[circuit.CHARGE_FULL_DEGC] = -99.0, -98.0
    for _ in range(8):
        state = State(soc, temperature_degc=degc).vector()
        circuit.kernel(step, volts * c_rate, degc, True, 2.0, p, one.tables(), state, out)
        volts = out[circuit.VOLTAGE_V].copy()
    return volts


def errors_mv(name: str, frozen: Frozen) -> dict[str, tuple[float, float]]:
    """rms and largest difference of the twin from frozen voltages, mV, by degC and start SoC."""
    found = {}
    for key, volts in frozen.voltage_v.items():
        degc, soc = (float(part) for part in key.split())
        twin = twin_voltage_v(name, np.array(frozen.c_rate), soc, degc)
        off = 1000.0 * (twin[::FROZEN_EVERY][: len(volts)] - np.array(volts))
        found[key] = (float(np.sqrt(np.mean(off**2))), float(np.abs(off).max()))
    return found


def pulse_errors_mv(name: str, frozen: Frozen) -> dict[str, Floats]:
    """Difference of the twin from frozen pulses, mV, by degC, at every ``PULSE_SOCS``."""
    found = {}
    for key, volts in frozen.pulse_v.items():
        size = pulse(PULSES[float(key)])
        twin = [twin_voltage_v(name, size, soc, float(key))[-1] for soc in PULSE_SOCS]
        found[key] = 1000.0 * (np.array(twin) - np.array(volts))
    return found


def main() -> None:
    """Make or freeze, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "freeze"))
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    made = make(asked.name) if asked.what == "make" else freeze(asked.name)
    asked.out.write_bytes(msgspec.json.encode(made) + b"\n")


if __name__ == "__main__":
    main()
