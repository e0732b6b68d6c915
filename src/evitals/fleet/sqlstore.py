"""The store over SQLAlchemy Core: one writer thread, pooled readers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from evitals.fleet import exporting, filelog, maintenance, migrate, past, queries
from evitals.fleet.codec import unpack_latest
from evitals.fleet.records import (
    Batch,
    BatteryState,
    DailyRecord,
    FileRecord,
    FleetPage,
    FleetQuery,
    LatestRecord,
    PastFleet,
    PredictionRecord,
    TableSize,
    TripRecord,
    VehicleRecord,
)
from evitals.fleet.writer import QUEUE, Writer

PAGE = 1000


class SqlStore:
    """A ``evitals.fleet.store.Store``; what its methods promise is written there.

    Raises StoreError where the database cannot be opened, read or written.
    """

    def __init__(self, dialect: Any, queue_size: int = QUEUE) -> None:
        self._dialect = dialect
        self._writing, self._reading = dialect.writer(), dialect.reader()
        try:
            with dialect.translated(), self._writing.begin() as connection:
                migrate.upgrade(connection)
        except BaseException:
            self._dispose()
            raise
        self.writer = Writer(self._writing, dialect, queue_size)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._dialect.translated(), self._reading.connect() as connection:
            yield connection

    def submit(self, batch: Batch) -> "Future[None]":
        return self.writer.submit(batch)

    def on_commit(self, listener: Callable[[Sequence[LatestRecord]], None]) -> None:
        self.writer.listen(listener)

    def vehicle(self, vehicle_id: str) -> VehicleRecord | None:
        with self._read() as connection:
            return queries.vehicle(connection, vehicle_id)

    def described(self, vehicle_ids: Iterable[str]) -> dict[str, VehicleRecord]:
        with self._read() as connection:
            return queries.described(connection, vehicle_ids)

    def vehicles(
        self, search: str = "", offset: int = 0, limit: int = 100
    ) -> tuple[int, list[VehicleRecord]]:
        with self._read() as connection:
            return queries.list_vehicles(connection, search, offset, limit)

    def description_history(self, vehicle_id: str) -> list[VehicleRecord]:
        with self._read() as connection:
            return queries.description_history(connection, vehicle_id)

    def known_trips(self, digests: Iterable[str]) -> set[str]:
        with self._read() as connection:
            return queries.known_trips(connection, digests)

    def trips(self, vehicle_id: str, battery_id: str) -> list[TripRecord]:
        with self._read() as connection:
            return queries.list_trips(connection, vehicle_id, battery_id)

    def state(self, vehicle_id: str, battery_id: str) -> BatteryState | None:
        with self._read() as connection:
            return queries.state(connection, vehicle_id, battery_id)

    def latest(self, vehicle_id: str) -> LatestRecord | None:
        with self._read() as connection:
            return queries.newest(connection, vehicle_id)

    def fleet(self, query: FleetQuery) -> FleetPage:
        with self._read() as connection:
            return queries.fleet(connection, query)

    def all_latest(self) -> Iterator[LatestRecord]:
        # Page by page: no connection is held while the caller thinks.
        after = 0
        while True:
            with self._read() as connection:
                page = queries.page_of_latest(connection, after, PAGE)
            for after, data in page:  # noqa: B007  # the last one starts the next page
                yield unpack_latest(data)
            if len(page) < PAGE:
                return

    def trend(
        self,
        vehicle_id: str,
        since_s: int | None = None,
        until_s: int | None = None,
        limit: int = 10_000,
    ) -> list[PredictionRecord]:
        with self._read() as connection:
            return queries.trend(connection, vehicle_id, since_s, until_s, limit)

    def daily(self, vehicle_id: str, limit: int = 3660) -> list[DailyRecord]:
        with self._read() as connection:
            return queries.list_daily(connection, vehicle_id, limit)

    def past(self, day: int, soh_below: float, risk_from: float) -> PastFleet:
        with self._read() as connection:
            return past.past(connection, day, soh_below, risk_from)

    def file_counts(self) -> dict[str, int]:
        with self._read() as connection:
            return filelog.file_counts(connection)

    def files(self, state: str = "", offset: int = 0, limit: int = 100) -> list[FileRecord]:
        with self._read() as connection:
            return filelog.list_files(connection, state, offset, limit)

    def file(self, digest: str) -> FileRecord | None:
        with self._read() as connection:
            return filelog.file(connection, digest)

    def prune(self, before_s: int) -> int:
        return int(self.writer.run(lambda: self._prune(before_s)).result())

    def _prune(self, before_s: int) -> int:
        with self._writing.begin() as connection:
            deleted = maintenance.prune(connection, before_s)
        self._dialect.compact(self._writing)
        return deleted

    def export(self, folder: Path) -> list[Path]:
        with self._read() as connection:
            return exporting.export(connection, folder)

    def sizes(self) -> list[TableSize]:
        with self._read() as connection:
            return maintenance.sizes(connection, self._dialect.sizes(connection))

    def close(self) -> None:
        self.writer.close()
        self._dispose()

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()
