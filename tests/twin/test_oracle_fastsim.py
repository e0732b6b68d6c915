"""Our road load against FASTSim 3, for every electric car it ships.

The values in ``frozen/`` are FASTSim's; ``make oracles`` recomputes them, and
``python -m tests.twin.test_oracle_fastsim`` (with the extra ``fastsim``) writes them anew.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from evitals.errors import InputError, MissingExtra
from evitals.twin import cycles, road, vehicle
from evitals.twin.oracles import fastsim
from evitals.twin.vehicle import TwinVehicle

FROZEN = Path(__file__).parent / "frozen"
FILES = sorted(FROZEN.glob("fastsim_*.json"))
CYCLES = ("udds", "hwfet", "us06", "wltc3b")
FIELDS = (
    *("vehicle_id", "cell", "mass_kg", "drag_coefficient", "frontal_area_m2"),
    *("rolling_resistance", "wheel_inertia_kgm2", "wheel_radius_m", "motor_power_w"),
    *("traction_force_n", "driven_share", "tyre_friction", "motor_load", "motor_efficiency"),
    *("motor_steps", "transmission_efficiency", "auxiliary_power_w", "pack_mass_kg"),
    *("ac_charge_power_w", "source"),
)
BUS = "byd-k9-bus"
"""It brakes with more than its motor has: FASTSim 3.1 gives up there."""
EVERY = 15
"""Seconds between the kept values of power."""


def computed(name: str, read: Any) -> dict[str, Any]:
    """One of FASTSim's vehicles and what FASTSim says it takes."""
    stem = name.lower().removesuffix(".yaml").removesuffix(" thrml")
    car = fastsim.twin_of(read, re.sub(r"[^a-z0-9]+", "-", stem))
    data = msgspec.to_builtins(car)
    found: dict[str, Any] = {
        "by": f"FASTSim {fastsim.module().__version__}",
        "file": name,
        "vehicle": {name: data[name] for name in FIELDS},
        "cycles": {},
    }
    for cycle in map(cycles.cycle, CYCLES):
        drive = fastsim.simulate(read, cycle.time_s, cycle.speed_mps)
        found["cycles"][cycle.name] = {
            "energy_kwh": round(-float(drive.power_w.sum()) / 3.6e6, 6),
            "peak_power_w": round(float(-drive.power_w.min()), 1),
            "miss_mps": round(drive.miss_mps, 3),
            "power_w": [round(float(watts), 1) for watts in drive.power_w[EVERY::EVERY]],
        }
    return found


def test_every_electric_car_of_fastsim_is_frozen() -> None:
    names = {json.loads(path.read_text("utf-8"))["file"] for path in FILES}
    assert len(names) == len(FILES) >= 4
    assert any("Zoe" in name for name in names)


@pytest.mark.parametrize("cycle_name", CYCLES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_energy_and_power_are_fastsims(path: Path, cycle_name: str) -> None:
    frozen = json.loads(path.read_text("utf-8"))
    theirs, cycle = frozen["cycles"][cycle_name], cycles.cycle(cycle_name)
    car = msgspec.convert(frozen["vehicle"], TwinVehicle)
    ours = road.drive(car, cycle.time_s, cycle.speed_mps, regeneration="fastsim")
    energy_kwh = -float(ours.power_w.sum()) / 3.6e6
    # The issue asks for 1 % on UDDS and HWFET; measured are 0.14 % at most, so 0.25 % here.
    assert energy_kwh == pytest.approx(theirs["energy_kwh"], rel=0.0025)
    if theirs["miss_mps"] > 0.0:
        return
    apart = ours.power_w[EVERY::EVERY] - np.array(theirs["power_w"])
    # Their Leaf and Tesla read the motor map in steps: a sample at a step may fall to either side.
    assert np.sqrt(np.mean(apart**2)) < (100.0 if car.motor_steps else 4.0)
    assert -ours.power_w.min() == pytest.approx(theirs["peak_power_w"], rel=0.005)


def test_the_zoe_that_ships_with_the_twin_is_fastsims() -> None:
    zoe = next(path for path in FILES if "zoe" in path.name)
    theirs = json.loads(zoe.read_text("utf-8"))["vehicle"]
    ours = msgspec.to_builtins(vehicle.vehicle("renault-zoe-ze50"))
    for field in ("mass_kg", "drag_coefficient", "frontal_area_m2", "rolling_resistance"):
        assert ours[field] == pytest.approx(theirs[field], rel=1e-6)
    for field in ("motor_efficiency", "motor_load", "transmission_efficiency", "motor_power_w"):
        assert ours[field] == pytest.approx(theirs[field], rel=1e-6)


def test_without_the_extra_the_error_is_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastsim", None)
    car, cycle = vehicle.vehicle("renault-zoe-ze50"), cycles.cycle("udds")
    with pytest.raises(MissingExtra, match=re.escape("pip install 'evitals[fastsim]'")):
        fastsim.drive(car, cycle.time_s, cycle.speed_mps)


@pytest.fixture
def installed() -> None:
    pytest.importorskip("fastsim", reason="pip install 'evitals[fastsim]'")


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_the_frozen_values_are_what_fastsim_says_today(installed: None) -> None:
    found = {name: computed(name, read) for name, read in fastsim.shipped().items()}
    frozen = [json.loads(path.read_text("utf-8")) for path in FILES]
    assert sorted(found) == sorted(each["file"] for each in frozen)
    for each in frozen:
        again = found[each["file"]]
        assert json.loads(json.dumps(again["vehicle"])) == each["vehicle"]
        for name, theirs in each["cycles"].items():
            now = again["cycles"][name]
            assert now["energy_kwh"] == pytest.approx(theirs["energy_kwh"], rel=1e-4)
            assert now["power_w"] == pytest.approx(theirs["power_w"], abs=1.0, rel=1e-4)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in vehicle.known() if name != BUS])
def test_our_vehicles_take_in_fastsim_what_they_take_here(installed: None, name: str) -> None:
    car, cycle = vehicle.vehicle(name), cycles.cycle("udds")
    slope = 0.02 * np.sin(cycle.time_s / 60.0)
    payload = 0.5 * car.payload_max_kg
    ours = road.drive(
        car,
        cycle.time_s,
        cycle.speed_mps,
        grade=slope,
        payload_kg=payload,
        regeneration="fastsim",
    )
    theirs = fastsim.drive(car, cycle.time_s, cycle.speed_mps, grade=slope, payload_kg=payload)
    assert ours.power_w.sum() == pytest.approx(theirs.power_w.sum(), rel=0.01)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_where_fastsim_gives_up_it_says_why(installed: None) -> None:
    cycle = cycles.cycle("udds")
    with pytest.raises(InputError, match="exceeds current max charge power"):
        fastsim.drive(vehicle.vehicle(BUS), cycle.time_s, cycle.speed_mps)


def main() -> None:
    """Write the frozen values."""
    for name, read in fastsim.shipped().items():
        found = computed(name, read)
        path = FROZEN / f"fastsim_{found['vehicle']['vehicle_id']}.json"
        path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
