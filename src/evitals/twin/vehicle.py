"""A vehicle as data: road load, drivetrain, auxiliaries; from speed to power at the battery."""

import difflib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.battery import Identifier
from evitals.errors import InputError
from evitals.twin.cabin import Cabin
from evitals.twin.cycles import Cycle

Floats = NDArray[np.float64]
Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Share = Annotated[float, Meta(gt=0.0, le=1.0)]
Regeneration = Literal["symmetric", "fastsim", "none"]

GRAVITY_MPS2 = 9.81
AIR_DENSITY_KGPM3, AIR_DENSITY_K = 1.18, 295.15
"""At 22 degC and 122 m above the sea, the standard air of FASTSim 3; falls as 1/T."""
MOTOR_LOAD = np.array([0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.20, 0.40, 0.60, 0.80, 1.00])
MOTOR_EFFICIENCY = np.array([0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.94, 0.95, 0.95, 0.94, 0.93])
"""Motor with inverter over its share of rated power: FASTSim's large motor, best point 0.95."""
HEATING_BELOW_DEGC, COOLING_ABOVE_DEGC = 18.0, 24.0
HEATING_W_PER_K, COOLING_W_PER_K = 120.0, 100.0
HEATING_MAX_W, COOLING_MAX_W = 4000.0, 2500.0


class TwinVehicle(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What moves: masses in kg, areas in m2, powers in W. ``cell`` names the cell's OCV set."""

    vehicle_id: Identifier
    cell: str
    mass_kg: Positive
    drag_coefficient: Positive
    frontal_area_m2: Positive
    rolling_resistance: Share
    wheel_inertia_kgm2: Annotated[float, Meta(ge=0.0)]
    wheel_radius_m: Positive
    motor_power_w: Positive
    transmission_efficiency: Share
    auxiliary_power_w: Annotated[float, Meta(ge=0.0)]
    pack_mass_kg: Positive
    ac_charge_power_w: Positive
    cabin: Cabin = Cabin()
    source: str = ""


@cache
def known() -> tuple[str, ...]:
    """Names of the vehicles that ship with the twin."""
    folder = resources.files("evitals.twin") / "data" / "vehicles"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml")))


@cache
def vehicle(name: str) -> TwinVehicle:
    """A vehicle that ships with the twin. Raises InputError with the nearest names."""
    if name not in known():
        near = difflib.get_close_matches(name, known(), cutoff=0.3) or known()
        raise InputError("vehicle", name, "is not a twin vehicle", f"use one of {', '.join(near)}")
    data = (resources.files("evitals.twin") / "data" / "vehicles" / f"{name}.toml").read_bytes()
    return parse_twin_vehicle(data)


def parse_twin_vehicle(text: bytes) -> TwinVehicle:
    """A vehicle from TOML. Raises InputError naming the field (negative mass, unknown field)."""
    try:
        return msgspec.toml.decode(text, type=TwinVehicle)
    except msgspec.DecodeError as error:
        raise InputError(
            "vehicle", str(error), "does not describe a twin vehicle", "see docs/twin.md"
        ) from error


def hvac_power_w(ambient_degc: float) -> float:
    """Power of cabin heating or cooling in steady state, W, linear in the ambient temperature."""
    heat = np.clip(HEATING_W_PER_K * (HEATING_BELOW_DEGC - ambient_degc), 0.0, HEATING_MAX_W)
    cool = np.clip(COOLING_W_PER_K * (ambient_degc - COOLING_ABOVE_DEGC), 0.0, COOLING_MAX_W)
    return float(heat + cool)


def wheel_power_w(car: TwinVehicle, cycle: Cycle, ambient_degc: float = 22.0) -> Floats:
    """Power at the wheels over each interval that ends at a sample, W (n,), positive = driving.

    Air drag with the interval's mean speed cubed, rolling, change of kinetic energy of the car
    and its wheels; flat road (the equations of FASTSim, Brooker et al., SAE 2015-01-0973).
    """
    step = np.diff(cycle.time_s, prepend=cycle.time_s[0] - 1.0)
    speed = cycle.speed_mps
    before = np.concatenate([speed[:1], speed[:-1]])
    mean = 0.5 * (speed + before)
    inertia = 0.5 * (car.mass_kg + car.wheel_inertia_kgm2 / car.wheel_radius_m**2)
    density = AIR_DENSITY_KGPM3 * AIR_DENSITY_K / (ambient_degc + 273.15)
    drag = 0.5 * density * car.drag_coefficient * car.frontal_area_m2 * mean**3
    rolling = car.rolling_resistance * car.mass_kg * GRAVITY_MPS2 * mean
    power: Floats = drag + rolling + inertia * (speed**2 - before**2) / step
    return power


def battery_power_w(
    car: TwinVehicle,
    cycle: Cycle,
    ambient_degc: float = 22.0,
    regeneration: Regeneration = "symmetric",
) -> Floats:
    """Power at the battery's terminals, W (n,), positive while charging.

    Braking goes back through transmission and motor up to the motor's power; friction takes the
    rest. ``regeneration``: "symmetric" uses the motoring efficiency at the same load, "fastsim"
    the efficiency at zero load for all (FASTSim's rule), "none" brakes by friction alone.
    """
    wheel = wheel_power_w(car, cycle, ambient_degc)
    out = np.minimum(np.maximum(wheel, 0.0) / car.transmission_efficiency, car.motor_power_w)
    back = np.minimum(np.maximum(-wheel, 0.0) * car.transmission_efficiency, car.motor_power_w)
    drawn = out / np.interp(out / car.motor_power_w, MOTOR_LOAD, MOTOR_EFFICIENCY)
    if regeneration == "symmetric":
        given = back * np.interp(back / car.motor_power_w, MOTOR_LOAD, MOTOR_EFFICIENCY)
    else:
        given = back * (MOTOR_EFFICIENCY[0] if regeneration == "fastsim" else 0.0)
    always = car.auxiliary_power_w + hvac_power_w(ambient_degc)
    power: Floats = given - drawn - always
    return power
