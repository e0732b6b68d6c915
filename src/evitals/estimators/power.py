"""State of power: the highest power a battery can give or take for some seconds.

A constant current ``i`` is applied from the present state; the circuit of ``evitals.cells`` gives
the voltage. The current is the largest that keeps every limit throughout the horizon, and the
power is the *smallest* during that pulse: the end's on discharge, the beginning's on charge. So
it holds as constant power too: a constant-power pulse of that size carries no more current at any
instant. OCV is piecewise linear in charge and all else linear in current, so the voltage limit is
solved exactly, without a search; with a circuit's asinh term each straight piece is solved by
bisection. HPPC-like method: G. Plett, Battery Management Systems, vol. 2, ch. 6 (2016), with the
RC branches and the OCV's movement kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from evitals.battery import Battery
from evitals.cells.chemistry import chemistry
from evitals.cells.circuit import CircuitState
from evitals.cells.point import point_tables
from evitals.errors import InputError, UnsupportedChemistry
from evitals.estimators.answer import PowerLimit
from evitals.estimators.estimate import Estimate, unknown
from evitals.estimators.voltage.circuit import Circuit

Direction = Literal["discharge", "charge"]
Limit = Literal["voltage", "current", "soc", "temperature", "rated"]

HORIZONS_S = (2.0, 10.0, 30.0)
REFERENCE_SOC = 0.5
REFERENCE_TEMPERATURE_DEGC = 25.0
REFERENCE_HORIZON_S = 10.0
Z90 = 1.6448536269514722
DESIGN_SIGMA = 0.25
"""Half-width (90 %) of ln R of another cell design against the tables: the two tables themselves
differ by a factor of 1.5 at SoC 0.5, 25 degC, 10 s, and power and energy cells by more."""


_OCV_SOC = np.linspace(0.0, 1.0, 101)
_FAR_A = 1e5
"""No cell gives more: where the search for a current ends."""


@dataclass(frozen=True, slots=True)
class _Instant:
    """One cell ``t`` seconds into a pulse: v = ocv(soc + slide i) + rest + resistance i."""

    slide: float
    rest: float
    resistance: float


class Margin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much a circuit's drop is exceeded once in twenty, as a share of it, (T,) over
    temperatures in degC. Calibrated on drives the circuit has not seen."""

    temperature_degc: tuple[float, ...]
    share: tuple[float, ...]

    def at(self, temperature_degc: float) -> float:
        """The share at a temperature; the nearest one's beyond the table."""
        return float(np.interp(temperature_degc, self.temperature_degc, self.share))


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell at a state, ready to be asked for its limits. Currents in A of one cell.

    ``ocv``: V, uniform over SoC 0..1; ``instants``: the pulse's beginning, then each horizon;
    the asinh term adds kinetic_v asinh(i / kinetic_a) at every instant.
    """

    ocv: Sequence[float]
    soc: float
    instants: list[_Instant]
    kinetic_v: float = 0.0
    kinetic_a: float = 1.0

    def ocv_at(self, soc: float) -> float:
        """Open-circuit voltage, V; constant beyond SoC 0 and 1."""
        place = min(max(soc, 0.0), 1.0) * (len(self.ocv) - 1)
        left = min(int(place), len(self.ocv) - 2)
        return self.ocv[left] + (place - left) * (self.ocv[left + 1] - self.ocv[left])

    def bent(self, current: float) -> float:
        return self.kinetic_v * math.asinh(current / self.kinetic_a)

    def voltage(self, at: _Instant, current: float) -> float:
        drop = at.resistance * current + self.bent(current)
        return self.ocv_at(self.soc + at.slide * current) + at.rest + drop

    def current_at(self, at: _Instant, voltage: float, direction: Direction) -> float:
        """Current (>= 0 in its direction) that reaches ``voltage`` at that instant, A.

        Walks the OCV's straight pieces from the present SoC; each is solved in turn.
        """
        sign = -1.0 if direction == "discharge" else 1.0
        room = sign * (voltage - self.ocv_at(self.soc) - at.rest)
        if room <= 0.0:
            return 0.0
        pieces, current = len(self.ocv) - 1, 0.0
        soc = min(max(self.soc, 0.0), 1.0)
        while at.slide > 0.0:
            place = soc * pieces
            # The piece on the side the charge moves to; float noise must not keep us on a knot.
            k = math.floor(place + 1e-9) if sign > 0 else math.ceil(place - 1e-9) - 1
            if not 0 <= k < pieces:
                break
            slope = (self.ocv[k + 1] - self.ocv[k]) * pieces
            end = (k + 1) / pieces if sign > 0 else k / pieces
            stretch = abs(end - soc) / at.slide
            per_amp = at.resistance + slope * at.slide
            drop = per_amp * stretch + self.bent(current + stretch) - self.bent(current)
            if drop >= room:
                return current + self._within(current, stretch, per_amp, room)
            room -= drop
            current += stretch
            soc = end
        if self.kinetic_v == 0.0:
            return current + room / at.resistance
        far = _FAR_A
        return current + self._within(current, far, at.resistance, room)

    def _within(self, current: float, stretch: float, per_amp: float, room: float) -> float:
        """How much more than ``current`` drops ``room`` volts more, at most ``stretch``, A."""
        if self.kinetic_v == 0.0:
            return room / per_amp
        start, low, high = self.bent(current), 0.0, stretch
        for _ in range(60):
            middle = 0.5 * (low + high)
            if per_amp * middle + self.bent(current + middle) - start < room:
                low = middle
            else:
                high = middle
        return low


def _cell(
    battery: Battery,
    soc: float,
    temperature_degc: float,
    capacity_ah: float,
    growth: float,
    state: CircuitState,
    ocv_offset_v: float,
    horizons: Sequence[float],
) -> _Cell:
    """The cell of the chemistry's tables."""
    tables = point_tables(battery.chemistry)
    scale = growth * battery.parallel / battery.reference_capacity_ah
    r0, r1, r2 = (scale * r for r in tables.resistances(soc, temperature_degc))
    per_second = battery.parallel / (3600.0 * capacity_ah)
    instants = []
    for t in (0.0, *horizons):
        d1, d2 = math.exp(-t / tables.tau[0]), math.exp(-t / tables.tau[1])
        instants.append(
            _Instant(
                slide=t * per_second,
                rest=ocv_offset_v + state.v1 * d1 + state.v2 * d2,
                resistance=r0 + r1 * (1.0 - d1) + r2 * (1.0 - d2),
            )
        )
    return _Cell(tables.ocv, soc, instants)


