"""Who drives where: repeatable, within stated bounds, and used like such a vehicle is."""

from dataclasses import replace

import numpy as np
import pytest

from evitals.twin import profile, vehicle
from evitals.twin.fleet import START_S, Fleet
from evitals.twin.places import places
from evitals.twin.profile import DUTIES, Profile

FIRST = START_S // 86_400


@pytest.fixture(scope="module")
def people() -> list[Profile]:
    return [Fleet(400, 1, 2).profile(i) for i in range(400)]


def test_all_places_models_and_duties_of_cars_occur(people: list[Profile]) -> None:
    assert {p.depot for p in people} == set(places())
    assert {p.model for p in people} == set(Fleet(1, 1, 2).mix)
    assert {"commuter", "family", "taxi"} <= {p.duty for p in people}


@pytest.mark.parametrize("name", vehicle.known())
def test_size_decides_the_duty(name: str) -> None:
    car, rng = vehicle.vehicle(name), np.random.default_rng(1)
    duties = {profile.duty_of(name, rng) for _ in range(60)}
    if car.mass_kg > 6000.0:
        assert duties == {"bus"}
    elif "expert" in name or "van" in name:
        assert duties == {"delivery"}
    else:
        assert duties == {"commuter", "family", "taxi"}


def test_a_load_is_never_more_than_the_vehicle_may_carry(people: list[Profile]) -> None:
    for who in people:
        most = vehicle.vehicle(who.model).payload_max_kg
        assert all(0.0 <= 1.5 * route.payload_kg <= most + 1e-9 for route in who.routes)


@pytest.mark.parametrize("duty", sorted(DUTIES))
def test_the_mean_day_is_the_fleet_s_mean(people: list[Profile], duty: str) -> None:
    some = [replace(who, duty=duty) for who in people[:10]]
    days = np.array([[w.activity(d) for d in range(FIRST, FIRST + 364)] for w in some])
    assert days.mean() == pytest.approx(1.0, abs=0.03)
    week = days[:, [d for d in range(364) if days[:, d].min() > 0.0]]
    assert week.min() < week.max()


def test_cars_rest_in_vacation_and_drive_less_on_sundays_and_holidays(
    people: list[Profile],
) -> None:
    commuter = next(who for who in people if who.duty == "commuter")
    days = np.array([commuter.activity(d) for d in range(FIRST, FIRST + 364)])
    assert 18 <= int(np.sum(days == 0.0)) <= 22
    weekday = (np.arange(364) + 2) % 7  # 2025-01-01 is a Wednesday
    driven = days > 0.0
    assert days[driven & (weekday == 6)].mean() < 0.6 * days[driven & (weekday == 1)].mean()
    assert days[0] in (0.0, pytest.approx(days[driven & (weekday == 6)].max()))


def test_vehicles_are_of_all_ages_and_the_old_are_worn(people: list[Profile]) -> None:
    soh = np.array([who.ageing.soh(who.age) for who in people])
    assert soh.max() > 0.97
    assert 0.5 < soh.min() < 0.80
    assert 0.75 < np.median(soh) < 0.96
    growth = np.array([who.ageing.growth(who.age) for who in people])
    assert np.corrcoef(soh, growth)[0, 1] < -0.5
