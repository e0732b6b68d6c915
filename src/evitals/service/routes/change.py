"""``/v1/fleet/change``: what a week has changed, from the daily rollup."""

import time
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from msgspec import Struct

from evitals.fleet.records import PastFleet
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, service_of

DAY_S = 86_400
KEEP_LEAST_S = 5.0
KEEP_PER_COST = 300
"""An answer reads two rows a vehicle: it is kept 300 times as long as it took."""
Days = Annotated[int, QueryParameter(ge=1, le=3660, description="How many days back")]


class FleetChange(Struct, frozen=True, kw_only=True):
    """Now less then; null where nothing is known from then. Both by the rollup of the vehicles'
    present batteries; ``attention`` counts SoH or risk beyond the limits of Monitor."""

    days: int
    vehicles: int | None
    soh_mean: float | None
    attention: int | None


@get(
    "/v1/fleet/change",
    tags=["fleet"],
    summary="What a week has changed",
    sync_to_thread=True,
    responses={200: doc.replies(FleetChange, "Now less then")} | doc.problems(422, 503),
)
def fleet_change(request: Call, days: Days = 7) -> FleetChange:
    """By event time. The more vehicles, the longer an answer is kept: of 100,000 some minutes."""
    service = service_of(request)
    with service.changing:  # many browsers that open at once wait for one answer
        kept = service.changes.get(days)
        if kept is None or kept[0] < time.monotonic():
            kept = _measured(service, days)
            service.changes[days] = kept
        answer: FleetChange = kept[1]
        return answer


def _measured(service: Service, days: int) -> tuple[float, FleetChange]:
    """Until when the answer holds, and the answer."""
    started = time.monotonic()
    today = int(time.time()) // DAY_S
    answer = change_of(days, _at(service, today), _at(service, today - days))
    cost = time.monotonic() - started
    return started + max(KEEP_LEAST_S, KEEP_PER_COST * cost), answer


def change_of(days: int, now: PastFleet, then: PastFleet) -> FleetChange:
    """The difference of two days."""
    if then.vehicles == 0:
        return FleetChange(days=days, vehicles=None, soh_mean=None, attention=None)
    known = now.soh_mean is not None and then.soh_mean is not None
    return FleetChange(
        days=days,
        vehicles=now.vehicles - then.vehicles,
        soh_mean=round((now.soh_mean or 0.0) - (then.soh_mean or 0.0), 6) if known else None,
        attention=now.attention - then.attention,
    )


def _at(service: Service, day: int) -> PastFleet:
    settings = service.settings
    return service.store.past(day, settings.soh_monitor, settings.risk_monitor)
