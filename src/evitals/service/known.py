"""Which vehicles are known: described in the store, or built in."""

import difflib
import re
import time

import msgspec

from evitals.battery import Vehicle, builtin, dump_vehicle
from evitals.errors import UnknownVehicle
from evitals.fleet.records import VehicleRecord
from evitals.fleet.store import Store

PREFIXES = ("tripdata.", "tripdata_", "tripdata-")
"""What may stand before the vehicle id in a file name (the reference writes tripdata.V001.csv)."""
ID_END = re.compile(r"[_.-]|$")
ID_BYTES = 64


def find_vehicle(store: Store, vehicle_id: str) -> Vehicle | None:
    """The description of a vehicle from the store, else a built-in one, else None."""
    record = store.vehicle(vehicle_id)
    if record is not None and record.description is not None:
        return msgspec.convert(record.description, Vehicle)
    return builtin().get(vehicle_id)


def get_vehicle(store: Store, vehicle_id: str) -> Vehicle:
    """As ``find_vehicle``; raises UnknownVehicle with the nearest known ids."""
    vehicle = find_vehicle(store, vehicle_id)
    if vehicle is None:
        known = [record.vehicle_id for record in store.vehicles(limit=1000)[1]]
        raise UnknownVehicle(
            vehicle_id, difflib.get_close_matches(vehicle_id, [*known, *builtin()])
        )
    return vehicle


def vehicle_in_name(store: Store, name: str) -> Vehicle | None:
    """The known vehicle that a file name begins with: ``<vehicle_id>[_.-]...``, the longest.

    ``tripdata.`` may stand before it.
    """
    for start in ("", *PREFIXES):
        if not name.startswith(start):
            continue
        rest = name[len(start) :]
        ends = [match.start() for match in ID_END.finditer(rest[: ID_BYTES + 1])]
        for end in sorted((e for e in ends if 0 < e <= ID_BYTES), reverse=True):
            vehicle = find_vehicle(store, rest[:end])
            if vehicle is not None:
                return vehicle
    return None


def battery_of(store: Store, vehicle: Vehicle, battery_id: str | None) -> Vehicle:
    """``vehicle`` with the battery called ``battery_id``, as last described (default: now)."""
    if battery_id in (None, "", vehicle.battery_id):
        return vehicle
    for record in sorted(
        store.description_history(vehicle.vehicle_id), key=lambda r: r.described_s, reverse=True
    ):
        if record.battery_id == battery_id and record.description is not None:
            return msgspec.convert(record.description, Vehicle)
    return msgspec.structs.replace(vehicle, battery_id=battery_id)


def vehicle_record(vehicle: Vehicle) -> VehicleRecord:
    """A description as the row that is remembered."""
    return VehicleRecord(
        vehicle_id=vehicle.vehicle_id,
        battery_id=vehicle.battery_id,
        description=dump_vehicle(vehicle),
        described_s=int(time.time()),
    )
