"""What is being looked at: a battery at a stated level, and the vehicle that carries it.

``Battery`` and ``Vehicle`` are plain data (msgspec Structs): a TOML or JSON file, the API's
body and the store's column hold the same fields. Built-in ones lie in ``descriptions/``.
"""

import difflib
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from evitals.errors import InputError, UnknownVehicle

Level = Literal["cell", "pack"]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Positive = Annotated[float, Meta(gt=0.0, le=1e9)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Celsius = Annotated[float, Meta(ge=-100.0, le=200.0)]
Magnitude = Annotated[float, Meta(ge=0.0, le=1e6)]
Identifier = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$(?!\n)")
]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the battery may be driven to. Voltages per cell, currents at the battery's level."""

    cell_voltage_min_v: Positive
    cell_voltage_max_v: Positive
    discharge_current_a: Positive
    charge_current_a: Positive
    temperature_min_degc: Celsius = -30.0
    temperature_max_degc: Celsius = 60.0
    soc_min: Fraction = 0.0
    soc_max: Fraction = 1.0


class Sensors(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How well the telemetry is measured: resolutions, and half-widths of the errors to expect."""

    current_resolution_a: Magnitude = 0.1
    current_offset_a: Magnitude = 0.5
    current_gain: Fraction = 0.01
    voltage_resolution_v: Magnitude = 0.1
    soc_resolution: Fraction = 0.005
    temperature_resolution_degc: Magnitude = 1.0


class Battery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cell or a pack of ``series`` x ``parallel`` cells.

    ``reference_capacity_ah`` and ``rated_power_w`` are at the battery's level: SoH is capacity
    over ``reference_capacity_ah``; without ``rated_power_w`` there is no risk score.
    """

    level: Level
    series: Count = 1
    parallel: Count = 1
    chemistry: Annotated[str, Meta(min_length=1, max_length=32)]
    reference_capacity_ah: Positive
    rated_power_w: Positive | None = None
    limits: Limits
    sensors: Sensors = Sensors()
    source: Annotated[str, Meta(max_length=500)] = ""

    def __post_init__(self) -> None:
        if self.level == "cell" and (self.series, self.parallel) != (1, 1):
            raise InputError(
                "series, parallel",
                f"{self.series}s{self.parallel}p",
                "is not a single cell",
                'say level = "pack", or series = parallel = 1',
            )
        low, high = self.limits.cell_voltage_min_v, self.limits.cell_voltage_max_v
        if low >= high:
            raise InputError(
                "limits.cell_voltage_min_v",
                low,
                f"is not below cell_voltage_max_v {high}",
                "swap or correct them",
            )

    @property
    def voltage_min_v(self) -> float:
        """Lowest allowed terminal voltage at the battery's level, V."""
        return self.series * self.limits.cell_voltage_min_v

    @property
    def voltage_max_v(self) -> float:
        """Highest allowed terminal voltage at the battery's level, V."""
        return self.series * self.limits.cell_voltage_max_v


class Vehicle(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A vehicle (or a cell on a bench) and the battery it carries now.

    A new ``battery_id`` (a replaced pack) starts a new estimate. ``timezone`` (IANA name)
    dates stamps without a zone. ``undated_start`` is the event time assumed for recordings
    that carry none; without it they are stored but enter no estimate.
    """

    vehicle_id: Identifier
    battery: Battery
    battery_id: Identifier = "1"
    name: Annotated[str, Meta(max_length=120)] = ""
    group: Annotated[str, Meta(max_length=64)] = ""
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    undated_start: datetime | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                "timezone",
                self.timezone,
                "is not a time zone",
                "use an IANA name such as Europe/Berlin or UTC",
            ) from None
        start = self.undated_start
        if start is not None and not 1990 <= start.year < 2100:
            raise InputError(
                "undated_start", start.isoformat(), "is not between 1990 and 2100", "correct it"
            )


@cache
def builtin() -> dict[str, Vehicle]:
    """The descriptions that ship with evitals, by vehicle id."""
    folder = resources.files("evitals") / "descriptions"
    found = [
        parse_vehicle(entry.read_bytes(), entry.name)
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".toml")
    ]
    return {vehicle.vehicle_id: vehicle for vehicle in found}


def describe(name: str) -> Vehicle:
    """A built-in description by its id. Raises UnknownVehicle with the nearest names."""
    try:
        return builtin()[name]
    except KeyError:
        raise UnknownVehicle(name, difflib.get_close_matches(name, builtin())) from None


def load_vehicle(path: Path) -> Vehicle:
    """A description from a .toml or .json file. Raises InputError naming the field."""
    return parse_vehicle(path.read_bytes(), path.name)


def parse_vehicle(text: bytes, name: str) -> Vehicle:
    """A description from the bytes of a .toml or .json file called ``name``."""
    decode = msgspec.toml.decode if name.endswith(".toml") else msgspec.json.decode
    try:
        return decode(text, type=Vehicle)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise InputError(
            path.rstrip("`") or name,
            name,
            f"does not describe a vehicle: {problem}",
            "see docs/vehicles.md for the fields",
            reason="bad_description",
        ) from error


def dump_vehicle(vehicle: Vehicle) -> dict[str, Any]:
    """A description as plain JSON-able data."""
    return msgspec.to_builtins(vehicle)  # type: ignore[no-any-return]
