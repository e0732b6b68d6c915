"""A vehicle living day after day without being recorded: what driving and charging take, and what
the battery goes through, as ``ageing`` wants it.

The same compiled journeys, cabin, road and circuit as in recorded trips; a day costs about a
millisecond.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar, cast

import numba
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.twin import cabin, circuit, journeys, road, vehicle
from evitals.twin.balance import NEW, Balance
from evitals.twin.cell import electrodes, ocv_table
from evitals.twin.charging import AC_EFFICIENCY
from evitals.twin.journeys import Style
from evitals.twin.pack import Pack

Floats = NDArray[np.float64]
DAY_H, HOUR_S = 24.0, 3600.0
PARK_STEP_S = 2.0 * HOUR_S
"""Parked, the pack follows the air in steps of two hours."""
CHARGE_STEP_S = 30.0
LONGEST_DC_S = 4500.0
RESERVE_SOC = 0.1
"""Below this before a trip the driver charges first, fast if the car can."""
TOP_UP_SOC = 0.7
MOST_DRIVING_S = 20 * 3600
SUN_W, NOON_H = 250.0, 13.0
"""Sun through the glass at noon, an average over weather and seasons: an own round figure."""
SPEED_JOURNEYS = 200
"""Driven to find how fast a style is on average."""
ROAD_JOURNEYS = 600
"""Driven to find what the road takes on average: one in four differs by a quarter and more."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True)(function))


@dataclass(frozen=True, slots=True)
class Habit:
    """How a vehicle is driven and charged.

    ``trips`` a driving day spread from ``first_h`` to ``last_h`` (local hours), ``trip_km`` each.
    At the day's end, below ``charge_below``, it is plugged in and charged to ``charge_to`` (SoC of
    the usable window's scale, as the car shows it); with ``timed`` so that it is done when it
    leaves. ``dc_share`` of the charges are fast ones on the way home.
    """

    trips: int = 2
    trip_km: float = 20.0
    style: Style = field(default_factory=Style)
    payload_kg: float = 75.0
    first_h: float = 7.5
    last_h: float = 17.5
    charge_below: float = 0.5
    charge_to: float = 0.9
    timed: bool = False
    dc_share: float = 0.0
    ac_power_w: float | None = None


@dataclass(slots=True)
class Taken:
    """What days took. Stretches (seconds, mean degC, mean SoC) for ``Ageing.through``; energies
    in kWh: at the plug for AC and DC, driven at the battery's terminals, ``road_kwh`` what of it
    was asked for the road alone; ``soc_driven`` is SoC used by driving, ``short_km`` driving that
    the pack could not give (empty or too cold);
    ``depth`` is the largest swing of SoC of a day."""

    stretches: list[tuple[float, float, float]]
    depth: float = 0.0
    km: float = 0.0
    ac_kwh: float = 0.0
    dc_kwh: float = 0.0
    driven_kwh: float = 0.0
    road_kwh: float = 0.0
    soc_driven: float = 0.0
    moved_ah: float = 0.0
    flowing_s: float = 0.0
    short_km: float = 0.0


@_compiled
def _means(step_s: Floats, out: Floats, found: Floats) -> None:
    """Time, mean degC and SoC, lowest and highest SoC, charge moved Ah, time under current s,
    energy in and out Wh of a trace, into ``found`` (9,)."""
    seconds, warm, soc, moved, flowing = 0.0, 0.0, 0.0, 0.0, 0.0
    lowest, highest, before, into, given = 2.0, -1.0, 0.0, 0.0, 0.0
    for k in range(step_s.size):
        dt, now = step_s[k], out[circuit.CURRENT_A, k]
        seconds += dt
        warm += out[circuit.TEMPERATURE_DEGC, k] * dt
        soc += out[circuit.SOC, k] * dt
        moved += 0.5 * abs(before + now) * dt
        watts = now * out[circuit.VOLTAGE_V, k]
        if watts > 0.0:
            into += watts * dt
        else:
            given -= watts * dt
        if before != 0.0 or now != 0.0:
            flowing += dt
        lowest = min(lowest, out[circuit.SOC, k])
        highest = max(highest, out[circuit.SOC, k])
        before = now
    found[0], found[1], found[2] = seconds, warm / seconds, soc / seconds
    found[3], found[4], found[5], found[6] = lowest, highest, moved / 3600.0, flowing
    found[7], found[8] = into / 3600.0, given / 3600.0


