"""Retention and sizes."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select

from evitals.fleet.records import TableSize
from evitals.fleet.tables import PARTS, horizon, metadata, predictions, trips


def prune(connection: Connection, before_s: int) -> int:
    """Delete dated trips that started before ``before_s``, and their predictions.

    The rollup, newest answers, checkpoints, files and undated trips stay. Returns the number of
    rows deleted.
    """
    old = select(trips.c.id).where(trips.c.event_s < before_s)
    answers = connection.execute(delete(predictions).where(predictions.c.trip.in_(old))).rowcount
    deleted = connection.execute(delete(trips).where(trips.c.event_s < before_s)).rowcount
    pruned_s = connection.execute(select(func.max(horizon.c.pruned_before_s))).scalar()
    if deleted and (pruned_s is None or pruned_s < before_s):
        connection.execute(delete(horizon))
        connection.execute(insert(horizon).values(pruned_before_s=before_s))
    return int(answers + deleted)


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
