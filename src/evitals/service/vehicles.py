"""Describing a vehicle: the description is kept, its estimate rebuilt, its held files read."""

from evitals.battery import Vehicle
from evitals.fleet.records import Batch
from evitals.fleet.store import Store
from evitals.service.intake import Intake
from evitals.service.known import vehicle_record
from evitals.service.pipeline import Pipeline
from evitals.service.report import IngestReport


def put_vehicle(store: Store, vehicle: Vehicle, pipeline: Pipeline) -> list[IngestReport]:
    """Describe a vehicle, or describe it anew, and wait for the commit.

    A changed description rebuilds its estimate; files held for it are read now. Returns what
    those files brought.
    """
    before = store.vehicle(vehicle.vehicle_id)
    record = vehicle_record(vehicle)
    if before is None or before.description != record.description:
        store.submit(Batch(vehicles=(record,))).result()
        pipeline.rescore(vehicle.vehicle_id)
    return Intake(pipeline).release(vehicle.vehicle_id)