def _cell_of(
    circuit: Circuit,
    battery: Battery,
    soc: float,
    temperature_degc: float,
    capacity_ah: float,
    growth: float,
    flows_a: Sequence[float],
    ocv_offset_v: float,
    horizons: Sequence[float],
) -> _Cell:
    """The cell of an identified circuit, from branch currents ``flows_a``."""
    point = circuit.at(soc, temperature_degc)
    per_second = battery.parallel / (3600.0 * capacity_ah)
    instants = []
    for t in (0.0, *horizons):
        left = np.exp(-t / circuit.tau_s)
        relaxing = growth * float(point.branch_ohm @ (left * np.asarray(flows_a, float)))
        instants.append(
            _Instant(
                slide=t * per_second,
                rest=ocv_offset_v + relaxing,
                resistance=growth * (point.r0_ohm + float(point.branch_ohm @ (1.0 - left))),
            )
        )
    ocv = circuit.ocv(_OCV_SOC, temperature_degc)
    return _Cell(ocv.tolist(), soc, instants, growth * point.kinetic_v, point.kinetic_a)


def sop(
    battery: Battery,
    *,
    soc: float,
    temperature_degc: float,
    capacity_ah: float | None = None,
    resistance_growth: float = 1.0,
    rc_state: CircuitState | None = None,
    ocv_offset_v: float = 0.0,
    horizons: Sequence[float] = HORIZONS_S,
    circuit: Circuit | None = None,
    flows_a: Sequence[float] | None = None,
    margin: Margin | None = None,
) -> tuple[PowerLimit, ...]:
    """Power limits for each direction and horizon, at the battery's level, W.

    ``soc`` a fraction; ``capacity_ah`` the present capacity (the reference's where unknown);
    ``resistance_growth`` the battery's resistance over the tables' (``ResistanceFilter.level``);
    ``rc_state`` the branches' voltages of one cell, V (None: rested); ``ocv_offset_v`` a rested
    cell's measured voltage minus the tables' OCV, where known. Horizons in s, > 0; discharge limits
    come first, each in the order of ``horizons``. A longer horizon never has more power.

    With ``circuit``, an identified circuit of one of the battery's cells, that answers in place of
    the chemistry's tables; ``flows_a`` (K,) are then its branches' currents, A (None: rested).
    With ``margin``, ``low_w`` is the power if the cell's drop were that much larger.

    Outside the temperature limits, or with SoC at its limit, the power is 0 and that limit is
    named. ``range_reasons(battery, ...)`` tells whether the point lies in the fitted tables.
    Raises UnsupportedChemistry, and InputError for values that are not finite or not possible.
    """
    capacity = battery.reference_capacity_ah if capacity_ah is None else capacity_ah
    _check(soc, temperature_degc, capacity, resistance_growth, ocv_offset_v, horizons)
    _check_state(circuit, rc_state, flows_a)
    ordered = sorted(set(horizons))

    def limits(growth: float) -> list[PowerLimit]:
        if circuit is None:
            state = CircuitState() if rc_state is None else rc_state
            cell = _cell(
                battery, soc, temperature_degc, capacity, growth, state, ocv_offset_v, ordered
            )
        else:
            flows = [0.0] * len(circuit.tau_s) if flows_a is None else flows_a
            cell = _cell_of(
                circuit, battery, soc, temperature_degc, capacity, growth, flows, ocv_offset_v,
                ordered,
            )  # fmt: skip
        allowed = _allowed(battery, temperature_degc)
        directions: tuple[Direction, Direction] = ("discharge", "charge")
        found: list[PowerLimit] = []
        for direction in directions:
            ends = _direction(cell, battery, direction, ordered, capacity, allowed)
            found += [ends[ordered.index(horizon)] for horizon in horizons]
        return found

    best = limits(resistance_growth)
    if margin is None:
        return tuple(best)
    # A charge that current or SoC limits takes more power where more is lost as heat: not less.
    weaker = limits(resistance_growth * (1.0 + margin.at(temperature_degc)))
    return tuple(
        msgspec.structs.replace(value, low_w=min(value.power_w, low.power_w))
        for value, low in zip(best, weaker, strict=True)
    )


