"""Who drives where: what is drawn once for a vehicle of the fleet.

A duty says how a kind of vehicle is used over the week; routes are the few ways one vehicle
takes again and again. Figures are own round ones, chosen so that three trips a day are 10,000 to
45,000 km a year for passenger cars and vans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from evitals.twin import charging, vehicle
from evitals.twin.ageing import YEAR_S, Age, Ageing
from evitals.twin.bms import SensorErrors
from evitals.twin.journeys import Style
from evitals.twin.places import Climate

Floats = NDArray[np.float64]
OLDEST_YEARS = 12.0
BUS_KG, VAN_M2 = 6000.0, 3.0
"""Heavier is a bus; with a larger front than a car it is a van."""
HOLIDAYS = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})
CALIBRATED_EVERY_DAYS = (120.0, 900.0)
SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Duty:
    """How a kind of vehicle is used. Pairs are the bounds of what is drawn for one vehicle.

    ``week``: trips on each weekday, Monday first, relative. ``hours``: first and last departure.
    ``vacation_days`` a year it stands. Shares of sessions as in ``charging.Habit``.
    """

    name: str
    week: tuple[float, ...]
    hours: tuple[float, float]
    minutes: tuple[float, float]
    motorway: tuple[float, float]
    payload_kg: tuple[float, float]
    efc_a_year: tuple[float, float]
    charge_below: tuple[float, float]
    dc_share: tuple[float, float]
    every_night: float
    opportunity: float
    opportunity_power_w: float
    vacation_days: int


_CAR_WEEK = (1.15, 1.15, 1.15, 1.15, 1.15, 0.75, 0.5)
DUTIES = {
    duty.name: duty
    for duty in (
        Duty("commuter", _CAR_WEEK, (6.0, 18.5), (12.0, 30.0), (0.1, 0.5), (0.0, 80.0),
             (40.0, 180.0), (0.3, 0.6), (0.0, 0.2), 0.25, 0.03, 11_000.0, 20),
        Duty("family", (0.95, 0.95, 0.95, 0.95, 1.0, 1.2, 1.0), (7.0, 19.0), (10.0, 26.0),
             (0.05, 0.4), (60.0, 250.0), (30.0, 150.0), (0.3, 0.6), (0.05, 0.35), 0.15, 0.05,
             11_000.0, 14),
        Duty("taxi", (1.0, 1.0, 1.0, 1.0, 1.1, 1.1, 0.8), (5.5, 20.0), (12.0, 28.0), (0.05, 0.3),
             (80.0, 240.0), (120.0, 300.0), (0.3, 0.5), (0.3, 0.7), 0.6, 0.02, 22_000.0, 10),
        Duty("delivery", (1.3, 1.3, 1.3, 1.3, 1.3, 0.4, 0.1), (6.0, 15.5), (18.0, 32.0),
             (0.0, 0.15), (150.0, 700.0), (100.0, 240.0), (0.3, 0.45), (0.0, 0.1), 0.85, 0.0,
             0.0, 0),
        Duty("bus", (1.1, 1.1, 1.1, 1.1, 1.1, 0.85, 0.65), (5.0, 19.0), (24.0, 40.0),
             (0.0, 0.05), (600.0, 2500.0), (120.0, 260.0), (0.3, 0.45), (0.0, 0.0), 0.9, 0.3,
             150_000.0, 0),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """A way driven again and again: usual time in s, the style's vector, usual load in kg."""

    duration_s: float
    style: Floats
    payload_kg: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One vehicle's model, life before the fleet's first day, climate, driver and charging.

    ``believed_soh`` is what its BMS was last calibrated to (with ``errors.capacity_error``), and
    it is calibrated again every ``calibrated_every_days``.
    """

    model: str
    duty: str
    depot: str
    climate: Climate
    ageing: Ageing
    age: Age
    errors: SensorErrors
    believed_soh: float
    calibrated_every_days: int
    routes: tuple[Route, ...]
    habit: charging.Habit
    vacation_from: tuple[int, ...]
    soc: float

    def activity(self, day: int) -> float:
        """Trips on a day (days since 1970) over the mean day's: weekday, holidays, vacation."""
        duty = DUTIES[self.duty]
        date = datetime.fromtimestamp(day * 86_400, UTC)
        of_year = date.timetuple().tm_yday
        half = duty.vacation_days / 2.0
        if any(0 <= (of_year - first) % 365 < half for first in self.vacation_from):
            return 0.0
        weekday = SUNDAY if (date.month, date.day) in HOLIDAYS else date.weekday()
        driven = 1.0 - duty.vacation_days / 365.0
        return duty.week[weekday] * 7.0 / sum(duty.week) / driven


