"""Row numbers of what many rows share, remembered by the writer."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Table, select

from evitals.fleet.tables import batteries, models, texts, vehicles

MOST = 200_000
"""Remembered numbers of one table; beyond it they are looked up anew."""


def new_id(result: CursorResult[Any]) -> int:
    """The number of the row that was just inserted."""
    key = result.inserted_primary_key
    assert key is not None, "not an INSERT of one row"
    return int(key[0])


KEYS = {
    "vehicles": ("vehicle_id",),
    "batteries": ("vehicle", "battery_id"),
    "models": ("name", "version", "digest"),
    "texts": ("text",),
}
"""The columns that name a row, by table."""


class Names:
    """Finds or creates the row of a name. Forget all after a rollback: rows may be gone."""

    def __init__(self, dialect: Any) -> None:
        self.insert = dialect.insert
        self.known: dict[str, dict[tuple[Any, ...], int]] = {table: {} for table in KEYS}
        self._pairs: dict[tuple[str, str], tuple[int, int]] = {}

    def forget(self) -> None:
        """Drop what is remembered."""
        for known in self.known.values():
            known.clear()
        self._pairs.clear()

    def vehicle(self, connection: Connection, vehicle_id: str, battery_id: str) -> int:
        """The vehicle's row; a new one has no description and carries ``battery_id``."""
        number = self.known["vehicles"].get((vehicle_id,))
        if number is not None:
            return number
        extra = {"battery_id": battery_id, "described_s": 0}
        return self._find(connection, vehicles, (vehicle_id,), extra)

    def battery(self, connection: Connection, vehicle_id: str, battery_id: str) -> int:
        """The battery's row, its vehicle's too where there is none."""
        vehicle = self.vehicle(connection, vehicle_id, battery_id)
        return self._find(connection, batteries, (vehicle, battery_id))

    def numbers(
        self, connection: Connection, vehicle_ids: Sequence[str], battery_ids: Sequence[str]
    ) -> list[tuple[int, int]]:
        """The rows of vehicles and of their batteries, one after the other."""
        asked = list(zip(vehicle_ids, battery_ids, strict=True))
        pairs = self._pairs
        if len(pairs) >= MOST:
            pairs.clear()
        for pair in set(asked).difference(pairs):
            pairs[pair] = (self.vehicle(connection, *pair), self.battery(connection, *pair))
        return [pairs[pair] for pair in asked]

    def model(self, connection: Connection, name: str, version: str, digest: str) -> int:
        """The model's row."""
        return self._find(connection, models, (name, version, digest))

    def text(self, connection: Connection, value: str) -> int:
        """The text's row."""
        return self._find(connection, texts, (value,))

    def _find(
        self,
        connection: Connection,
        table: Table,
        values: tuple[Any, ...],
        extra: dict[str, Any] | None = None,
    ) -> int:
        known = self.known[table.name]
        number = known.get(values)
        if number is not None:
            return number
        key = dict(zip(KEYS[table.name], values, strict=True))
        query = select(table.c.id).where(*(table.c[name] == v for name, v in key.items()))
        number = connection.execute(query).scalar()
        if number is None:
            row = key | (extra or {})
            number = new_id(connection.execute(self.insert(table).values(row)))
        if len(known) >= MOST:
            known.clear()
        known[values] = number
        return number