def _check_state(
    circuit: Circuit | None, rc_state: CircuitState | None, flows_a: Sequence[float] | None
) -> None:
    if circuit is None:
        if flows_a is not None:
            raise InputError(
                "flows_a", flows_a, "belong to a circuit", "give the circuit, or rc_state"
            )
        return
    if rc_state is not None:
        raise InputError(
            "rc_state", tuple(rc_state), "belongs to the tables", "give flows_a with a circuit"
        )
    good = flows_a is None or (
        len(flows_a) == len(circuit.tau_s) and all(map(math.isfinite, flows_a))
    )
    if not good:
        raise InputError(
            "flows_a", flows_a, f"are not {len(circuit.tau_s)} currents", "give A, one a branch"
        )


def _direction(
    cell: _Cell,
    battery: Battery,
    direction: Direction,
    ordered: Sequence[float],
    capacity_ah: float,
    allowed: bool,
) -> list[PowerLimit]:
    """Limits of one direction for rising horizons."""
    best, found = (math.inf, "voltage"), []
    reach = _voltage_currents(cell, battery, direction) if allowed else []
    for count, horizon in enumerate(ordered, start=1):
        if not allowed:
            best = 0.0, "temperature"
        else:
            # A limit met earlier in the pulse stays: the smallest so far, in time.
            power = _cell_power(cell, battery, direction, reach[: count + 1], horizon, capacity_ah)
            best = min(best, power)
        found.append(_clip(battery, direction, horizon, *best))
    return found


def _voltage_currents(cell: _Cell, battery: Battery, direction: Direction) -> list[float]:
    """Current that reaches the voltage limit at each instant, A of one cell."""
    if direction == "discharge":
        # Beyond half the open-circuit voltage more current is less power.
        lifted = max(at.rest for at in cell.instants)
        half = 0.5 * (cell.ocv_at(cell.soc) + max(lifted, 0.0))
        bound = max(battery.limits.cell_voltage_min_v, half)
    else:
        bound = battery.limits.cell_voltage_max_v
    return [cell.current_at(at, bound, direction) for at in cell.instants]


def _cell_power(
    cell: _Cell,
    battery: Battery,
    direction: Direction,
    reach: Sequence[float],
    horizon: float,
    capacity_ah: float,
) -> tuple[float, str]:
    """(W of one cell, binding limit) for the pulse over the instants that ``reach`` covers."""
    limits = battery.limits
    if direction == "discharge":
        most, room = limits.discharge_current_a, cell.soc - limits.soc_min
    else:
        most, room = limits.charge_current_a, limits.soc_max - cell.soc
    current, limit = min(
        (max(room, 0.0) * 3600.0 * capacity_ah / (horizon * battery.parallel), "soc"),
        (most / battery.parallel, "current"),
        (min(reach), "voltage"),
    )
    signed = -current if direction == "discharge" else current
    instants = cell.instants[: len(reach)]
    return current * min(cell.voltage(at, signed) for at in instants), limit


