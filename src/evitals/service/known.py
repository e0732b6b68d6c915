"""Which vehicles are known: described in the store, or built in."""

import difflib
import re
import time
from collections.abc import Iterable

import msgspec

from evitals.battery import Vehicle, builtin, dump_vehicle
from evitals.errors import UnknownVehicle
from evitals.fleet.records import VehicleRecord
from evitals.fleet.store import Store

PREFIXES = ("tripdata.", "tripdata_", "tripdata-")
"""What may stand before the vehicle id in a file name (the reference writes tripdata.V001.csv)."""
ID_END = re.compile(r"[_.-]|$")
ID_BYTES = 64


class Described:
    """Vehicles as the store described them when first asked for: make one for a file, or under a
    vehicle's lock, and each is read once. Not for two threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, VehicleRecord | None] = {}
        self._vehicles: dict[str, Vehicle | None] = {}

    def read(self, vehicle_ids: Iterable[str]) -> None:
        """Read those not read before, in one statement."""
        wanted = [v for v in dict.fromkeys(vehicle_ids) if v not in self._records]
        found = self._store.described(wanted) if wanted else {}
        for vehicle_id in wanted:
            record = found.get(vehicle_id)
            self._records[vehicle_id] = record
            self._vehicles[vehicle_id] = (
                msgspec.convert(record.description, Vehicle)
                if record is not None and record.description is not None
                else builtin().get(vehicle_id)
            )

    def record(self, vehicle_id: str) -> VehicleRecord | None:
        """The stored row of a vehicle."""
        self.read([vehicle_id])
        return self._records[vehicle_id]

    def find(self, vehicle_id: str) -> Vehicle | None:
        """The description of a vehicle from the store, else a built-in one, else None."""
        self.read([vehicle_id])
        return self._vehicles[vehicle_id]

    def get(self, vehicle_id: str) -> Vehicle:
        """As ``find``; raises UnknownVehicle with the nearest known ids."""
        vehicle = self.find(vehicle_id)
        if vehicle is None:
            known = [record.vehicle_id for record in self._store.vehicles(limit=1000)[1]]
            raise UnknownVehicle(
                vehicle_id, difflib.get_close_matches(vehicle_id, [*known, *builtin()])
            )
        return vehicle

    def in_name(self, name: str) -> Vehicle | None:
        """The known vehicle that a file name begins with: ``<vehicle_id>[_.-]...``, the longest.

        ``tripdata.`` may stand before it.
        """
        named = ids_in_name(name)
        self.read(named)
        return next((v for v in map(self.find, named) if v is not None), None)


def ids_in_name(name: str) -> list[str]:
    """The vehicle ids that a file name may begin with, the likeliest first."""
    found = []
    for start in ("", *PREFIXES):
        if name.startswith(start):
            rest = name[len(start) :]
            ends = [match.start() for match in ID_END.finditer(rest[: ID_BYTES + 1])]
            found += [rest[:end] for end in reversed(ends) if 0 < end <= ID_BYTES]
    return list(dict.fromkeys(found))


def find_vehicle(store: Store, vehicle_id: str) -> Vehicle | None:
    """As ``Described.find``, once."""
    return Described(store).find(vehicle_id)


def get_vehicle(store: Store, vehicle_id: str) -> Vehicle:
    """As ``Described.get``, once."""
    return Described(store).get(vehicle_id)


def vehicle_in_name(store: Store, name: str) -> Vehicle | None:
    """As ``Described.in_name``, once."""
    return Described(store).in_name(name)


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
