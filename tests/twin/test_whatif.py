"""What-if: it agrees with the life lived day by day, and answers in the right direction."""

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import vehicle
from evitals.twin import whatif as w
from evitals.twin.ageing import Age
from evitals.twin.places import DAY_S, Climate
from evitals.twin.scenario import Projection, Scenario, Spreads, Year
from evitals.twin.usage import Taken, Usage

FEW = Spreads(samples=20)
NEAR_SOH, NEAR_ENERGY = 0.003, 0.03
"""How far a projection may be from the life lived day by day in one weather."""


def air_of(climate: Climate, midnight_s: float) -> Callable[[float], float]:
    return lambda hour: climate.ambient_degc(midnight_s + 3600.0 * hour)


@cache
def projected(**changed: Any) -> Projection:
    return w.project(Scenario(**{"years": 4, **changed}), FEW)


def end(**changed: Any) -> Year:
    return projected(**changed).years[-1]


@pytest.mark.parametrize(
    "changed",
    [
        {"years": 3},
        {"years": 3, "place": "phoenix", "km_per_day": 90.0, "dc_share": 0.4, "charge_to": 1.0},
        {"years": 2, "place": "oslo", "chemistry": "LFP", "days_per_week": 5, "timed": True},
    ],
)
def test_it_agrees_with_the_life_lived_day_by_day(changed: dict[str, Any]) -> None:
    scenario = Scenario(**changed)
    life = w._Life(scenario, seed=1)
    usage, ageing = Usage(life.usage.car, life.usage.habit), life.ageing
    climate, rng = Climate(scenario.place, 5), np.random.default_rng(11)
    first = (scenario.start - date(1970, 1, 1)).days
    reference = life.battery.reference_capacity_ah
    age, km, plug, days = Age(), 0.0, 0.0, int(365.25 * scenario.years)
    usage.begin(scenario.charge_to, climate.day_degc(first))
    for number in range(days):
        if number % 30 == 0:
            lost = ageing.modes(age, life.cell)
            usage.set_age(ageing.soh(age), ageing.growth(age), lost)
        taken = Taken([])
        usage.day(
            taken,
            air_of(climate, (first + number) * DAY_S),
            rng,
            driven=number % 7 < scenario.days_per_week,
        )
        seconds, degc, soc = np.array(taken.stretches).T
        efc = taken.moved_ah / 2.0 / reference
        c_rate = taken.moved_ah / max(taken.flowing_s / 3600.0, 1e-9) / reference
        age = ageing.through(age, seconds, degc, soc, efc, taken.depth, c_rate)
        km, plug = km + taken.km, plug + taken.ac_kwh + taken.dc_kwh
    found = w.project(scenario, FEW)
    assert found.years[-1].soh.value == pytest.approx(ageing.soh(age), abs=NEAR_SOH)
    per_km = sum(y.energy_kwh.value for y in found.years) / sum(y.km for y in found.years)
    assert per_km == pytest.approx(plug / km, rel=NEAR_ENERGY)
    assert sum(y.km for y in found.years) == pytest.approx(km, rel=0.1)


def test_heat_full_charges_and_distance_cost_health() -> None:
    base = end()
    assert end(place="phoenix").soh.value < base.soh.value - 0.01
    assert end(charge_to=0.6, charge_below=0.4).soh.value > base.soh.value + 0.003
    assert end(km_per_day=120.0).soh.value < base.soh.value - 0.005
    assert end(timed=True).soh.value > base.soh.value
    assert end(km_per_day=80.0).energy_kwh.value == pytest.approx(
        2 * base.energy_kwh.value, rel=0.12
    )
    assert end(place="phoenix").kwh_per_100km < end(place="oslo").kwh_per_100km
    assert end(place="oslo").cold_range_km < 0.95 * end(place="oslo").range_km.value


def test_a_chemistry_brings_its_own_ageing() -> None:
    sohs = {c: end(chemistry=c, place="rome").soh.value for c in ("NMC", "NCA", "LFP")}
    assert len({round(soh, 4) for soh in sohs.values()}) == 3
    assert "Sony-Murata" in projected(chemistry="LFP", place="rome").notes[0]
    assert end(ageing="lfp-naumann").soh.value != base_soh()
    assert end(knee_at=0.02).soh.value < base_soh() - 0.01


def test_a_pace_multiplies_the_loss() -> None:
    assert 1.0 - end(pace=1.5).soh.value == pytest.approx(1.5 * (1.0 - base_soh()), rel=0.02)


@pytest.mark.parametrize("name", vehicle.known())
def test_every_vehicle_has_a_future(name: str) -> None:
    year = end(years=1, vehicle=name)
    assert 0.93 < year.soh.value < 1.0
    assert year.cold_range_km <= year.range_km.value
    assert 60.0 < year.range_km.value < 700.0
    assert 10.0 < year.kwh_per_100km < 200.0
    assert year.short_share < 0.02


def base_soh() -> float:
    return end().soh.value


