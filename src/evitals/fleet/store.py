"""The store's contract: every store answers alike, tests/contracts runs one suite over all.

Writes go through ``submit`` to one writer, which commits many batches at once (group commit);
the future resolves only after the commit that holds its batch. Reads see committed data only and
may be called from any thread.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

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


class Store(Protocol):
    """What a fleet store does."""

    def submit(self, batch: Batch) -> "Future[None]":
        """Queue a batch; the future resolves after its commit. Repeating a batch changes nothing.

        Trips are keyed by digest, predictions by their trip (a repeated one replaces it), files by
        digest. ``latest``, history and daily rollup change in the same transaction. Raises
        StoreBusy when the queue is full.
        """

    def on_commit(self, listener: Callable[[Sequence[LatestRecord]], None]) -> None:
        """Call ``listener`` after each commit with the newest answers it changed."""

    def vehicle(self, vehicle_id: str) -> VehicleRecord | None: ...
    def described(self, vehicle_ids: Iterable[str]) -> dict[str, VehicleRecord]:
        """Those of these vehicles that are stored, by id."""

    def vehicles(
        self, search: str = "", offset: int = 0, limit: int = 100
    ) -> tuple[int, list[VehicleRecord]]: ...
    def description_history(self, vehicle_id: str) -> list[VehicleRecord]: ...

    def known_trips(self, digests: Iterable[str]) -> set[str]:
        """Which of these trip digests are stored already."""

    def trips(self, vehicle_id: str, battery_id: str) -> list[TripRecord]:
        """All trips of a battery in event order (ties by digest), undated ones last."""

    def state(self, vehicle_id: str, battery_id: str) -> BatteryState | None: ...
    def latest(self, vehicle_id: str) -> LatestRecord | None: ...
    def fleet(self, query: FleetQuery) -> FleetPage: ...
    def all_latest(self) -> Iterator[LatestRecord]: ...
    def trend(
        self,
        vehicle_id: str,
        since_s: int | None = None,
        until_s: int | None = None,
        limit: int = 10_000,
    ) -> list[PredictionRecord]: ...
    def daily(self, vehicle_id: str, limit: int = 3660) -> list[DailyRecord]: ...
    def past(self, day: int, soh_below: float, risk_from: float) -> PastFleet:
        """The fleet at the end of ``day`` (days since 1970 UTC), from the rollup. ``attention``
        counts the vehicles with SoH below ``soh_below`` or risk from ``risk_from`` on."""

    def file_counts(self) -> dict[str, int]:
        """How many files are in each state."""

    def files(self, state: str = "", offset: int = 0, limit: int = 100) -> list[FileRecord]: ...
    def file(self, digest: str) -> FileRecord | None: ...

    def prune(self, before_s: int) -> int:
        """Delete predictions and trips older than ``before_s``; the rollup stays. Rows deleted."""

    def export(self, folder: Path) -> list[Path]:
        """Write every table as Parquet into ``folder``; returns the files."""

    def sizes(self) -> list[TableSize]: ...
    def close(self) -> None: ...
