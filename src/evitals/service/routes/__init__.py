"""The endpoints, one file a noun."""

from litestar.handlers import BaseRouteHandler

from evitals.service.routes import (
    change,
    compare,
    files,
    fleet,
    health,
    history,
    intake,
    predict,
    samples,
    trips,
    vehicles,
)

HANDLERS: list[BaseRouteHandler] = [
    predict.predict,
    predict.predict_batch,
    trips.trips,
    fleet.fleet,
    fleet.export_csv,
    change.fleet_change,
    compare.compare,
    vehicles.vehicles,
    vehicles.vehicle,
    vehicles.put_vehicle,
    vehicles.trend,
    history.vehicle_trips,
    history.usage,
    history.descriptions,
    samples.samples,
    files.files,
    intake.retry,
    health.live_health,
    health.ready_health,
    health.metrics,
]
"""Every endpoint of the API."""
