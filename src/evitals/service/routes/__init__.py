"""The endpoints, one file a noun."""

from litestar.handlers import BaseRouteHandler

from evitals.service.routes.files import files
from evitals.service.routes.fleet import export_csv, fleet
from evitals.service.routes.health import live_health, metrics, ready_health
from evitals.service.routes.predict import predict, predict_batch
from evitals.service.routes.trips import trips
from evitals.service.routes.vehicles import put_vehicle, trend, vehicle, vehicles

HANDLERS: list[BaseRouteHandler] = [
    predict,
    predict_batch,
    trips,
    fleet,
    export_csv,
    vehicles,
    vehicle,
    put_vehicle,
    trend,
    files,
    live_health,
    ready_health,
    metrics,
]
"""Every endpoint of the API."""