def duty_of(model: str, rng: np.random.Generator) -> str:
    """What a model is used for: buses and vans by size, cars drawn."""
    car = vehicle.vehicle(model)
    chance = float(rng.random())
    if car.mass_kg > BUS_KG:
        return "bus"
    if car.frontal_area_m2 > VAN_M2:
        return "delivery"
    return "commuter" if chance < 0.5 else "family" if chance < 0.85 else "taxi"


def draw(
    rng: np.random.Generator, mix: Mapping[str, float], places: Sequence[str], seed: int
) -> Profile:
    """A vehicle's profile, 0 to 12 years old; ``seed`` is that of the fleet's weather."""
    names = sorted(mix)
    share = np.array([mix[name] for name in names])
    model = names[int(rng.choice(len(names), p=share / share.sum()))]
    battery = vehicle.battery_of(vehicle.vehicle(model))
    duty = DUTIES[duty_of(model, rng)]
    place = sorted(places)[int(rng.integers(len(places)))]
    climate = Climate(place, seed)
    ageing = Ageing.drawn(rng, battery.chemistry)
    age, believed_soh, every = _past(rng, ageing, climate, duty)
    return Profile(
        model=model,
        duty=duty.name,
        depot=place,
        climate=climate,
        ageing=ageing,
        age=age,
        errors=SensorErrors.drawn(rng),
        believed_soh=believed_soh,
        calibrated_every_days=every,
        routes=_routes(rng, duty, vehicle.vehicle(model).payload_max_kg),
        habit=_habit(rng, model, duty),
        vacation_from=(int(rng.integers(1, 120)), int(rng.integers(160, 240))),
        soc=float(rng.uniform(0.5, 0.9)) * battery.limits.soc_max,
    )


def _past(
    rng: np.random.Generator, ageing: Ageing, climate: Climate, duty: Duty
) -> tuple[Age, float, int]:
    """The age at the fleet's first day, SoH at the last calibration before, days between them."""
    years = float(rng.uniform(0.0, OLDEST_YEARS))
    every = float(rng.uniform(*CALIBRATED_EVERY_DAYS))
    since = min(float(rng.uniform(0.0, every)) / 365.25, years)
    efc, soc = float(rng.uniform(*duty.efc_a_year)), float(rng.uniform(0.45, 0.75))
    # The mean of a year's days stands for all the years before: they are not simulated.
    degc = float(np.mean([climate.day_degc(day) for day in range(0, 365, 15)])) + 4.0
    then = ageing.after(Age(), (years - since) * YEAR_S, degc, soc, efc * (years - since))
    now = ageing.after(then, since * YEAR_S, degc, soc, efc * since)
    return now, ageing.soh(then), int(every)


def _routes(rng: np.random.Generator, duty: Duty, most_kg: float) -> tuple[Route, ...]:
    """Three ways of one driver: shares of the fast roads and hills are each way's own."""
    temper = float(rng.uniform(0.15, 0.85))
    return tuple(_route(rng, duty, temper, most_kg) for _ in range(3))


def _route(rng: np.random.Generator, duty: Duty, temper: float, most_kg: float) -> Route:
    motorway = float(rng.uniform(*duty.motorway))
    style = Style(
        rural=float(rng.uniform(0.1, 0.4)) * (1.0 - motorway),
        motorway=motorway,
        aggressiveness=temper,
        traffic=float(rng.uniform(0.3, 0.8)),
        hills=float(rng.uniform(0.0, 0.025)),
    )
    return Route(
        duration_s=60.0 * float(rng.uniform(*duty.minutes)),
        style=style.vector(),
        payload_kg=min(float(rng.uniform(*duty.payload_kg)), most_kg / 1.5),
    )


def _habit(rng: np.random.Generator, model: str, duty: Duty) -> charging.Habit:
    car = vehicle.vehicle(model)
    below, dc_share = float(rng.uniform(*duty.charge_below)), float(rng.uniform(*duty.dc_share))
    fast_w = car.dc_charge_power_w
    return charging.Habit(
        ac_power_w=car.ac_charge_power_w,
        dc_power_w=fast_w,
        opportunity_power_w=min(duty.opportunity_power_w, max(fast_w, car.ac_charge_power_w)),
        charge_below=below,
        dc_share=dc_share,
        every_night=duty.every_night,
        opportunity=duty.opportunity,
    )
