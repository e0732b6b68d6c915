"""Core statements compiled once and run on the driver: the writer's inner loop.

Running a statement through ``Connection.execute`` costs five times what SQLite itself needs for
it. The SQL stays SQLAlchemy's, compiled for the store's dialect.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect


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
