"""A vehicle as data: masses, road load, drivetrain, charging; what it says is checked, not guessed.

Each lies in ``data/vehicles/`` with its source; ``road`` turns speed into power with it.
"""

import difflib
import itertools
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from evitals.battery import Battery, Identifier, describe
from evitals.errors import InputError
from evitals.twin.cabin import Cabin
from evitals.twin.pack import Climate, Pack

Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0.0, le=1e6)]
Share = Annotated[float, Meta(gt=0.0, le=1.0)]
LARGE_MOTOR_LOAD = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.20, 0.40, 0.60, 0.80, 1.00)
LARGE_MOTOR_EFFICIENCY = (0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.94, 0.95, 0.95, 0.94, 0.93)
"""Motor with inverter over its share of rated power: FASTSim's large motor, best point 0.95."""


class TwinVehicle(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What moves: masses in kg, areas in m2, powers in W, forces in N at the tyres.

    ``mass_kg`` is ready to drive, without payload. ``rolling_resistance`` holds at 22 degC and
    rises by its share ``rolling_per_k`` a kelvin below (ISO 28580: 0.008 for cars).
    ``traction_force_n`` is what the motor's torque gives at the tyres; ``driven_share`` of the
    weight times ``tyre_friction`` bounds it.
    ``regeneration_power_w`` bounds what the motor sends back (default: its own power).
    ``motor_steps`` reads the motor map at the next lower point instead of between the points.
    ``cell`` names the cell's tables; ``battery`` is the pack (default: the description of the same
    id that ships with evitals), ``climate`` its heater and cooler, ``pack_heat_j_per_k`` and
    ``pack_passive_w_per_k`` its heat capacity and conductance to the air (default: by its mass);
    ``gaps`` says what is not known or not modelled.
    """

    vehicle_id: Identifier
    cell: str
    mass_kg: Annotated[float, Meta(ge=100.0, le=60_000.0)]
    payload_max_kg: Annotated[float, Meta(ge=0.0, le=60_000.0)] = 400.0
    drag_coefficient: Annotated[float, Meta(gt=0.0, le=2.0)]
    frontal_area_m2: Annotated[float, Meta(gt=0.0, le=15.0)]
    rolling_resistance: Annotated[float, Meta(gt=0.0, le=0.1)]
    rolling_per_k: Annotated[float, Meta(ge=0.0, le=0.02)] = 0.008
    wheel_inertia_kgm2: Annotated[float, Meta(ge=0.0, le=500.0)]
    wheel_radius_m: Annotated[float, Meta(ge=0.1, le=1.0)]
    motor_power_w: Positive
    traction_force_n: Positive
    driven_share: Share = 0.6
    tyre_friction: Annotated[float, Meta(gt=0.0, le=2.0)] = 0.8
    motor_load: tuple[float, ...] = LARGE_MOTOR_LOAD
    motor_efficiency: tuple[Share, ...] = LARGE_MOTOR_EFFICIENCY
    motor_steps: bool = False
    regeneration_power_w: NotNegative | None = None
    transmission_efficiency: Share
    auxiliary_power_w: Annotated[float, Meta(ge=0.0, le=50_000.0)]
    pack_mass_kg: Positive
    ac_charge_power_w: Positive
    dc_charge_power_w: NotNegative = 0.0
    cabin: Cabin = Cabin()
    battery: Battery | None = None
    climate: Climate = Climate()
    pack_heat_j_per_k: Positive | None = None
    pack_passive_w_per_k: Positive | None = None
    source: str = ""
    gaps: str = ""

    def __post_init__(self) -> None:
        load, points = self.motor_load, len(self.motor_efficiency)
        rises = all(a < b for a, b in itertools.pairwise(load))
        if not (len(load) == points >= 2 and rises and load[0] == 0.0 and load[-1] == 1.0):
            raise InputError(
                "motor_load", load, "does not rise from 0 to 1", "give one a motor_efficiency"
            )
        if self.pack_mass_kg >= self.mass_kg:
            raise InputError(
                "pack_mass_kg", self.pack_mass_kg, f"is not below mass_kg {self.mass_kg}", "correct"
            )


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
    return parse_twin_vehicle(data, name)


def vehicle_from(name: str) -> TwinVehicle:
    """A vehicle by name, or from a TOML file where ``name`` ends so. Raises InputError."""
    if not name.endswith(".toml"):
        return vehicle(name)
    try:
        return parse_twin_vehicle(Path(name).read_bytes(), name)
    except OSError as error:
        raise InputError("vehicle", name, "cannot be read", f"check the file: {error}") from error


def parse_twin_vehicle(text: bytes, name: str = "vehicle") -> TwinVehicle:
    """A vehicle from TOML. Raises InputError naming the field (negative mass, unknown field)."""
    try:
        return msgspec.toml.decode(text, type=TwinVehicle)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise InputError(
            path.rstrip("`") or "vehicle",
            name,
            f"does not describe a twin vehicle: {problem}",
            "see docs/twin.md for the fields",
        ) from error


def battery_of(car: TwinVehicle) -> Battery:
    """The pack a vehicle carries. Raises UnknownVehicle where nobody has described it."""
    return describe(car.vehicle_id).battery if car.battery is None else car.battery


def pack_of(car: TwinVehicle, soh: float = 1.0, growth: float = 1.0) -> Pack:
    """The pack of a vehicle at its true age, with its own cells, climate and heat."""
    return Pack(
        battery_of(car),
        car.cell,
        car.pack_mass_kg,
        soh,
        growth,
        climate=car.climate,
        heat_j_per_k=car.pack_heat_j_per_k,
        passive_w_per_k=car.pack_passive_w_per_k,
    )
