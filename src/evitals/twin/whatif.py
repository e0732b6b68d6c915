"""What if: this vehicle with another duty, climate, charging habit, chemistry or replacement.

A week a month is simulated at the battery's age of each year (``usage``); each month then ages by
the days of its week, exactly (``ageing.through``). Bands are the 5th and 95th percentile of
``Spreads``, drawn with a seed: the same draws in every scenario, so that differences are
differences.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin import cell, vehicle
from evitals.twin.ageing import USUAL_CELL, Age, Ageing, Knee, model
from evitals.twin.places import YEAR_DAYS, place
from evitals.twin.scenario import (
    Band,
    Comparison,
    Difference,
    Projection,
    Scenario,
    Spreads,
    Year,
    style,
)
from evitals.twin.usage import Habit, Taken, Usage, with_chemistry

Floats = NDArray[np.float64]
WEEK, MONTHS = 7, 12
MONTH_DAYS = YEAR_DAYS / MONTHS
MOST_YEARS = 100
ROAD_DEGC = (-20.0, 40.0)
"""Between these, what the road takes is as good as linear: tyres and air."""
GROUPS = 4
"""Stretches of a day are merged into so many, by temperature."""


class _Month(Struct, frozen=True, kw_only=True):
    """A week's days, each standing for a seventh of the month: what ages on them (shares of the
    day, degC and SoC (7, GROUPS), use (7,)); and what a day takes on average."""

    share: Floats
    degc: Floats
    soc: Floats
    efc: Floats
    dod: Floats
    c_rate: Floats
    km: float
    driven_kwh: float
    soc_driven: float
    short_km: float


class _Usual(Struct, frozen=True, kw_only=True):
    """A year at one age: its months, and kWh at the plug and its cost per kWh driven."""

    months: list[_Month]
    plug: float
    price: float


class _Draw(Struct, frozen=True, kw_only=True):
    pace: float = 1.0
    new: float = 1.0
    warmer_k: float = 0.0
    distance: float = 1.0
    consumption: float = 1.0


class _Path(Struct, kw_only=True):
    """One life: values at the end of each year."""

    soh: list[float] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)
    replaced: list[bool] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    range_km: list[float] = field(default_factory=list)
    end_of_life: float | None = None


def project(scenario: Scenario, spreads: Spreads | None = None, seed: int = 1) -> Projection:
    """The years of a scenario. Raises InputError naming what cannot be, with nearest names."""
    spreads = Spreads() if spreads is None else spreads
    life = _Life(scenario, seed)
    base, usual = life.simulated()
    draws = _draws(spreads, seed)
    paths = [life.path(usual, draw) for draw in draws]
    return Projection(
        scenario=scenario,
        spreads=spreads,
        seed=seed,
        years=[_year(life, base, usual, paths, k) for k in range(scenario.years)],
        end_of_life_years=base.end_of_life,
        end_of_life_low=_early(paths, 5),
        end_of_life_high=_early(paths, 95),
        notes=life.notes(usual),
    )


def compare(
    base: Scenario, others: Sequence[Scenario], spreads: Spreads | None = None, seed: int = 1
) -> Comparison:
    """A base and other scenarios under the same draws. Raises InputError."""
    first = project(base, spreads, seed)
    rest = [project(other, spreads, seed) for other in others]
    return Comparison(base=first, others=rest, differences=[_difference(first, p) for p in rest])


class _Life:
    """A scenario made ready: car, usage and ageing."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.seed = scenario, seed
        self.climate = place(scenario.place)
        due = scenario.replace_on
        if due and not 0 <= _months(scenario.start, due) < MONTHS * scenario.years:
            years = f"within {scenario.years} years from {scenario.start}"
            raise InputError("replace_on", str(due), "lies outside", f"give a date {years}")
        car = vehicle.vehicle_from(scenario.vehicle)
        if scenario.chemistry is not None:
            chemistry = _chemistry(scenario.chemistry)
            car = with_chemistry(car, chemistry, USUAL_CELL[chemistry])
        self.battery = vehicle.battery_of(car)
        self.cell = car.cell
        knee = None if scenario.knee_at is None else Knee(scenario.knee_at)
        self.ageing = Ageing(
            scenario.ageing or self.battery.chemistry, pace=scenario.pace, knee=knee
        )
        self.usage = Usage(car, _habit(scenario), seed)
        volts = float(np.mean(cell.ocv_table(car.cell)))
        window = self.battery.limits.soc_max - self.battery.limits.soc_min
        self.pack_kwh = volts * self.battery.series * self.battery.reference_capacity_ah / 1000.0
        self.window = window
        self.road = self.usage.road_kwh_per_km(ROAD_DEGC)
        self.begun = self._lived_until(scenario.soh)

    def usual(self, age: Age) -> _Usual:
        """A week of every month at an age, one after the other."""
        self.usage.set_age(
            self.ageing.soh(age), self.ageing.growth(age), self.ageing.modes(age, self.cell)
        )
        weeks = [self._week(month) for month in range(MONTHS)]
        taken = [day for week in weeks for day in week]
        driven = sum(t.driven_kwh for t in taken)
        if not driven > 0.0:
            raise InputError("vehicle", self.scenario.vehicle, "cannot drive this", "ask for less")
        ac, dc = sum(t.ac_kwh for t in taken), sum(t.dc_kwh for t in taken)
        # What stands in the battery at the end was charged but not driven, or the reverse.
        gone = self.scenario.charge_to - self.usage.soc
        extra = gone * self.window * self.pack_kwh * self.ageing.soh(age)
        rest = 1.0 + extra / (ac + dc) if ac + dc > 0.0 else 1.0
        paid = ac * self.scenario.energy_price + dc * self.scenario.dc_price
        return _Usual(
            months=[self._month(number, week) for number, week in enumerate(weeks)],
            plug=(ac + dc) * rest / driven,
            price=paid * rest / driven,
        )

    def _week(self, month: int) -> list[Taken]:
        rng = np.random.default_rng([self.seed, month])
        mean, swing = self.climate.mean_degc[month], self.climate.swing_k[month]
        if month == 0:
            self.usage.begin(self.scenario.charge_to, mean)
        week = [Taken([]) for _ in range(WEEK)]
        for number, weather in enumerate(_weather_of_a_week()):
            level = mean + self.climate.weather_k * weather

            def ambient(hour: float, level: float = level) -> float:
                return level + 0.5 * swing * math.cos(2.0 * math.pi * (hour - 15.0) / 24.0)

            driven = number < self.scenario.days_per_week
            self.usage.day(week[number], ambient, rng, driven=driven)
        return week

    def _month(self, number: int, week: list[Taken]) -> _Month:
        wanted = self.scenario.km_per_day * self.scenario.days_per_week
        # Journeys are drawn: their length is only about the one wished for, and few of them take
        # more or less of the road than many do.
        scale = wanted / sum(day.km + day.short_km for day in week)
        road, driven = sum(day.road_kwh for day in week), sum(day.driven_kwh for day in week)
        many = float(np.interp(self.climate.mean_degc[number], ROAD_DEGC, self.road)) * wanted
        harder = scale * max(1.0 + (many / (road * scale) - 1.0) * road / driven, 0.5)
        reference = self.battery.reference_capacity_ah
        merged = [_merged(np.array(day.stretches)) for day in week]
        moved = np.array([day.moved_ah for day in week]) / reference
        flowing_h = np.array([max(day.flowing_s, 1.0) for day in week]) / 3600.0
        return _Month(
            share=np.stack([part[0] for part in merged]),
            degc=np.stack([part[1] for part in merged]),
            soc=np.stack([part[2] for part in merged]),
            efc=0.5 * harder * moved,
            dod=np.minimum(harder * np.array([day.depth for day in week]), 1.0),
            c_rate=moved / flowing_h,
            km=wanted / WEEK,
            driven_kwh=driven * harder / WEEK,
            soc_driven=sum(day.soc_driven for day in week) * harder / WEEK,
            short_km=sum(day.short_km for day in week) * scale / WEEK,
        )

    def simulated(self) -> tuple[_Path, list[_Usual]]:
        """The life as stated, each year simulated at its own age; and those years."""
        path, years = _Path(), list[_Usual]()
        age = self.begun
        for number in range(self.scenario.years):
            usual = self.usual(age)
            years.append(usual)
            age = self._lived(path, usual, age, self.ageing, _Draw(), number)
        return path, years

    def path(self, years: list[_Usual], draw: _Draw) -> _Path:
        """The same years under other circumstances, without driving them again."""
        found = _Path()
        # Of a used pack the capacity is known.
        new = draw.new if self.scenario.soh >= 1.0 else 1.0
        ageing = replace(self.ageing, pace=self.ageing.pace * draw.pace, new_soh=new)
        age = self.begun
        for number, usual in enumerate(years):
            age = self._lived(found, usual, age, ageing, draw, number)
        return found

    def _lived_until(self, soh: float) -> Age:
        """The age of a pack that lived this way from new until it had this SoH."""
        age = Age()
        if soh >= 1.0:
            return age
        usual = self.usual(age)
        for number in range(MOST_YEARS * MONTHS):
            if self.ageing.soh(age) <= soh:
                return age
            age = _aged(self.ageing, age, usual.months[number % MONTHS], _Draw())
        raise InputError(
            "soh", soh, f"is not reached this way within {MOST_YEARS} years", "give a higher one"
        )

    def _lived(
        self, path: _Path, usual: _Usual, age: Age, ageing: Ageing, draw: _Draw, number: int
    ) -> Age:
        """A year of one life, its values added to ``path``; the age at its end."""
        want, replaced, pack_cost = self.scenario, False, 0.0
        months = [usual.months[(want.start.month - 1 + k) % MONTHS] for k in range(MONTHS)]
        first = number * MONTHS
        for k, month in enumerate(months):
            due = want.replace_on is not None and _months(want.start, want.replace_on) == first + k
            worn = want.replace_below is not None and ageing.soh(age) < want.replace_below
            if due or worn:
                age, replaced = Age(), True
                pack_cost += want.pack_price * self.pack_kwh
            age = _aged(ageing, age, month, draw)
            if path.end_of_life is None and ageing.soh(age) < want.end_of_life:
                path.end_of_life = round((first + k + 1) / MONTHS, 3)
        warmth = _warmed(usual, draw.warmer_k) * draw.consumption
        driven = sum(month.driven_kwh for month in months) * MONTH_DAYS * draw.distance * warmth
        before = path.cost[-1] if path.cost else 0.0
        soh = ageing.soh(age)
        km, used = sum(m.km for m in months), sum(m.soc_driven for m in months)
        path.soh.append(soh)
        path.growth.append(ageing.growth(age))
        path.replaced.append(replaced)
        path.energy.append(driven * usual.plug)
        path.cost.append(before + driven * usual.price + pack_cost)
        path.range_km.append(self.window * km / used / warmth)
        return age

    def notes(self, years: list[_Usual]) -> list[str]:
        """What lies outside what the ageing model was fitted to, and what could not be driven."""
        chosen, months = model(self.ageing.model), [m for y in years for m in y.months]
        degc = np.concatenate([m.degc.ravel() for m in months])
        weight = np.concatenate([m.share.ravel() for m in months])
        moved = np.concatenate([m.efc for m in months])
        dod = np.concatenate([m.dod for m in months])
        c_rate = np.concatenate([m.c_rate for m in months])
        found = [f"ageing: {chosen.cell} ({self.ageing.model}); resistance: {chosen.growth_source}"]
        for name, of, share in (
            ("temperature_degc", "time", _outside(degc, weight, chosen.fitted.temperature_degc)),
            ("dod", "charge", _outside(dod, moved, chosen.fitted.dod)),
            ("c_rate", "charge", _outside(c_rate, moved, chosen.fitted.c_rate)),
        ):
            low, high = getattr(chosen.fitted, name)
            if share > 0.01:
                found.append(
                    f"{name}: {share:.0%} of the {of} outside the fitted {low:g} to {high:g}"
                )
        short = sum(m.short_km for m in months) / sum(m.km for m in months)
        if short > 0.005:
            found.append(f"the pack cannot give {short:.1%} of this driving: empty, or too cold")
        return found


