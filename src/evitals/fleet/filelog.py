"""What is read about files that came in."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from evitals.fleet.codec import digest_bytes
from evitals.fleet.records import FileRecord
from evitals.fleet.tables import files


def file_counts(connection: Connection) -> dict[str, int]:
    """How many files are in each state."""
    query = select(files.c.state, func.count()).group_by(files.c.state)
    return {str(state): int(count) for state, count in connection.execute(query)}


def list_files(connection: Connection, state: str, offset: int, limit: int) -> list[FileRecord]:
    """Files, newest first."""
    query = select(files).order_by(files.c.received_s.desc(), files.c.id.desc())
    if state:
        query = query.where(files.c.state == state)
    return [_file(row) for row in connection.execute(query.offset(offset).limit(limit))]


def file(connection: Connection, digest: str) -> FileRecord | None:
    """What became of a file."""
    raw = digest_bytes("digest", digest)
    row = connection.execute(select(files).where(files.c.digest == raw)).first()
    return _file(row) if row else None


def _file(row: Row[Any]) -> FileRecord:
    fields = dict(row._mapping)
    del fields["id"]
    return FileRecord(**fields | {"digest": row.digest.hex()})
