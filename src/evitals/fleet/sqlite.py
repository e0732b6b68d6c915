"""All that is particular to SQLite: connections, pragmas, upsert, sizes, vacuum.

Another database is one more file with the same functions on a class of its own.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects.sqlite import Insert, dialect, insert
from sqlalchemy.exc import SQLAlchemyError

from evitals.errors import StoreError

PAGE_BYTES = 8192
BUSY_MS = 10_000
_REMEDIES = (
    ("full", "free some space on its disk, then send the data again"),
    ("readonly", "make its folder writable for this user"),
    ("unable to open", "check that its folder exists and is writable"),
    ("not a database", "choose another path: this file was not written by evitals"),
    ("locked", "another process writes to it: stop that one, or send to its service"),
    ("malformed", "restore it from a backup; `evitals store export` may save what is readable"),
)


class SqliteDialect:
    """One SQLite file: WAL, synchronous FULL, a writer connection and read-only ones."""

    driver_error = sqlite3.Error
    core = dialect()
    """What Core statements are compiled for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def writer(self) -> Engine:
        """The engine of the one writer; its transactions start with BEGIN IMMEDIATE."""
        engine = self._engine(pool_size=1, max_overflow=0)
        event.listen(engine, "connect", _prepare_writer)
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def reader(self) -> Engine:
        """The engine of the readers: pooled connections that cannot write."""
        engine = self._engine(pool_size=8, max_overflow=32)
        event.listen(engine, "connect", _prepare_reader)
        event.listen(engine, "begin", _begin)
        return engine

    def _engine(self, **pool: int) -> Engine:
        return create_engine(
            f"sqlite:///file:{quote(str(self.path))}?uri=true",
            connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
            **pool,
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the driver's errors into StoreError with a remedy."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self.error(error) from error

    def error(self, error: Exception) -> StoreError:
        """A driver's error as a StoreError that says what to do."""
        problem = str(getattr(error, "orig", None) or error).split("\n")[0]
        remedy = next((r for word, r in _REMEDIES if word in problem), "see the service's log")
        return StoreError(f"store: {self.name}: {problem}; {remedy}")

    @staticmethod
    def insert(table: Table) -> Insert:
        """An INSERT that knows ON CONFLICT."""
        return insert(table)

    @staticmethod
    def sizes(connection: Connection) -> list[tuple[str, int]]:
        """Bytes of each table with its indexes."""
        rows = connection.execute(
            text(
                "SELECT m.tbl_name, SUM(d.pgsize) FROM dbstat d "
                "JOIN sqlite_schema m ON m.name = d.name WHERE d.aggregate = 1 "
                "GROUP BY m.tbl_name"
            )
        )
        return [(str(name), int(size)) for name, size in rows]

    @staticmethod
    def compact(engine: Engine) -> None:
        """Give the pages of deleted rows back to the file system, and truncate the log."""
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            # Each step of this pragma frees one page; a fetch runs them all.
            driver.execute("PRAGMA incremental_vacuum").fetchall()
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _prepare_writer(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None
    # These two hold for a new file only; an older file keeps its own.
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")


def _prepare_reader(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -16384")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