def _habit(scenario: Scenario) -> Habit:
    return Habit(
        trips=scenario.trips_per_day,
        trip_km=scenario.km_per_day / scenario.trips_per_day,
        style=style(scenario.style),
        payload_kg=scenario.payload_kg,
        charge_below=scenario.charge_below,
        charge_to=scenario.charge_to,
        timed=scenario.timed,
        dc_share=scenario.dc_share,
        ac_power_w=scenario.ac_power_w,
    )


def _chemistry(name: str) -> str:
    if name not in USUAL_CELL:
        near = difflib.get_close_matches(name, USUAL_CELL, cutoff=0.3) or list(USUAL_CELL)
        raise InputError("chemistry", name, "is no chemistry", f"use one of {', '.join(near)}")
    return name


@cache
def _weather_of_a_week() -> tuple[float, ...]:
    """Seven departures from the mean of unit variance, rising and falling: normal quantiles."""
    spread = np.array([0.0, 0.3661, 0.7916, 1.4652])
    spread *= math.sqrt(WEEK / (2.0 * float(np.sum(spread**2))))
    a, b, c = spread[1:].tolist()
    return (0.0, b, c, a, -a, -c, -b)


def _merged(stretches: Floats) -> tuple[Floats, Floats, Floats]:
    """Stretches (n, 3) of seconds, degC, SoC as GROUPS means of neighbours in temperature."""
    groups = np.array_split(stretches[np.argsort(stretches[:, 1])], GROUPS)
    seconds = np.array([part[:, 0].sum() for part in groups])
    degc = np.array([np.average(part[:, 1], weights=part[:, 0]) for part in groups])
    soc = np.array([np.average(part[:, 2], weights=part[:, 0]) for part in groups])
    return seconds / seconds.sum(), degc, soc


