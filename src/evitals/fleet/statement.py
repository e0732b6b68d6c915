"""Core statements compiled once and run on the driver: the writer's inner loop.

Running a statement through ``Connection.execute`` costs five times what SQLite itself needs for
it. The SQL stays SQLAlchemy's, compiled for the store's dialect.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect

SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one execution, largest first. The driver lets other threads run at every execution, and
then waits for its turn: many rows in one cost far less than as many executions."""


class Statement:
    """One statement for one dialect; parameters are named, values the driver's own types."""

    def __init__(self, dialect: Dialect, statement: ClauseElement, *names: str) -> None:
        compiled: Any = statement.compile(
            dialect=dialect,
            column_keys=list(names) or None,
            compile_kwargs={"render_postcompile": True},
        )
        self.sql = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup)
        self.fixed = {k: v for k, v in compiled.params.items() if v is not None}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor after execution inside the connection's transaction."""
        given = {**self.fixed, **values}
        driver: Any = connection.connection.driver_connection
        return driver.execute(self.sql, [given[name] for name in self.names])

    def one(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first row as a tuple, or None."""
        return self.run(connection, values).fetchone()


class Sized:
    """A statement over many values, compiled for each of ``SIZES`` of them when first used.

    ``build(size)`` makes the statement; its parameters are, value by value, ``width`` each.
    """

    def __init__(
        self, dialect: Dialect, build: Callable[[int], ClauseElement], width: int = 1
    ) -> None:
        self._dialect, self._build, self._width = dialect, build, width
        self._sql: dict[int, str] = {}

    def _text(self, size: int) -> str:
        if size not in self._sql:
            compiled: Any = self._build(size).compile(
                dialect=self._dialect, compile_kwargs={"render_postcompile": True}
            )
            assert len(compiled.positiontup) == size * self._width, "parameters beside the values"
            self._sql[size] = str(compiled)
        return self._sql[size]

    def run(self, connection: Connection, rows: Sequence[Iterable[Any]]) -> list[Any]:
        """Execute for all rows (each the values of one); returns all rows found."""
        driver: Any = connection.connection.driver_connection
        found: list[Any] = []
        at = 0
        while left := len(rows) - at:
            size = next(size for size in SIZES if size <= left)
            values = list(chain.from_iterable(rows[at : at + size]))
            found += driver.execute(self._text(size), values).fetchall()
            at += size
        return found
