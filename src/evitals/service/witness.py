"""The estimators against the truth: a simulated fleet, one score a vehicle at its history's end.

The twin's BMS, sensors and tables have errors of sizes the estimators are not told. Every vehicle
goes through the same door as a real one: recordings are cut, turned into features and folded.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
from msgspec import Struct

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Answer, Segment
from evitals.estimators.assessor import Assessor
from evitals.features import extract
from evitals.settings import Settings
from evitals.telemetry.recording import Recording
from evitals.telemetry.trips import cut
from evitals.twin.fleet import Fleet
from evitals.twin.recorder import TwinTrip

TARGET_COVERAGE = (0.86, 0.94)


class Verdict(Struct, frozen=True, kw_only=True):
    """One vehicle at the end of its history: truth, answer and baselines (SoH, fractions)."""

    vehicle_id: str
    true_soh: float
    soh: float | None
    low: float | None
    high: float | None
    bms_soc_only: float | None
    ocv: float | None
    last_trip: float | None
    evidence_count: int
    status: str


def segments(trip: TwinTrip, battery: Battery, name: str) -> Iterator[Segment]:
    """A twin's recording as the pipeline would cut it."""
    recording = Recording(
        table=pl.DataFrame(trip.columns), source="twin", digest=name, level="pack"
    )
    for piece in cut(recording, battery):
        columns = {c: piece.table[c].to_numpy() for c in piece.table.columns}
        yield Segment(
            kind=piece.kind,
            event_s=trip.start_s + round(piece.offset_s),
            event_assumed=False,
            duration_s=piece.duration_s,
            continues=piece.continues,
            digest=piece.digest,
            features=extract(columns, battery),
        )


def judge(fleet: Fleet, i: int, settings: Settings) -> Verdict:
    """Fold all of vehicle ``i`` and set its last answer beside the truth of that day."""
    vehicle = fleet.vehicle(i)
    battery = vehicle.battery
    assessor = Assessor(battery, settings)
    answer: Answer | None = None
    last: float | None = None
    for k, trip in enumerate(fleet.trips(i)):
        for segment in segments(trip, battery, f"{vehicle.vehicle_id}-{k}"):
            answer = assessor.step(segment, live=False)
            made = [e.capacity_ah for e in answer.evidence if e.method == "bms_soc"]
            last = next((c for c in made if c is not None), last)
    if answer is None:
        raise InputError("days", fleet.days, "gives no trip", "simulate more days")
    reference = battery.reference_capacity_ah
    bms, ocv = answer.capacity["bms_soc"].value, answer.capacity["ocv"].value
    return Verdict(
        vehicle_id=vehicle.vehicle_id,
        true_soh=fleet.truth(i)[-1].soh,
        soh=answer.soh.value,
        low=answer.soh.low,
        high=answer.soh.high,
        bms_soc_only=None if bms is None else bms / reference,
        ocv=None if ocv is None else ocv / reference,
        last_trip=None if last is None else last / reference,
        evidence_count=answer.evidence_count,
        status=answer.status,
    )


def verdicts(
    vehicles: int,
    days: int,
    seed: int,
    rests: bool,
    *,
    trips_per_day: float = 1.0,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Verdict]:
    """``judge`` for every vehicle of a fleet, in order; ``progress`` is told how many are done."""
    fleet = Fleet(vehicles=vehicles, days=days, seed=seed, rests=rests, trips_per_day=trips_per_day)
    one = partial(judge, fleet, settings=Settings())
    done: list[Verdict] = []
    if workers > 1:
        # Spawned, not forked: the parent may run threads.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for verdict in pool.map(one, range(vehicles), chunksize=5):
                done.append(verdict)
                if progress:
                    progress(len(done))
        return done
    for i in range(vehicles):
        done.append(one(i))
        if progress:
            progress(len(done))
    return done


def score(
    vehicles: int = 500,
    days: int = 90,
    seed: int = 20_260_001,
    rests: bool = True,
    *,
    trips_per_day: float = 0.7,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """SoH error and coverage of the 90 % interval over a simulated fleet, beside baselines.

    Errors are fractions of SoH over the vehicles answered: ``mae``, ``bias``, ``p95`` (of the
    absolute error). ``coverage_90`` is the share of answered vehicles whose interval holds the
    truth. ``workers`` are processes, one a core by default.
    """
    if workers is None:
        workers = (os.cpu_count() or 1) if vehicles >= 20 else 1
    found = verdicts(
        vehicles, days, seed, rests, trips_per_day=trips_per_day, workers=workers, progress=progress
    )
    truth = np.array([v.true_soh for v in found])
    answered = [v for v in found if v.soh is not None and v.low is not None and v.high is not None]
    inside = [(v.low or 0.0) <= v.true_soh <= (v.high or 0.0) for v in answered]
    widths = [(v.high or 0.0) - (v.low or 0.0) for v in answered]
    return {
        "vehicles": vehicles,
        "days": days,
        "seed": seed,
        "rests": rests,
        "trips_per_day": trips_per_day,
        "answered": len(answered),
        "true_soh_range": [float(truth.min()), float(truth.max())],
        "soh": errors([v.soh for v in found], truth),
        "coverage_90": float(np.mean(inside)) if inside else None,
        "interval_width_mean": float(np.mean(widths)) if widths else None,
        "target_coverage": list(TARGET_COVERAGE),
        "baselines": {
            "no_ageing": errors([1.0] * len(found), truth),
            "last_trip_charge_over_soc": errors([v.last_trip for v in found], truth),
            "bms_soc_alone": errors([v.bms_soc_only for v in found], truth),
            "ocv_alone": errors([v.ocv for v in found], truth),
        },
        "evidence_median": float(np.median([v.evidence_count for v in found])),
    }


def errors(values: list[float | None], truth: np.ndarray) -> dict[str, float | int] | None:
    """Mean absolute error, bias and 95th percentile of the known values; None without any."""
    pairs = [(v, t) for v, t in zip(values, truth.tolist(), strict=True) if v is not None]
    if not pairs:
        return None
    off = np.array([v - t for v, t in pairs])
    return {
        "vehicles": len(pairs),
        "mae": float(np.abs(off).mean()),
        "bias": float(off.mean()),
        "p95": float(np.percentile(np.abs(off), 95)),
    }
