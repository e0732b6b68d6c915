"""Road load and drivetrain: published energies, and balances that must close."""

from importlib import resources

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import cycles, vehicle

ZOE = "renault-zoe-ze50"


def kwh_per_km(name: str, cycle_name: str, regeneration: vehicle.Regeneration) -> float:
    cycle = cycles.cycle(cycle_name)
    power = vehicle.battery_power_w(vehicle.vehicle(name), cycle, 22.0, regeneration)
    return -float(power.sum()) / 3.6e6 / (cycle.distance_m / 1000.0)


@pytest.mark.parametrize(("rule", "published"), [("symmetric", 0.109), ("fastsim", 0.1132)])
def test_the_zoe_takes_on_udds_what_fastsim_says(
    rule: vehicle.Regeneration, published: float
) -> None:
    # FASTSim 3.1.0: 1.357 kWh over 11.99 km with its own rule, 0.109 with a symmetric one.
    assert kwh_per_km(ZOE, "udds", rule) == pytest.approx(published, rel=0.006)


def test_regeneration_saves_energy() -> None:
    assert kwh_per_km(ZOE, "udds", "none") > 1.3 * kwh_per_km(ZOE, "udds", "symmetric")


def test_without_losses_the_wheels_do_only_drag_and_rolling_over_a_cycle() -> None:
    cycle, car = cycles.cycle("udds"), vehicle.vehicle(ZOE)
    mean = 0.5 * (cycle.speed_mps[1:] + cycle.speed_mps[:-1])
    drag = 0.5 * 1.18 * car.drag_coefficient * car.frontal_area_m2 * np.sum(mean**3)
    rolling = car.rolling_resistance * car.mass_kg * 9.81 * cycle.distance_m
    assert vehicle.wheel_power_w(car, cycle).sum() == pytest.approx(drag + rolling, rel=1e-9)


def test_cold_and_heat_cost_energy() -> None:
    assert vehicle.hvac_power_w(-20.0) > vehicle.hvac_power_w(5.0) > vehicle.hvac_power_w(20.0) == 0
    assert vehicle.hvac_power_w(35.0) > 0.0


def test_an_unknown_vehicle_names_the_nearest() -> None:
    with pytest.raises(InputError, match="renault-zoe-ze50"):
        vehicle.vehicle("renault-zoe")


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ("mass_kg = 1600.0", "mass_kg = -1600.0", "mass_kg"),
        ("mass_kg = 1600.0", "mass_kg = nan", "mass_kg"),
        ("frontal_area_m2 = 2.5", "frontal_area_m2 = 0.0 #", "frontal_area_m2"),
        ("cell =", "colour =", "colour|cell"),
    ],
)
def test_an_impossible_vehicle_is_refused_by_field(was: str, becomes: str, field: str) -> None:
    path = resources.files("evitals.twin") / "data" / "vehicles" / f"{ZOE}.toml"
    text = path.read_text("utf-8").replace(was, becomes)
    with pytest.raises(InputError, match=field):
        vehicle.parse_twin_vehicle(text.encode())
