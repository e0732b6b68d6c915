"""``/health/live``, ``/health/ready`` and ``/metrics``."""

import asyncio

from litestar import Response, get

from evitals.errors import EvitalsError
from evitals.fleet.records import Batch
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, service_of
from evitals.service.schemas import Health

READY_WITHIN_S = 5.0
PROMETHEUS = "text/plain; version=0.0.4"


@get(
    "/health/live",
    tags=["health"],
    summary="Whether the process answers",
    responses={200: doc.replies(Health, "It lives")},
)
async def live_health() -> Health:
    """For a supervisor: restart when this fails."""
    return Health(status="ok", checks={"process": "ok"})


@get(
    "/health/ready",
    tags=["health"],
    summary="Whether it can do its job",
    responses={
        200: doc.replies(Health, "Every part works"),
        503: doc.replies(Health, "A part does not work: `checks` says which"),
    },
)
async def ready_health(request: Call) -> Response[Health]:
    """For a load balancer: the store commits and the folder watch is alive."""
    service = service_of(request)
    checks = {"store": await _store_check(service), "watch": _watch_check(service)}
    ready = all(value in ("ok", "off") for value in checks.values())
    return Response(
        Health(status="ok" if ready else "unavailable", checks=checks),
        status_code=200 if ready else 503,
        headers={} if ready else {"Retry-After": "1"},
    )


@get(
    "/metrics",
    tags=["health"],
    summary="Prometheus metrics",
    media_type=PROMETHEUS,
    sync_to_thread=False,
    responses={200: doc.replies(str, "Prometheus text format", PROMETHEUS)},
)
def metrics(request: Call) -> bytes:
    """Requests, latency, commits, files by state, the writer's queue, models."""
    return service_of(request).metrics.render()


async def _store_check(service: Service) -> str:
    """An empty batch goes the whole way through the writer."""
    try:
        await asyncio.wait_for(service.commit(Batch()), READY_WITHIN_S)
    except TimeoutError:
        return "slow"
    except (EvitalsError, OSError, RuntimeError):
        return "failed"
    return "ok"


def _watch_check(service: Service) -> str:
    if service.watch is None:
        return "off"
    return "ok" if service.watch.alive else "stopped"