@cache
def mean_speed_mps(style: Style, duration_s: int = 1800) -> float:
    """Mean speed of a style with its stops, m/s, over many journeys of a length."""
    rng, vector = np.random.default_rng([77]), style.vector()
    speed = np.empty(duration_s + journeys.TAIL_S)
    grade = np.empty_like(speed)
    metres = 0.0
    for _ in range(SPEED_JOURNEYS):
        metres += float(speed[: journeys.fill(rng, vector, duration_s, speed, grade)].sum())
    return metres / (SPEED_JOURNEYS * duration_s)


def with_chemistry(car: vehicle.TwinVehicle, chemistry: str, cell: str) -> vehicle.TwinVehicle:
    """The same car with other cells of the same energy: as many in series, more or fewer Ah.

    The pack's mass stays as it is: cells of less energy per kg would weigh more.
    """
    new, battery = electrodes(cell), vehicle.battery_of(car)
    scale = float(np.mean(ocv_table(car.cell)) / np.mean(ocv_table(cell)))
    limits = structs.replace(
        battery.limits,
        cell_voltage_min_v=new.voltage_empty_v,
        cell_voltage_max_v=new.voltage_full_v,
        discharge_current_a=battery.limits.discharge_current_a * scale,
        charge_current_a=battery.limits.charge_current_a * scale,
    )
    other: Battery = structs.replace(
        battery,
        chemistry=chemistry,
        reference_capacity_ah=battery.reference_capacity_ah * scale,
        limits=limits,
    )
    return structs.replace(car, cell=cell, battery=other)


