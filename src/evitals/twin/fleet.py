"""A fleet that does not exist: its vehicles, the trips they report, and the truth.

Every vehicle is drawn from its own seed ``[seed, i]``: the same whatever the number of workers
and whichever vehicles are asked for first.
"""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from msgspec import structs

from evitals.battery import Sensors, Vehicle, describe
from evitals.errors import InputError
from evitals.twin import vehicle
from evitals.twin.cell import ocv_table
from evitals.twin.profile import Profile, draw
from evitals.twin.recorder import Recorder, TwinTrip

DAY_S = 86_400
START_S = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
"""First day of a fleet without ``until_s``: 2025-01-01 UTC."""
MODEL_MIX: Mapping[str, float] = {"bmw-i3-60ah": 0.4, "renault-zoe-ze50": 0.6}
"""Shares of the models in a fleet."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true at the end of a day (days since 1970-01-01 UTC)."""

    day: int
    capacity_ah: float
    soh: float
    resistance_growth: float


class Fleet:
    """``vehicles`` vehicles over ``days`` days, ``trips_per_day`` recordings a day each.

    With ``rests`` a recording is rest, drive, rest and, when the battery is low, charge and rest;
    without, drives and charges are recordings of their own and parking is never recorded. The
    last day ends at ``until_s`` (seconds since 1970 UTC). ``cell`` overrides the OCV set of all.
    Raises InputError for counts that cannot be and for unknown models (with the nearest names).
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
    ) -> None:
        for name, value, low in (("vehicles", vehicles, 1), ("days", days, 1), ("seed", seed, 0)):
            if value < low:
                raise InputError(name, value, f"is below {low}", f"give {low} or more")
        if not 0.0 < trips_per_day <= 12.0:
            raise InputError("trips_per_day", trips_per_day, "is out of bounds", "give 0.01 to 12")
        self.vehicles, self.days, self.seed, self.rests = vehicles, days, seed, rests
        self.trips_per_day, self.cell = trips_per_day, cell
        self.mix = dict(MODEL_MIX if model_mix is None else model_mix)
        self.until_s = START_S + days * DAY_S if until_s is None else until_s
        self._truth: dict[int, list[Truth]] = {}
        _check_mix(self.mix)
        if cell is not None:
            ocv_table(cell)

    def vehicle(self, i: int) -> Vehicle:
        """The description of vehicle ``i`` as its operator would give it."""
        return self._vehicle(i, self.profile(i))

    def profile(self, i: int) -> Profile:
        """What was drawn for vehicle ``i``: part of the truth, never shown to estimators."""
        if not 0 <= i < self.vehicles:
            raise InputError(
                "i", i, "is no vehicle of this fleet", f"give 0 to {self.vehicles - 1}"
            )
        return draw(np.random.default_rng([self.seed, i, 0]), self.mix)

    def trips(self, i: int) -> Iterator[TwinTrip]:
        """The recordings of vehicle ``i`` in order of time, none reaching beyond ``until_s``."""
        truth = []
        for trips, day in itertools.islice(self._life(i), self.days):
            truth.append(day)
            yield from (t for t in trips if t.start_s + t.duration_s <= self.until_s)
        self._truth[i] = truth

    def later(self, i: int) -> Iterator[TwinTrip]:
        """What vehicle ``i`` records after ``until_s``, without end."""
        for trips, _ in self._life(i):
            yield from (t for t in trips if t.start_s + t.duration_s > self.until_s)

    def truth(self, i: int) -> list[Truth]:
        """True capacity and resistance of vehicle ``i``, one value a day."""
        if i not in self._truth:
            for _ in self.trips(i):
                pass
        return self._truth[i]

    def _vehicle(self, i: int, who: Profile) -> Vehicle:
        model = describe(who.model)
        return Vehicle(
            vehicle_id=f"sim{self.seed}-{i:04d}",
            battery=structs.replace(model.battery, sensors=Sensors()),
            name=model.name,
            group=who.depot,
        )

    def _life(self, i: int) -> Iterator[tuple[list[TwinTrip], Truth]]:
        who, rng = self.profile(i), np.random.default_rng([self.seed, i, 1])
        description, age = self._vehicle(i, who), who.age
        first_s = self.until_s - self.days * DAY_S
        recorder = Recorder(description, who, first_s, rng, self.cell)
        for day in itertools.count():
            midnight = first_s + day * DAY_S
            recorder.ambient_degc = who.ambient_degc(midnight // DAY_S, rng)
            trips = self._day(recorder, midnight)
            age = who.ageing.after(
                age, DAY_S, recorder.ambient_degc + 5.0, recorder.state.soc, recorder.efc
            )
            recorder.efc = 0.0
            soh, growth = who.ageing.soh(age), who.ageing.growth(age)
            recorder.set_age(soh, growth)
            capacity = description.battery.reference_capacity_ah * soh
            yield trips, Truth((midnight + DAY_S - 1) // DAY_S, capacity, soh, growth)

    def _day(self, recorder: Recorder, midnight: int) -> list[TwinTrip]:
        rng, trips = recorder.rng, []
        count = int(self.trips_per_day + rng.random())
        hours = np.sort(rng.uniform(5.5, 17.5, count))
        for hour in hours:
            recorder.park_until(max(midnight + float(hour) * 3600.0, recorder.now_s + 300.0))
            recorder.now_s = float(np.ceil(recorder.now_s))
            trips += recorder.outing(rests=self.rests)
        return trips


def _check_mix(mix: Mapping[str, float]) -> None:
    for name, share in mix.items():
        if name not in vehicle.known():
            near = difflib.get_close_matches(name, vehicle.known(), cutoff=0.3) or vehicle.known()
            raise InputError(
                "model_mix", name, "is not a twin vehicle", f"use one of {', '.join(near)}"
            )
        if not share > 0.0:
            raise InputError("model_mix", share, f"of {name} is not above 0", "leave it out")
    if not mix:
        raise InputError("model_mix", mix, "is empty", f"name one of {', '.join(vehicle.known())}")
