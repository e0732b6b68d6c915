"""Made-up answers for benchmarks: a fleet's newest states, different in every round."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from evitals.fleet.open import open_store
from evitals.fleet.records import (
    Batch,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    VehicleRecord,
)

MODEL = ModelRecord(name="benchmark", version="1", digest="be" * 32)
START_S = 1_750_000_000
CHUNK = 2000


def vehicle_id(number: int) -> str:
    """The id of vehicle ``number``."""
    return f"fleet-{number:06d}"


def latest_record(number: int, round_: int) -> LatestRecord:
    """The newest answer of vehicle ``number`` in a round; its event time tells the round."""
    soh = 0.70 + (number * 7919 + round_ * 13) % 3000 / 10_000
    score = (1.0 - soh) + 0.25
    prediction = PredictionRecord(
        vehicle_id=vehicle_id(number),
        battery_id="1",
        trip_digest=f"{number:032x}{round_:032x}",
        event_s=START_S + round_,
        scored_s=START_S + round_,
        kind="drive",
        soh=soh,
        soh_low=soh - 0.02,
        soh_high=soh + 0.02,
        capacity_bms_ah=62.0 * soh,
        capacity_ocv_ah=None,
        resistance_growth=1.1,
        reference_sop_w=75_000.0,
        risk_score=score,
        status="Healthy" if score < 0.5 else "Monitor",
        evidence_count=10,
        reasons=(),
        model=MODEL,
    )
    return LatestRecord(
        prediction=prediction,
        rated_power_w=100_000.0,
        reference_capacity_ah=62.0,
        group="north" if number % 2 else "south",
        soc=0.5,
        temperature_degc=20.0,
        live_sop=None,
    )


def fill(folder: Path, vehicles: int) -> None:
    """A store whose fleet view holds ``vehicles`` newest answers; no history."""
    with closing(open_store(folder)) as store:
        for start in range(0, vehicles, CHUNK):
            chunk = [latest_record(n, 0) for n in range(start, min(start + CHUNK, vehicles))]
            store.submit(batch_of(chunk)).result()


def batch_of(records: Sequence[LatestRecord]) -> Batch:
    """Newest answers and the vehicles they are of."""
    named = tuple(
        VehicleRecord(
            vehicle_id=r.prediction.vehicle_id, battery_id="1", description=None, described_s=1
        )
        for r in records
    )
    return Batch(vehicles=named, latest=tuple(records))
