"""A pack of series x parallel cells at its true age: power in, what truly happens out."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.twin import cell, circuit
from evitals.twin.balance import NEW, Balance

Floats = NDArray[np.float64]
HEAT_J_PER_KG_K = 900.0
"""Specific heat of a pack with its housing."""
PASSIVE_W_PER_KG_K = 0.03
"""Heat given to the air around per kg of pack: 8 W/K for 270 kg, an own round figure."""
CHARGE_NONE_DEGC, CHARGE_FULL_DEGC = -20.0, 10.0
"""Charge current fades between these, an own round figure: lithium plates on cold graphite."""
CAPACITY_SPREAD, RESISTANCE_SPREAD = 0.008, 0.019
"""Standard deviations of new cells as made, own round figures."""


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(name, value, "is not a positive number", "give one above zero")


@dataclass(frozen=True, slots=True)
class Weakest:
    """The weakest of the cells in series, against their average.

    ``capacity_factor`` and ``resistance_factor`` multiply, ``soc_offset`` adds when the pack is
    full, ``leak_a`` is a soft short's current, at the pack's level of parallel cells.
    """

    capacity_factor: float = 1.0
    resistance_factor: float = 1.0
    soc_offset: float = 0.0
    leak_a: float = 0.0

    def __post_init__(self) -> None:
        for name in ("capacity_factor", "resistance_factor"):
            _positive(name, getattr(self, name))
        if not (math.isfinite(self.leak_a) and self.leak_a >= 0.0):
            raise InputError("leak_a", self.leak_a, "is not a leak", "give 0 or more")
        if not -1.0 <= self.soc_offset <= 1.0:
            raise InputError("soc_offset", self.soc_offset, "is not an SoC", "give -1 to 1")

    @classmethod
    def expected(cls, series: int, parallel: int) -> "Weakest":
        """The one to expect among ``series`` groups of ``parallel`` cells as made (Blom 1958)."""
        if series < 2:
            return cls()
        worst = NormalDist().inv_cdf((series - 0.375) / (series + 0.25)) / math.sqrt(parallel)
        return cls(1.0 - worst * CAPACITY_SPREAD, 1.0 + worst * RESISTANCE_SPREAD)


@dataclass(frozen=True, slots=True)
class Climate:
    """Heating and cooling of the pack; both at full power 3 K beyond their set points.

    ``heater_w`` is electric; ``cooler_w`` is heat taken out, for 1 / ``cooler_cop`` of it in
    electricity. 0 W: there is none. Own round figures.
    """

    heater_w: float = 2000.0
    heat_below_degc: float = 5.0
    cooler_w: float = 3000.0
    cool_above_degc: float = 32.0
    cooler_cop: float = 2.5

    def __post_init__(self) -> None:
        for name in ("heater_w", "cooler_w"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(name, value, "is not a power", "give 0 W or more")
        _positive("cooler_cop", self.cooler_cop)
        if not self.heat_below_degc < self.cool_above_degc:
            raise InputError(
                "heat_below_degc",
                self.heat_below_degc,
                f"is not below cool_above_degc {self.cool_above_degc}",
                "heater and cooler would fight",
            )


@dataclass(frozen=True, slots=True)
class State:
    """Where a pack is: SoC of the average cell, two slow overpotentials per cell in V, degC,
    current in A; overpotentials of the weakest cell, and what its leak took so far, as SoC."""

    soc: float
    x1_v: float = 0.0
    x2_v: float = 0.0
    temperature_degc: float = 25.0
    current_a: float = 0.0
    weak_x1_v: float = 0.0
    weak_x2_v: float = 0.0
    weak_drift: float = 0.0

    def vector(self) -> Floats:
        """The kernel's ``state`` (circuit.STATES,)."""
        return np.array(
            [
                self.soc,
                self.x1_v,
                self.x2_v,
                self.temperature_degc,
                self.current_a,
                self.weak_x1_v,
                self.weak_x2_v,
                self.weak_drift,
            ]
        )

    @classmethod
    def of(cls, vector: Floats) -> "State":
        """The state in a kernel's vector."""
        return cls(*vector.tolist())