def _clip(
    battery: Battery, direction: Direction, horizon: float, power: float, limit: str
) -> PowerLimit:
    total = max(power, 0.0) * battery.series * battery.parallel
    rated = battery.rated_power_w
    if rated is not None and total > rated:
        total, limit = rated, "rated"
    return PowerLimit(
        direction=direction,
        horizon_s=horizon,
        power_w=total,
        limit=limit,  # type: ignore[arg-type]
    )


def range_reasons(battery: Battery, *, soc: float, temperature_degc: float) -> tuple[str, ...]:
    """Reason codes where the point leaves the fitted tables, () inside. Raises
    UnsupportedChemistry."""
    return chemistry(battery.chemistry).range_reasons(soc, temperature_degc)


def reference_sop(
    battery: Battery,
    *,
    capacity_ah: float | None = None,
    resistance_growth: float = 1.0,
    growth_interval: tuple[float, float] | None = None,
) -> Estimate:
    """10 s discharge power at SoC 0.5 and 25 degC from rest, W, clipped to rated power.

    ``resistance_growth`` and its 90 % interval are over the tables' (``ResistanceFilter.level``).
    Without an interval nothing was measured on this battery: the spread of cell designs stands
    in and the answer is doubtful (``resistance_not_measured``). The interval also holds the OCV's
    spread between cells (``ocv_sigma_v``), added in quadrature. Unknown for a chemistry without
    tables (``unsupported_chemistry``); 0 where the limits forbid the point itself.
    """
    measured = growth_interval is not None
    spread = math.exp(DESIGN_SIGMA)
    low, high = growth_interval or (resistance_growth / spread, resistance_growth * spread)
    if not low <= resistance_growth <= high:
        raise InputError(
            "growth_interval",
            (low, high),
            f"does not hold resistance_growth {resistance_growth}",
            "give low <= growth <= high",
        )
    try:
        offset = Z90 * chemistry(battery.chemistry).ocv_sigma_v
    except UnsupportedChemistry as error:
        return unknown(error.reason, source="circuit")
    capacity = battery.reference_capacity_ah if capacity_ah is None else capacity_ah
    # The rated power clips the answer, not the deviations its interval is made of.
    bare = msgspec.structs.replace(battery, rated_power_w=None)
    value = _reference_power(bare, capacity, resistance_growth, 0.0)
    weaker = (
        _reference_power(bare, capacity, high, 0.0),
        _reference_power(bare, capacity, resistance_growth, -offset),
    )
    stronger = (
        _reference_power(bare, capacity, low, 0.0),
        _reference_power(bare, capacity, resistance_growth, offset),
    )
    most = math.inf if battery.rated_power_w is None else battery.rated_power_w
    return Estimate(
        value=min(value, most),
        low=min(max(value - math.hypot(*(value - p for p in weaker)), 0.0), most),
        high=min(value + math.hypot(*(p - value for p in stronger)), most),
        validity="valid" if measured else "doubtful",
        reasons=() if measured else ("resistance_not_measured",),
        source="circuit",
    )


def _reference_power(battery: Battery, capacity: float, growth: float, offset: float) -> float:
    _check(REFERENCE_SOC, REFERENCE_TEMPERATURE_DEGC, capacity, growth, offset, ())
    horizons = (REFERENCE_HORIZON_S,)
    cell = _cell(
        battery,
        REFERENCE_SOC,
        REFERENCE_TEMPERATURE_DEGC,
        capacity,
        growth,
        CircuitState(),
        offset,
        horizons,
    )
    allowed = _allowed(battery, REFERENCE_TEMPERATURE_DEGC)
    return _direction(cell, battery, "discharge", horizons, capacity, allowed)[0].power_w


def _allowed(battery: Battery, temperature_degc: float) -> bool:
    limits = battery.limits
    return limits.temperature_min_degc <= temperature_degc <= limits.temperature_max_degc


def _check(
    soc: float,
    temperature: float,
    capacity: float,
    growth: float,
    offset: float,
    horizons: Sequence[float],
) -> None:
    rules = (
        ("soc", soc, -0.05 <= soc <= 1.05, "give a fraction, 0 to 1"),
        ("temperature_degc", temperature, -100.0 <= temperature <= 150.0, "give degC"),
        ("capacity_ah", capacity, 0.0 < capacity <= 1e10, "give Ah above 0"),
        ("resistance_growth", growth, 0.0 < growth <= 1e3, "give a ratio above 0"),
        ("ocv_offset_v", offset, -1.0 <= offset <= 1.0, "give V of one cell, -1 to 1"),
        *(("horizons", h, 0.0 < h <= 3600.0, "give seconds, 0 to 3600") for h in horizons),
    )
    for field, value, good, remedy in rules:
        if not good:
            raise InputError(field, value, "is not possible", remedy)
