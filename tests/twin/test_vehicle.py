"""Vehicles as data: those that ship are whole, impossible ones are refused by field."""

from importlib import resources
from pathlib import Path

import pytest

from evitals.errors import EvitalsError, InputError
from evitals.twin import cell, vehicle

ZOE = "renault-zoe-ze50"


@pytest.fixture
def zoe_text() -> str:
    folder = resources.files("evitals.twin") / "data" / "vehicles"
    return (folder / f"{ZOE}.toml").read_text("utf-8")


@pytest.mark.parametrize("name", vehicle.known())
def test_every_vehicle_has_a_pack_a_cell_and_a_source(name: str) -> None:
    car = vehicle.vehicle(name)
    battery = vehicle.battery_of(car)
    assert car.vehicle_id == name
    assert battery.level == "pack"
    assert battery.series >= 80
    assert len(car.source) > 30
    assert len(car.gaps) > 30
    assert len(battery.source) > 30
    assert cell.ocv_table(car.cell).size > 100
    assert 30.0 < battery.reference_capacity_ah < 1000.0


def test_an_unknown_vehicle_names_the_nearest() -> None:
    with pytest.raises(InputError, match=ZOE):
        vehicle.vehicle("renault-zoe")


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ("mass_kg = 1600.0", "mass_kg = -1600.0", "mass_kg"),
        ("mass_kg = 1600.0", "mass_kg = nan", "mass_kg"),
        ("frontal_area_m2 = 2.5", "frontal_area_m2 = 0.0 #", "frontal_area_m2"),
        ("transmission_efficiency = 0.92", "transmission_efficiency = 1.2", "transmission_eff"),
        ("motor_power_w = 100000.0", "motor_power_w = 0", "motor_power_w"),
        ("pack_mass_kg = 326.0", "pack_mass_kg = 3260.0", "pack_mass_kg"),
        ("auxiliary_power_w", "motor_load = [0.0, 0.5]\nauxiliary_power_w", "motor_load"),
        ("cell =", "colour =", "colour|cell"),
        ("mass_kg = 1600.0", "mass_kg = ", "vehicle"),
    ],
)
def test_an_impossible_vehicle_is_refused_by_field(
    zoe_text: str, was: str, becomes: str, field: str
) -> None:
    assert was in zoe_text
    with pytest.raises(InputError, match=field):
        vehicle.parse_twin_vehicle(zoe_text.replace(was, becomes).encode())


def test_a_vehicle_of_ones_own_carries_its_own_pack(zoe_text: str, tmp_path: Path) -> None:
    pack = """
[battery]
level = "pack"
series = 96
parallel = 1
chemistry = "NMC"
reference_capacity_ah = 60.0
[battery.limits]
cell_voltage_min_v = 2.8
cell_voltage_max_v = 4.2
discharge_current_a = 300.0
charge_current_a = 100.0
"""
    path = tmp_path / "mine.toml"
    path.write_text(zoe_text.replace(ZOE, "mine") + pack, "utf-8")
    assert vehicle.battery_of(vehicle.vehicle_from(str(path))).reference_capacity_ah == 60.0
    path.write_text(zoe_text + pack.replace("series = 96", "series = 0"), "utf-8")
    with pytest.raises(InputError, match=r"battery\.series"):
        vehicle.vehicle_from(str(path))
    path.write_text(zoe_text.replace(ZOE, "nobody"), "utf-8")
    with pytest.raises(EvitalsError, match="nobody"):
        vehicle.battery_of(vehicle.vehicle_from(str(path)))


def test_a_missing_vehicle_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        vehicle.vehicle_from(str(tmp_path / "none.toml"))