@dataclass(frozen=True, slots=True)
class Trace:
    """What truly happened, arrays (n,) in signal units; ``state`` is the end.

    ``lowest_v`` and ``highest_v`` are of a cell, ``soc`` of the average one.
    """

    step_s: Floats
    current_a: Floats
    voltage_v: Floats
    soc: Floats
    temperature_degc: Floats
    lowest_v: Floats
    highest_v: Floats
    state: State

    @property
    def energy_kwh(self) -> float:
        """Energy into the terminals (negative: out of them), each sample's power over its step."""
        return float(np.sum(self.current_a * self.voltage_v * self.step_s)) / 3.6e6


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as it is today. ``soh`` and ``growth`` (resistance over new) are its true age.

    ``balance`` is (LLI, LAM negative, LAM positive) of its cells; ``weakest`` None means the one
    to expect; ``cooling`` below 1 is a cooler that fails. Heat capacity and conductance to the air
    follow from ``mass_kg`` where they are not given. Raises InputError by field.
    """

    battery: Battery
    cell: str
    mass_kg: float
    soh: float = 1.0
    growth: float = 1.0
    balance: Balance = NEW
    weakest: Weakest | None = None
    climate: Climate = Climate()
    cooling: float = 1.0
    heat_j_per_k: float | None = None
    passive_w_per_k: float | None = None

    def __post_init__(self) -> None:
        for name in ("mass_kg", "soh", "growth", "heat_j_per_k", "passive_w_per_k"):
            value = getattr(self, name)
            if value is not None:
                _positive(name, value)
        for name in ("series", "parallel"):
            if getattr(self.battery, name) < 1:
                count = getattr(self.battery, name)
                raise InputError(name, count, "leaves the pack without cells", "give 1 or more")
        _positive("reference_capacity_ah", self.battery.reference_capacity_ah)
        if not 0.0 <= self.cooling <= 1.0:
            raise InputError("cooling", self.cooling, "is not a share", "give 0 (failed) to 1")
        cell.tables(self.cell)

    @property
    def capacity_ah(self) -> float:
        """True capacity of the average cells between SoC 0 and 1, Ah at the pack's level."""
        return self.battery.reference_capacity_ah * self.soh

    def tables(self) -> Floats:
        """The kernel's ``tables``; read-only, shared by all packs of the cell and balance."""
        return cell.tables(self.cell, self.balance)

    def parameters(self) -> Floats:
        """The kernel's ``p`` (circuit.PARAMETERS,), in the order of the places named there."""
        b, limits, air = self.battery, self.battery.limits, self.climate
        weak = self.weakest or Weakest.expected(b.series, b.parallel)
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
                limits.temperature_min_degc,
                limits.temperature_max_degc,
                CHARGE_NONE_DEGC,
                CHARGE_FULL_DEGC,
                *cell.time_constants_s(self.cell),
                self.heat_j_per_k or self.mass_kg * HEAT_J_PER_KG_K,
                self.passive_w_per_k or self.mass_kg * PASSIVE_W_PER_KG_K,
                air.heater_w,
                air.heat_below_degc,
                air.cooler_w,
                air.cool_above_degc,
                air.cooler_cop,
                self.cooling,
                weak.capacity_factor,
                weak.resistance_factor,
                weak.soc_offset,
                weak.leak_a,
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

        The pack's own heater and cooler, which run while ``awake`` or charging, come on top.
        Charging ends with the sample that reaches ``soc_stop``. Raises InputError for steps that
        go back or do not match.
        """
        if step_s.shape != power_w.shape or step_s.ndim != 1:
            raise InputError("power_w", power_w.shape, f"is not {step_s.shape}", "give one a step")
        if not (np.isfinite(power_w).all() and np.isfinite(step_s).all()):
            raise InputError("power_w", "NaN", "is not finite", "remove or fill these samples")
        if step_s.size and step_s.min() < 0.0:
            raise InputError("step_s", float(step_s.min()), "goes back in time", "sort the samples")
        vector, out = state.vector(), np.empty((circuit.OUTPUTS, step_s.size))
        done = circuit.kernel(
            step_s,
            power_w,
            float(ambient_degc),
            awake,
            soc_stop,
            self.parameters(),
            self.tables(),
            vector,
            out,
        )
        current, voltage, soc, degc, lowest, highest = out[:, :done]
        end = State.of(vector)
        return Trace(step_s[:done], current, voltage, soc, degc, lowest, highest, end)

    def park(self, state: State, seconds: float, ambient_degc: float) -> State:
        """The state after standing without current."""
        trace = self.run(
            replace(state, current_a=0.0),
            np.array([max(seconds, 0.0)]),
            np.zeros(1),
            ambient_degc,
            awake=False,
        )
        return trace.state