def test_a_new_pack_is_new_and_paid() -> None:
    plain, renewed = projected(years=4), projected(years=4, replace_on=date(2028, 3, 1))
    assert [y.replaced for y in renewed.years] == [False, False, True, False]
    assert renewed.years[2].soh.value > plain.years[0].soh.value
    assert renewed.years[1] == plain.years[1]
    price = renewed.years[2].cost.value - plain.years[2].cost.value
    kwh = w._Life(Scenario(), 1).pack_kwh
    assert 40.0 < kwh < 65.0
    assert price == pytest.approx(150.0 * kwh, rel=0.01)
    worn = projected(years=6, place="phoenix", replace_below=0.9)
    assert sum(y.replaced for y in worn.years) == 1
    assert all(y.soh.value > 0.88 for y in worn.years)


def test_a_used_pack_starts_where_it_is_and_fades_slower() -> None:
    used, new = projected(soh=0.9), projected()
    assert 0.885 < used.years[0].soh.value < 0.9
    faded = used.years[0].soh.value - used.years[-1].soh.value
    assert faded < new.years[0].soh.value - new.years[-1].soh.value
    with pytest.raises(InputError, match="soh"):
        w.project(Scenario(soh=0.52, place="oslo", chemistry="LFP", km_per_day=2.0), FEW)


def test_bands_hold_the_value_and_widen() -> None:
    years = w.project(Scenario(years=6), Spreads(samples=200)).years
    for year in years:
        for band in (year.soh, year.range_km, year.energy_kwh, year.cost):
            assert band.low < band.value < band.high
    assert years[-1].soh.high - years[-1].soh.low > years[0].soh.high - years[0].soh.low
    nothing = Spreads(
        pace=0.0, new_capacity=0.0, warmth_k=0.0, distance=0.0, consumption=0.0, samples=20
    )
    sure = w.project(Scenario(years=2), nothing).years[-1]
    assert sure.soh.low == pytest.approx(sure.soh.value, abs=1e-9)
    assert sure.cost.high == pytest.approx(sure.cost.value)


def test_the_end_of_life_is_dated_with_its_band() -> None:
    found = w.project(Scenario(years=20, place="phoenix", end_of_life=0.85), Spreads())
    assert found.end_of_life_years is not None
    assert found.end_of_life_low is not None
    assert found.end_of_life_low < found.end_of_life_years < 20.0
    at = int(found.end_of_life_years)
    assert found.years[at].soh.value < 0.85 <= found.years[at - 1].soh.value
    assert projected().end_of_life_years is None


def test_the_same_seed_gives_the_same_answer_as_json() -> None:
    again = w.project(Scenario(years=4), FEW)
    assert again == projected()
    assert msgspec.json.decode(msgspec.json.encode(again), type=Projection) == again
    other = w.project(Scenario(years=4), FEW, seed=2).years[-1]
    assert other != again.years[-1]
    assert other.soh.value == pytest.approx(again.years[-1].soh.value, abs=0.003)


def test_differences_are_of_what_was_changed() -> None:
    base = Scenario(years=3)
    found = w.compare(
        base,
        [base, msgspec.structs.replace(base, place="phoenix", name="sun")],
        FEW,
    )
    same, sun = found.differences
    assert (same.name, same.soh, same.cost, same.changed) == ("the same", 0.0, 0.0, {})
    assert sun.changed == {"place": "phoenix"}
    assert sun.soh == pytest.approx(
        found.others[1].years[-1].soh.value - found.base.years[-1].soh.value
    )


def test_what_the_pack_cannot_give_is_said() -> None:
    far = projected(years=1, vehicle="bmw-i3-60ah", km_per_day=320.0, trips_per_day=1)
    assert far.years[0].short_share > 0.2
    assert any("cannot give" in note for note in far.notes)
    assert any("outside the fitted" in note for note in projected(place="oslo").notes)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"place": "berln"}, "berlin"),
        ({"style": "citty"}, "city"),
        ({"chemistry": "NMX"}, "NMC"),
        ({"vehicle": "zoe"}, "renault-zoe-ze50"),
        ({"ageing": "LFX"}, "LFP"),
        ({"payload_kg": 50_000.0}, "payload_kg"),
        ({"km_per_day": 1000.0, "style": "city"}, "hours a day"),
        ({"replace_on": date(2025, 12, 31)}, "replace_on"),
        ({"replace_on": date(2041, 1, 1)}, "within 15 years"),
    ],
)
def test_what_cannot_be_names_the_nearest(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        w.project(Scenario(**changed), FEW)


def test_the_vehicle_may_be_a_file(tmp_path: Any) -> None:
    from importlib import resources

    text = resources.files("evitals.twin") / "data/vehicles/bmw-i3-60ah.toml"
    bluff = re.sub(r"drag_coefficient = [\d.]+", "drag_coefficient = 0.9", text.read_text("utf-8"))
    path = tmp_path / "mine.toml"
    path.write_text(bluff, encoding="utf-8")
    mine = projected(years=1, vehicle=str(path)).years[0]
    assert (
        mine.kwh_per_100km > 1.1 * projected(years=1, vehicle="bmw-i3-60ah").years[0].kwh_per_100km
    )