def _aged(ageing: Ageing, age: Age, month: _Month, draw: _Draw) -> Age:
    """A month further on: each day of its week for as long as it stands for."""
    return ageing.through_days(
        age,
        month.share * (MONTH_DAYS / WEEK * 86_400.0),
        month.degc + draw.warmer_k,
        month.soc,
        month.efc * (MONTH_DAYS / WEEK * draw.distance),
        np.minimum(month.dod * draw.distance, 1.0),
        month.c_rate,
    )


def _warmed(usual: _Usual, warmer_k: float) -> float:
    """Consumption over the usual one in air warmer by ``warmer_k``: a parabola over the months."""
    if warmer_k == 0.0:
        return 1.0
    degc = np.array([np.sum(m.degc * m.share) / WEEK for m in usual.months])
    per_km = np.array([m.driven_kwh / m.km for m in usual.months])
    if np.ptp(degc) < 5.0:
        return 1.0
    curve = np.polynomial.Polynomial.fit(degc, per_km, 2)
    return float(np.mean(curve(degc + warmer_k)) / np.mean(curve(degc)))


def _draws(spreads: Spreads, seed: int) -> list[_Draw]:
    normal = np.random.default_rng([seed, 99]).standard_normal((spreads.samples, 5))
    return [
        _Draw(
            pace=math.exp(spreads.pace * n[0]),
            new=1.0 + spreads.new_capacity * n[1],
            warmer_k=spreads.warmth_k * n[2],
            distance=math.exp(spreads.distance * n[3]),
            consumption=math.exp(spreads.consumption * n[4]),
        )
        for n in normal.tolist()
    ]


