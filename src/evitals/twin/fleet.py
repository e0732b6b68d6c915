"""A fleet that does not exist: its vehicles, the trips they report, and the truth.

Every vehicle is drawn from its own seed ``[seed, i]``: the same whatever the number of workers
and whichever vehicles are asked for first.
"""

import difflib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from msgspec import structs

from evitals.battery import Sensors, Vehicle, describe
from evitals.errors import InputError, UnknownVehicle
from evitals.twin import balance, faults, vehicle
from evitals.twin.ageing import Age
from evitals.twin.balance import Balance
from evitals.twin.cell import electrodes, ocv_table
from evitals.twin.faults import Fault
from evitals.twin.places import place, places
from evitals.twin.profile import DUTIES, Profile, draw
from evitals.twin.recorder import Recorder, TwinTrip

DAY_S = 86_400
START_S = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
"""First day of a fleet without ``until_s``: 2025-01-01 UTC."""
MODEL_MIX: Mapping[str, float] = {
    "bmw-i3-60ah": 0.15,
    "byd-k9-bus": 0.05,
    "chevrolet-bolt-2020": 0.12,
    "nissan-leaf-30kwh": 0.13,
    "peugeot-e-expert-75kwh": 0.15,
    "renault-zoe-ze50": 0.2,
    "tesla-model-3-long-range": 0.1,
    "tesla-model-3-rwd": 0.1,
}
"""Shares of the models in a fleet: NMC, NCA and LFP; cars, vans and buses."""
BALANCE_STEP = 0.02
"""The shape of the OCV follows the age in steps of this loss: tables are made once a step."""
MOST_MATERIAL = 0.3
KEPT_DAYS = 200_000
"""Days of truth that are remembered of the vehicles last lived through; others live again."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true at the end of a day (days since 1970-01-01 UTC).

    ``capacity_ah`` is of the average cells, ``usable_ah`` what the weakest one leaves of it.
    ``faults`` are those that have begun.
    """

    day: int
    capacity_ah: float
    soh: float
    resistance_growth: float
    usable_ah: float
    faults: tuple[Fault, ...] = ()


