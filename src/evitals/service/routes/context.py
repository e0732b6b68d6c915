"""What every endpoint works with: one ``Service`` per app."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State

from evitals.battery import Vehicle, builtin
from evitals.dashboard.feed import Feed
from evitals.errors import InputError
from evitals.fleet.records import Batch, VehicleRecord
from evitals.fleet.store import Store
from evitals.service.followed import Followed
from evitals.service.gathering import Gathering
from evitals.service.metrics import Metrics
from evitals.service.predict import Known, Predictor
from evitals.service.waiting import Waiting
from evitals.settings import Settings

Call = Request[Any, Any, State]


KNOWN_S = 60.0
"""How long a description may be out of date that another process has changed, s."""
KNOWN_MOST = 20_000


class KnownVehicles:
    """Rows and descriptions read lately: a read of the store costs more than a prediction.

    What this process changes is forgotten at once, what another does within ``KNOWN_S``.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[str, tuple[float, Known]] = {}
        self._changes = 0

    def get(self, vehicle_id: str) -> Known:
        """The vehicle's row, and its description from there, else built in."""
        held = self._held.get(vehicle_id)
        if held is not None and held[0] > self._clock():
            return held[1]
        changes = self._changes
        known = self.read(vehicle_id)
        if len(self._held) >= KNOWN_MOST:
            self._held.clear()
        if changes == self._changes:  # else it may have changed while it was read
            self._held[vehicle_id] = self._clock() + KNOWN_S, known
        return known

    def read(self, vehicle_id: str) -> Known:
        """As ``get``, from the store."""
        record = self._store.vehicle(vehicle_id)
        if record is None or record.description is None:
            return record, builtin().get(vehicle_id)
        return record, msgspec.convert(record.description, Vehicle)

    def all(self, vehicle_ids: Sequence[str]) -> list[Known]:
        """As ``get`` of each."""
        known = {vehicle_id: self.get(vehicle_id) for vehicle_id in set(vehicle_ids)}
        return [known[vehicle_id] for vehicle_id in vehicle_ids]

    def added(self, records: Iterable[VehicleRecord]) -> None:
        """These have a row now; one that has changed meanwhile is read anew."""
        for record in records:
            held = self._held.get(record.vehicle_id)
            if held is not None and held[1][0] is None:
                self._held[record.vehicle_id] = held[0], (record, held[1][1])

    def forget(self, vehicle_id: str) -> None:
        """Read this vehicle anew next time."""
        self._changes += 1
        self._held.pop(vehicle_id, None)


@dataclass(slots=True)
class Service:
    """The parts of a running service. ``checks`` are asked by ``/health/ready``."""

    settings: Settings
    metrics: Metrics
    store: Store
    pipeline: Any
    predictor: Predictor
    feed: Feed
    known: "KnownVehicles"
    watch: Any = None
    waiting: Waiting = field(default_factory=Waiting)
    gathering: Gathering = field(init=False)
    evidence: dict[str, Followed] = field(default_factory=dict)
    """What ``/trend`` computed last, by vehicle."""
    changes: dict[int, tuple[float, Any]] = field(default_factory=dict)
    """What ``/v1/fleet/change`` answered last, by days: until when it holds, and the answer."""
    changing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gathering = Gathering(
            known=lambda vehicle_id: self.known.get(vehicle_id),
            answer=lambda rows, known: self.predictor.answer(rows, known),
            submit=lambda batch: self.store.submit(batch),
            committed=lambda batch: self.known.added(batch.vehicles),
        )

    async def commit(self, batch: Batch) -> None:
        """Wait for the commit that holds the batch; a client that leaves does not undo it."""
        await self.waiting.until_done(self.store.submit(batch))
        for vehicle in batch.vehicles:
            self.known.forget(vehicle.vehicle_id)

    async def committed(self, batch: Batch, done: "Future[None]") -> None:
        """As ``commit`` of a batch of answers that was submitted already."""
        await self.waiting.until_done(done)
        self.known.added(batch.vehicles)


def service_of(request: Call) -> Service:
    """The service behind a request."""
    service: Service = request.app.state.service
    return service


def require_media_type(request: Call, *allowed: str) -> str:
    """The request's media type. Raises InputError (415) where it is not one of ``allowed``."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise InputError(
            "Content-Type",
            given,
            "is not accepted here",
            f"send {' or '.join(allowed)}",
            reason="unsupported_media_type",
        )
    return given


def not_found(what: str, name: str) -> InputError:
    """A 404 that names what is missing."""
    return InputError(what, name, "is not known", f"see the list of {what}s", reason="not_found")