def _year(life: _Life, base: _Path, usual: list[_Usual], paths: list[_Path], k: int) -> Year:
    want, months = life.scenario, usual[k].months
    km = sum(m.km for m in months) * MONTH_DAYS
    soh = _band(base.soh[k], [path.soh[k] for path in paths])
    ranges = [path.range_km[k] * path.soh[k] / base.soh[k] for path in paths]
    month = want.start.month - 1 + (k + 1) * MONTHS
    return Year(
        ends=date(want.start.year + month // MONTHS, month % MONTHS + 1, min(want.start.day, 28)),
        soh=soh,
        resistance=base.growth[k],
        range_km=_band(base.range_km[k], ranges),
        cold_range_km=min(life.window * m.km / m.soc_driven for m in months),
        km=km,
        energy_kwh=_band(base.energy[k], [path.energy[k] for path in paths]),
        kwh_per_100km=100.0 * base.energy[k] / km,
        cost=_band(base.cost[k], [path.cost[k] for path in paths]),
        short_share=sum(m.short_km for m in months) / sum(m.km for m in months),
        replaced=base.replaced[k],
    )


def _band(value: float, values: list[float]) -> Band:
    low, high = np.percentile(values, [5, 95]).tolist()
    return Band(value, low, high)


def _early(paths: list[_Path], percent: float) -> float | None:
    """A percentile of the ends of life; None where it lies beyond the years."""
    ends = sorted(math.inf if p.end_of_life is None else p.end_of_life for p in paths)
    found = ends[min(int(percent / 100.0 * len(ends)), len(ends) - 1)]
    return found if math.isfinite(found) else None


def _months(start: date, end: date) -> int:
    return (end.year - start.year) * MONTHS + end.month - start.month


def _outside(values: Floats, weight: Floats, bounds: tuple[float, float]) -> float:
    beyond = (values < bounds[0]) | (values > bounds[1])
    return float(np.average(beyond, weights=weight))


def _difference(base: Projection, other: Projection) -> Difference:
    last = min(len(base.years), len(other.years)) - 1
    a, b = base.years[last], other.years[last]
    changed = {
        name: str(getattr(other.scenario, name))
        for name in Scenario.__struct_fields__
        if name != "name" and getattr(other.scenario, name) != getattr(base.scenario, name)
    }
    return Difference(
        name=other.scenario.name or ", ".join(f"{k} {v}" for k, v in changed.items()) or "the same",
        changed=changed,
        soh=b.soh.value - a.soh.value,
        range_km=b.range_km.value - a.range_km.value,
        kwh_per_100km=b.kwh_per_100km - a.kwh_per_100km,
        cost=b.cost.value - a.cost.value,
    )
