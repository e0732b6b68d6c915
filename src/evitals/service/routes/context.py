"""What every endpoint works with: one ``Service`` per app."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State

from evitals.battery import Vehicle
from evitals.dashboard.feed import Feed
from evitals.errors import InputError
from evitals.fleet.records import Batch, VehicleRecord
from evitals.fleet.store import Store
from evitals.service.known import find_vehicle
from evitals.service.metrics import Metrics
from evitals.service.predict import Predictor
from evitals.settings import Settings

Call = Request[Any, Any, State]


@dataclass(slots=True)
class Service:
    """The parts of a running service. ``checks`` are asked by ``/health/ready``."""

    settings: Settings
    metrics: Metrics
    store: Store
    pipeline: Any
    predictor: Predictor
    feed: Feed
    watch: Any = None

    def vehicle(self, vehicle_id: str) -> tuple[VehicleRecord | None, Vehicle | None]:
        """A vehicle's row and its description (stored or built in), where there are any."""
        return self.store.vehicle(vehicle_id), find_vehicle(self.store, vehicle_id)

    async def commit(self, batch: Batch) -> None:
        """Wait for the commit that holds the batch; a client that leaves does not undo it."""
        await asyncio.shield(asyncio.wrap_future(self.store.submit(batch)))


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
