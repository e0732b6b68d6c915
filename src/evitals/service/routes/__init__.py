"""The endpoints, one file a noun."""

from litestar.handlers import BaseRouteHandler

from evitals.service.routes import files, fleet, health, predict, trips, vehicles

HANDLERS: list[BaseRouteHandler] = [
    predict.predict,
    predict.predict_batch,
    trips.trips,
    fleet.fleet,
    fleet.export_csv,
    vehicles.vehicles,
    vehicles.vehicle,
    vehicles.put_vehicle,
    vehicles.trend,
    files.files,
    health.live_health,
    health.ready_health,
    health.metrics,
]
"""Every endpoint of the API."""