class Fleet:
    """``vehicles`` vehicles over ``days`` days, ``trips_per_day`` recordings a day each.

    With ``rests`` a recording is rest, drive, rest and, when the battery is low, charge and rest;
    without, drives and charges are recordings of their own and parking is never recorded. The
    last day ends at ``until_s`` (seconds since 1970 UTC). ``cell`` overrides the OCV set of all.
    ``places`` are where its depots lie (default: all known). ``fault_rate`` is the number of
    faults a vehicle and year, drawn; ``faults`` are given ones by vehicle number, in addition.
    Raises InputError for counts that cannot be and for unknown names (with the nearest).
    """

    def __init__(
        self,
        vehicles: int,
        days: int,
        seed: int,
        rests: bool = True,
        trips_per_day: float = 1.0,
        model_mix: Mapping[str, float] | None = None,
        until_s: int | None = None,
        cell: str | None = None,
        *,
        places: Sequence[str] | None = None,
        fault_rate: float = 0.0,
        faults: Mapping[int, Sequence[Fault]] | None = None,
    ) -> None:
        for name, value, low in (("vehicles", vehicles, 1), ("days", days, 1), ("seed", seed, 0)):
            if value < low:
                raise InputError(name, value, f"is below {low}", f"give {low} or more")
        if not 0.0 < trips_per_day <= 12.0:
            raise InputError("trips_per_day", trips_per_day, "is out of bounds", "give 0.01 to 12")
        if not 0.0 <= fault_rate <= 100.0:
            raise InputError("fault_rate", fault_rate, "is out of bounds", "give 0 to 100 a year")
        self.vehicles, self.days, self.seed, self.rests = vehicles, days, seed, rests
        self.trips_per_day, self.cell, self.fault_rate = trips_per_day, cell, fault_rate
        self.mix = dict(MODEL_MIX if model_mix is None else model_mix)
        self.until_s = START_S + days * DAY_S if until_s is None else until_s
        self.places = _checked_places(places)
        self.given = {i: tuple(some) for i, some in (faults or {}).items()}
        self._truth: dict[int, list[Truth]] = {}
        _check_mix(self.mix)
        for i in self.given:
            self._check_number(i)
        if cell is not None:
            ocv_table(cell)

    def vehicle(self, i: int) -> Vehicle:
        """The description of vehicle ``i`` as its operator would give it."""
        return self._vehicle(i, self.profile(i))

    def profile(self, i: int) -> Profile:
        """What was drawn for vehicle ``i``: part of the truth, never shown to estimators."""
        self._check_number(i)
        return draw(np.random.default_rng([self.seed, i, 0]), self.mix, self.places, self.seed)

    def faults(self, i: int) -> tuple[Fault, ...]:
        """The faults of vehicle ``i``, drawn and given, by day: part of the truth."""
        self._check_number(i)
        rng = np.random.default_rng([self.seed, i, 2])
        first = self._first_s // DAY_S
        drawn = faults.draw(rng, self.fault_rate, first, first + self.days)
        return tuple(sorted(drawn + self.given.get(i, ()), key=lambda fault: fault.day))

    def trips(self, i: int) -> Iterator[TwinTrip]:
        """The recordings of vehicle ``i`` in order of time, none reaching beyond ``until_s``."""
        truth = []
        for trips, day in itertools.islice(self._life(i), self.days):
            truth.append(day)
            yield from (trip for trip, end_s in trips if end_s <= self.until_s)
        self._truth[i] = truth
        while len(self._truth) > 1 and len(self._truth) * self.days > KEPT_DAYS:
            self._truth.pop(next(iter(self._truth)))

    def later(self, i: int) -> Iterator[TwinTrip]:
        """What vehicle ``i`` records after ``until_s``, without end."""
        for trips, _ in self._life(i):
            yield from (trip for trip, end_s in trips if end_s > self.until_s)

    def truth(self, i: int) -> list[Truth]:
        """True capacity, resistance and faults of vehicle ``i``, one value a day."""
        if i not in self._truth:
            for _ in self.trips(i):
                pass
        return self._truth[i]

    @property
    def _first_s(self) -> int:
        return self.until_s - self.days * DAY_S

    def _check_number(self, i: int) -> None:
        if not 0 <= i < self.vehicles:
            raise InputError(
                "i", i, "is no vehicle of this fleet", f"give 0 to {self.vehicles - 1}"
            )

    def _vehicle(self, i: int, who: Profile) -> Vehicle:
        car = vehicle.vehicle(who.model)
        return Vehicle(
            vehicle_id=f"sim{self.seed}-{i:04d}",
            battery=structs.replace(vehicle.battery_of(car), sensors=Sensors()),
            name=_title(who.model),
            group=who.depot,
        )

    def _life(self, i: int) -> Iterator[tuple[list[tuple[TwinTrip, float]], Truth]]:
        """Days without end: recordings with their true ends, and what is true at the day's end."""
        who, rng, broken = self.profile(i), np.random.default_rng([self.seed, i, 1]), self.faults(i)
        description, age = self._vehicle(i, who), who.age
        recorder = Recorder(description, who, self._first_s, rng, self.cell)
        reference_ah = description.battery.reference_capacity_ah
        for number in itertools.count():
            midnight = self._first_s + number * DAY_S
            day = midnight // DAY_S
            effect = faults.effect(broken, day)
            soh = max(who.ageing.soh(age) - effect.fade, 0.05)
            growth = who.ageing.growth(age) * effect.growth
            recorder.set_age(soh, growth, _balance(recorder, soh, age), effect)
            if number % who.calibrated_every_days == who.calibrated_every_days - 1:
                recorder.bms.calibrate(reference_ah * soh)
            trips = self._day(recorder, midnight)
            recorder.park_until(midnight + DAY_S)
            recorder.level()
            worn = recorder.worn()
            age = who.ageing.after(
                age,
                worn.seconds,
                worn.temperature_degc,
                worn.soc,
                worn.efc,
                worn.dod,
                worn.c_rate,
            )
            begun = tuple(fault for fault in broken if fault.day <= day) if broken else ()
            yield (
                trips,
                Truth(
                    (midnight + DAY_S - 1) // DAY_S,
                    reference_ah * soh,
                    soh,
                    growth,
                    recorder.usable_ah,
                    begun,
                ),
            )

    def _day(self, recorder: Recorder, midnight: int) -> list[tuple[TwinTrip, float]]:
        """A day's outings; those for which the day is too short stay at home."""
        who = recorder.profile
        count = self.trips_per_day * who.activity(midnight // DAY_S) + recorder.rng.random()
        first, last = DUTIES[who.duty].hours
        hours = np.sort(recorder.rng.uniform(first, last, int(count))).tolist()
        trips = []
        for k, hour in enumerate(hours):
            start_s = max(midnight + hour * 3600.0, recorder.now_s + 300.0)
            if start_s >= midnight + DAY_S:
                break
            recorder.park_until(float(np.ceil(start_s)))
            found = recorder.outing(rests=self.rests, last=k == len(hours) - 1)
            trips += [(trip, recorder.now_s) for trip in found]
        return trips


def _balance(recorder: Recorder, soh: float, age: Age) -> Balance:
    """Lost lithium and material behind a SoH, in steps, so that few OCV tables are made."""
    ageing = recorder.profile.ageing
    _, negative, positive = ageing.modes(age)
    capacity = min(max(_stepped(soh / ageing.new_soh), balance.LEAST_CAPACITY), 1.0)
    material = [min(_stepped(lost), MOST_MATERIAL) for lost in (negative, positive)]
    return balance.for_capacity(electrodes(recorder.new.cell), capacity, *material)


def _stepped(value: float) -> float:
    return round(value / BALANCE_STEP) * BALANCE_STEP


def _title(model: str) -> str:
    try:
        return describe(model).name
    except UnknownVehicle:
        return model


def _checked_places(names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(places())
    if not names:
        raise InputError("places", list(names), "are none", f"name one of {', '.join(places())}")
    for name in names:
        place(name)
    return tuple(names)


def _check_mix(mix: Mapping[str, float]) -> None:
    for name, share in mix.items():
        if name not in vehicle.known():
            near = difflib.get_close_matches(name, vehicle.known(), cutoff=0.3) or vehicle.known()
            raise InputError(
                "model_mix", name, "is not a twin vehicle", f"use one of {', '.join(near)}"
            )
        if not 0.0 < share < math.inf:
            raise InputError("model_mix", share, f"of {name} is no share", "give one above 0")
    if not mix:
        raise InputError("model_mix", mix, "is empty", f"name one of {', '.join(vehicle.known())}")