class Usage:
    """One vehicle and its habit. ``soc``, temperature and cabin go on from day to day.

    ``ambient_degc(hour)`` of a day is asked for with hours since midnight, beyond 24 for the next
    morning. Raises InputError for a trip the car cannot be asked for.
    """

    def __init__(self, car: vehicle.TwinVehicle, habit: Habit, seed: int = 0) -> None:
        if not 0.0 <= habit.payload_kg <= car.payload_max_kg:
            most = f"give 0 to {car.payload_max_kg:g} kg"
            raise InputError("payload_kg", habit.payload_kg, "cannot be carried", most)
        self.car, self.habit = car, habit
        self.new: Pack = vehicle.pack_of(car)
        self.limits = self.new.battery.limits
        self.road_p, self.cabin_p = road.parameters(car), car.cabin.parameters()
        self.style = habit.style.vector()
        about_s = max(int(1000.0 * habit.trip_km / mean_speed_mps(habit.style)), 60)
        self.trip_s = max(int(1000.0 * habit.trip_km / mean_speed_mps(habit.style, about_s)), 60)
        if habit.trips * self.trip_s > MOST_DRIVING_S:
            hours = habit.trips * self.trip_s / HOUR_S
            raise InputError(
                "trip_km",
                habit.trip_km,
                f"takes {hours:.0f} hours a day at {habit.trips} trips",
                f"stay below {MOST_DRIVING_S / HOUR_S:.0f} hours",
            )
        size = self.trip_s + journeys.TAIL_S
        self.space, self.time_s, self.ones = (
            np.empty((5, size)),
            np.arange(float(size)),
            np.ones(size),
        )
        self.state, self.cabin_state = np.zeros(circuit.STATES), np.zeros(2)
        self.found = np.empty(9)
        self.begin(habit.charge_to, 15.0)
        self.set_age(1.0, 1.0)
        self.seed = seed

    def begin(self, soc: float, degc: float) -> None:
        """Stand somewhere, rested."""
        self.state[:] = 0.0
        self.state[circuit.STATE_SOC] = self._real(soc)
        self.state[circuit.STATE_DEGC] = degc
        self.cabin_state[:] = degc

    def set_age(self, soh: float, growth: float, lost: Balance = NEW) -> None:
        """Make the pack as old as stated, at the same SoC."""
        pack = replace(self.new, soh=soh, growth=growth, balance=lost)
        self.pack_p, self.tables = pack.parameters(), pack.tables()

    def road_kwh_per_km(self, ambient_degc: Sequence[float]) -> list[float]:
        """What the road alone takes at temperatures of the air, over many journeys of the habit."""
        rng, vector = np.random.default_rng([78]), self.style
        energy, metres = np.zeros(len(ambient_degc)), 0.0
        nothing = np.zeros(self.ones.size)
        for _ in range(ROAD_JOURNEYS):
            n = journeys.fill(rng, vector, self.trip_s, self.space[0], self.space[1])
            speed, grade, _, watts, reached = self.space[:, :n]
            metres += float(speed.sum())
            for k, degc in enumerate(ambient_degc):
                road.power(
                    self.time_s[:n], speed, grade, degc, 0.0, self.habit.payload_kg, self.road_p,
                    nothing[:n], road.SYMMETRIC, watts, reached,
                )  # fmt: skip
                energy[k] -= float(watts.sum())
        found: list[float] = (energy / 3600.0 / metres).tolist()
        return found

    @property
    def soc(self) -> float:
        """Charge over what the car may use, 0 to 1."""
        low, high = self.limits.soc_min, self.limits.soc_max
        return (float(self.state[circuit.STATE_SOC]) - low) / (high - low)

    def _real(self, soc: float) -> float:
        low, high = self.limits.soc_min, self.limits.soc_max
        return low + (high - low) * min(max(soc, 0.0), 1.0)

    def day(
        self,
        taken: Taken,
        ambient_degc: Callable[[float], float],
        rng: np.random.Generator,
        *,
        driven: bool = True,
    ) -> None:
        """One day from ``first_h`` to the next day's ``first_h``, added to ``taken``."""
        habit = self.habit
        low = high = float(self.state[circuit.STATE_SOC])
        bounds = [low, high]
        now_h, end_h = habit.first_h, habit.first_h + DAY_H
        chances: list[float] = rng.random(1 + habit.trips).tolist()
        if driven:
            for k in range(habit.trips):
                share = k / max(habit.trips - 1, 1)
                start_h = habit.first_h + share * (habit.last_h - habit.first_h)
                now_h = self._park(now_h, start_h, ambient_degc, taken, bounds)
                if self.soc < self._need() and self.car.dc_charge_power_w > 0.0:
                    now_h = self._charge(now_h, TOP_UP_SOC, True, LONGEST_DC_S, ambient_degc,
                                         taken, bounds)  # fmt: skip
                now_h = self._drive(now_h, ambient_degc(now_h), taken, bounds, rng)
        if self.soc < max(habit.charge_below, self._need()):
            fast = chances[0] < habit.dc_share and self.car.dc_charge_power_w > 0.0
            if habit.timed and not fast:
                late_h = end_h - 1.15 * self._hours(habit.charge_to)
                now_h = self._park(now_h, late_h, ambient_degc, taken, bounds)
            longest_s = LONGEST_DC_S if fast else (end_h - now_h) * HOUR_S
            now_h = self._charge(
                now_h, habit.charge_to, fast, longest_s, ambient_degc, taken, bounds
            )
        self._park(now_h, end_h, ambient_degc, taken, bounds)
        taken.depth = max(taken.depth, min(bounds[1] - bounds[0], 1.0))

    def _need(self) -> float:
        """SoC a trip asks for, roughly, with the reserve."""
        kwh = self.habit.trip_km * 0.25 * self.car.mass_kg / 1800.0
        volts = 3.6 * self.new.battery.series
        return RESERVE_SOC + 1000.0 * kwh / volts / float(self.pack_p[circuit.CAPACITY_AH])

    def _hours(self, target: float) -> float:
        """Hours an AC charge takes, roughly."""
        volts = 3.7 * self.new.battery.series
        missing = max(target - self.soc, 0.0) * float(self.pack_p[circuit.CAPACITY_AH])
        return missing * volts / (self._ac_w() * AC_EFFICIENCY)

    def _ac_w(self) -> float:
        return self.habit.ac_power_w or self.car.ac_charge_power_w

    def _flow(
        self,
        step_s: Floats,
        watts: Floats,
        degc: float,
        taken: Taken,
        bounds: list[float],
        *,
        awake: bool,
        stop: float = 9.0,
    ) -> list[float]:
        """Run the pack; the means of ``_means`` as a list."""
        # Nothing flows between two stretches: else the last current would fade over hours.
        self.state[circuit.STATE_A] = 0.0
        out = np.empty((circuit.OUTPUTS, step_s.size))
        done = circuit.kernel(
            step_s, watts, degc, awake, stop, self.pack_p, self.tables, self.state, out
        )
        _means(step_s[:done], out[:, :done], self.found)
        found: list[float] = self.found.tolist()
        taken.stretches.append((found[0], found[1], min(max(found[2], 0.0), 1.0)))
        bounds[0], bounds[1] = min(bounds[0], found[3]), max(bounds[1], found[4])
        taken.moved_ah += found[5]
        taken.flowing_s += found[6]
        return found

    def _park(
        self,
        now_h: float,
        until_h: float,
        ambient_degc: Callable[[float], float],
        taken: Taken,
        bounds: list[float],
    ) -> float:
        while until_h - now_h > 1e-6:
            seconds = min(PARK_STEP_S, (until_h - now_h) * HOUR_S)
            degc = ambient_degc(now_h + 0.5 * seconds / HOUR_S)
            self._flow(np.array([seconds]), np.zeros(1), degc, taken, bounds, awake=False)
            cabin.park(seconds, degc, 0.0, self.cabin_p, self.cabin_state)
            now_h += seconds / HOUR_S
        return now_h

    def _drive(
        self,
        now_h: float,
        degc: float,
        taken: Taken,
        bounds: list[float],
        rng: np.random.Generator,
    ) -> float:
        n = journeys.fill(rng, self.style, self.trip_s, self.space[0], self.space[1])
        speed, grade, always, watts, reached = self.space[:, :n]
        sun_w = SUN_W * max(math.cos(2.0 * math.pi * (now_h - NOON_H) / DAY_H), 0.0)
        cabin.power_w(self.ones[:n], degc, sun_w, self.cabin_p, self.cabin_state, always)
        always += self.car.auxiliary_power_w
        road.power(
            self.time_s[:n], speed, grade, degc, 0.0, self.habit.payload_kg, self.road_p,
            always, road.SYMMETRIC, watts, reached,
        )  # fmt: skip
        before = float(self.state[circuit.STATE_SOC])
        found = self._flow(self.ones[:n], watts, degc, taken, bounds, awake=True)
        asked_wh = -float(watts.sum()) / 3600.0
        given_wh = found[8] - found[7]
        km = float(reached.sum()) / 1000.0
        share = min(given_wh / asked_wh, 1.0) if asked_wh > 0.0 else 1.0
        taken.short_km += km * (1.0 - share) if share < 0.97 else 0.0
        taken.km += km if share >= 0.97 else km * share
        taken.driven_kwh += given_wh / 1000.0
        taken.road_kwh += (asked_wh - float(always.sum()) / 3600.0) / 1000.0
        taken.soc_driven += before - float(self.state[circuit.STATE_SOC])
        return now_h + n / HOUR_S

    def _charge(
        self,
        now_h: float,
        target: float,
        fast: bool,
        longest_s: float,
        ambient_degc: Callable[[float], float],
        taken: Taken,
        bounds: list[float],
    ) -> float:
        real = self._real(target)
        if real - float(self.state[circuit.STATE_SOC]) < 0.01 or longest_s < 2 * CHARGE_STEP_S:
            return now_h
        step = np.full(int(longest_s / CHARGE_STEP_S), CHARGE_STEP_S)
        power = self.car.dc_charge_power_w if fast else self._ac_w() * AC_EFFICIENCY
        degc = ambient_degc(now_h + 1.0)
        found = self._flow(
            step, np.full(step.size, power), degc, taken, bounds, awake=True, stop=real
        )
        kwh = (found[7] - found[8]) / 1000.0
        if fast:
            taken.dc_kwh += kwh
        else:
            taken.ac_kwh += kwh / AC_EFFICIENCY
        cabin.park(found[0], degc, 0.0, self.cabin_p, self.cabin_state)
        return now_h + found[0] / HOUR_S
