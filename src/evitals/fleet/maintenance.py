"""Retention and sizes."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, update

from evitals.fleet.codec import pack_members, unpack_members
from evitals.fleet.days import DAY_S
from evitals.fleet.records import TableSize
from evitals.fleet.tables import PARTS, daily, horizon, metadata, predictions, trips


def prune(connection: Connection, before_s: int) -> int:
    """Delete dated trips that started before ``before_s``, and their predictions.

    The rollup, newest answers, checkpoints, files and undated trips stay. Returns the number of
    rows deleted.
    """
    old = select(trips.c.id).where(trips.c.event_s < before_s)
    answers = connection.execute(delete(predictions).where(predictions.c.trip.in_(old))).rowcount
    deleted = connection.execute(delete(trips).where(trips.c.event_s < before_s)).rowcount
    pruned_s = connection.execute(select(func.max(horizon.c.pruned_before_s))).scalar()
    _forget_members(connection, before_s)
    if deleted and (pruned_s is None or pruned_s < before_s):
        connection.execute(delete(horizon))
        connection.execute(insert(horizon).values(pruned_before_s=before_s))
    return int(answers + deleted)


def _forget_members(connection: Connection, before_s: int) -> None:
    """Take the deleted trips out of the days' lists."""
    last = before_s // DAY_S
    connection.execute(update(daily).where(daily.c.day < last).values(members=b""))
    for row in connection.execute(select(daily).where(daily.c.day == last)).all():
        numbers = unpack_members(row.members)
        kept = set(connection.execute(select(trips.c.id).where(trips.c.id.in_(numbers))).scalars())
        connection.execute(
            update(daily)
            .where(daily.c.battery == row.battery, daily.c.day == row.day)
            .values(members=pack_members(n for n in numbers if n in kept))
        )


def sizes(connection: Connection, measured: Iterable[tuple[str, int]]) -> list[TableSize]:
    """Rows and bytes of each table of the schema, with its indexes; largest first."""
    used = dict(measured)
    found = [
        TableSize(
            table=table.name,
            part=PARTS.get(table.name, "other"),
            rows=connection.execute(select(func.count()).select_from(table)).scalar_one(),
            bytes=used.get(table.name, 0),
        )
        for table in metadata.sorted_tables
    ]
    return sorted(found, key=lambda size: size.bytes, reverse=True)
