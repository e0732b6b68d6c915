"""The estimators against the truth: a simulated fleet, scored after 60 trips and at its end.

The twin's BMS, sensors and tables have errors of sizes the estimators are not told. Every vehicle
goes through the same door as a real one: recordings are checked, cut, turned into features and
folded in order of event time. What is fed is the first ``FIRST`` recordings and then
``WINDOW_DAYS`` days in every ``EVERY_DAYS``, up to the last day: a telematics unit that reports by
campaigns. The life between is lived all the same. Truth is read from the pack, after the fold.
"""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from msgspec import Struct, structs

from evitals.battery import Vehicle
from evitals.errors import InputError
from evitals.estimators.answer import Answer, Segment
from evitals.estimators.assessor import Assessor
from evitals.estimators.power import (
    REFERENCE_HORIZON_S,
    REFERENCE_SOC,
    REFERENCE_TEMPERATURE_DEGC,
)
from evitals.service import pulse
from evitals.service.fold import segment
from evitals.service.prepare import prepare
from evitals.service.workers import mapped
from evitals.settings import Settings
from evitals.telemetry.recording import Recording
from evitals.twin import circuit
from evitals.twin.faults import BOUNDS, KINDS, Fault
from evitals.twin.fleet import DAY_S, START_S, Fleet
from evitals.twin.recorder import TwinTrip

TARGET_COVERAGE = (0.86, 0.94)
TARGET_MAE = 0.02
"""SoH, with rests, after ``FIRST`` trips."""
FIRST = 60
WINDOW_DAYS, EVERY_DAYS = 12, 91
FAULT_FROM, FAULT_TO = 0.1, 0.6
"""Shares of a life between which a fault begins."""


class Power(Struct, frozen=True, kw_only=True):
    """A 10 s power at the moment, W: estimated (and what binds it) and true."""

    direction: str
    estimate_w: float
    limit: str
    true_w: float


class Point(Struct, frozen=True, kw_only=True):
    """A vehicle at one moment: truth, answer and baselines (SoH, fractions; power, W)."""

    true_soh: float
    soh: float | None
    low: float | None
    high: float | None
    bms_soc_only: float | None
    ocv: float | None
    last_trip: float | None
    evidence_count: int
    reference_w: float | None
    reference_low_w: float | None
    reference_high_w: float | None
    true_reference_w: float
    powers: tuple[Power, ...]


class Verdict(Struct, frozen=True, kw_only=True):
    """One vehicle: after ``FIRST`` recordings (None where it made fewer), and at the end."""

    vehicle_id: str
    fault: str
    fed: int
    early: Point | None
    end: Point


class Trial(Struct, frozen=True, kw_only=True):
    """What is simulated. With ``faults`` each vehicle has one, the kinds in turn."""

    vehicles: int = 500
    days: int = 1096
    seed: int = 20_260_001
    rests: bool = True
    trips_per_day: float = 1.0
    faults: bool = False

    def fleet(self) -> Fleet:
        """The fleet, its faults dated and sized by the seed."""
        given = {i: [self.fault(i)] for i in range(self.vehicles)} if self.faults else None
        return Fleet(
            vehicles=self.vehicles,
            days=self.days,
            seed=self.seed,
            rests=self.rests,
            trips_per_day=self.trips_per_day,
            faults=given,
        )

    def fault(self, i: int) -> Fault:
        """The fault of vehicle ``i``: size log-uniform within its bounds, either sign if any."""
        rng = np.random.default_rng([self.seed, i, 3])
        kind = KINDS[i % len(KINDS)]
        low, high, signed, _ = BOUNDS[kind]
        size = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        size = -size if signed and rng.random() < 0.5 else min(max(size, low), high)
        first = START_S // DAY_S
        return Fault(kind, first + int(self.days * rng.uniform(FAULT_FROM, FAULT_TO)), size)


def without_rated_power(vehicle: Vehicle) -> Vehicle:
    """The vehicle with nothing to clip power estimates at: their errors would hide behind it."""
    battery = structs.replace(vehicle.battery, rated_power_w=None)
    return structs.replace(vehicle, battery=battery)


def segments(trip: TwinTrip, vehicle: Vehicle, name: str) -> list[Segment]:
    """A twin's recording as the service would check, cut and remember it."""
    recording = Recording(
        table=pl.DataFrame(trip.columns).fill_nan(None),
        source="evitals",
        digest=name,
        level="pack",
        vehicle_id=vehicle.vehicle_id,
        start=datetime.fromtimestamp(trip.start_s, UTC),
        start_origin="file",
    )
    return [segment(kept) for kept in prepare(recording, vehicle).trips]


def judge(trial: Trial, settings: Settings, i: int) -> Verdict:
    """Fold what is fed of vehicle ``i``; set its answers beside the truth of those moments."""
    fleet = trial.fleet()
    vehicle = without_rated_power(fleet.vehicle(i))
    fed: list[tuple[int, list[Segment]]] = []
    packs: dict[int, pulse.Pack] = {}
    for trip in fleet.trips(i):
        day = (trip.start_s - START_S) // DAY_S
        if len(fed) >= FIRST and (trial.days - 1 - day) % EVERY_DAYS >= WINDOW_DAYS:
            continue
        number = len(fed)
        fed.append((number, segments(trip, vehicle, f"{vehicle.vehicle_id}-{number}")))
        packs = {k: pack for k, pack in packs.items() if k == FIRST - 1}
        if trip.pack is not None:
            packs[number] = trip.pack
    if not any(parts for _, parts in fed):
        raise InputError("days", trial.days, "gives no trip", "simulate more days")
    fed.sort(key=lambda one: (one[1][0].event_s if one[1] else 0, one[0]))
    found = _answers(vehicle, settings, fed, packs)
    return Verdict(
        vehicle_id=vehicle.vehicle_id,
        fault=trial.fault(i).kind if trial.faults else "",
        fed=len(fed),
        early=found.get(FIRST - 1),
        end=found[max(found)],
    )


def _answers(
    vehicle: Vehicle,
    settings: Settings,
    fed: Sequence[tuple[int, list[Segment]]],
    packs: dict[int, pulse.Pack],
) -> dict[int, Point]:
    """Points after the recordings whose packs are known."""
    assessor = Assessor(vehicle.battery, settings)
    found: dict[int, Point] = {}
    last: float | None = None
    for number, parts in fed:
        answer: Answer | None = None
        for k, part in enumerate(parts):
            live = number in packs and k == len(parts) - 1
            answer = assessor.step(part, live=live)
            made = [e.capacity_ah for e in answer.evidence if e.method == "bms_soc"]
            last = next((c for c in made if c is not None), last)
        if answer is not None and number in packs:
            found[number] = _point(vehicle, answer, packs[number], last)
    return found


def _point(vehicle: Vehicle, answer: Answer, pack: pulse.Pack, last: float | None) -> Point:
    battery, p = vehicle.battery, pack[1]
    reference_ah = battery.reference_capacity_ah
    bms, ocv = answer.capacity["bms_soc"].value, answer.capacity["ocv"].value
    power = answer.reference_sop_w
    true_reference = pulse.reference_w(
        pack, REFERENCE_SOC, REFERENCE_TEMPERATURE_DEGC, int(REFERENCE_HORIZON_S)
    )
    return Point(
        true_soh=float(p[circuit.CAPACITY_AH]) / reference_ah,
        soh=answer.soh.value,
        low=answer.soh.low,
        high=answer.soh.high,
        bms_soc_only=None if bms is None else bms / reference_ah,
        ocv=None if ocv is None else ocv / reference_ah,
        last_trip=None if last is None else last / reference_ah,
        evidence_count=answer.evidence_count,
        reference_w=power.value,
        reference_low_w=power.low,
        reference_high_w=power.high,
        true_reference_w=true_reference,
        powers=tuple(
            Power(
                direction=limit.direction,
                estimate_w=limit.power_w,
                limit=limit.limit,
                true_w=pulse.power_w(pack, limit.direction),
            )
            for limit in answer.live_sop
            if limit.horizon_s == REFERENCE_HORIZON_S
        ),
    )


def verdicts(
    trial: Trial, *, workers: int = 1, progress: Callable[[int], None] = lambda _: None
) -> list[Verdict]:
    """``judge`` for every vehicle, in order; ``progress`` is told how many are done."""
    one = partial(judge, trial, Settings())
    done: dict[int, Verdict] = {}
    for i, verdict in mapped(one, range(trial.vehicles), workers, "processes"):
        done[i] = verdict
        progress(len(done))
    return [done[i] for i in range(trial.vehicles)]


def score(
    trial: Trial, *, workers: int | None = None, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Error and coverage of SoH and power over a simulated fleet, beside baselines.

    ``early`` is after ``FIRST`` recordings, ``end`` at the end of life, each as ``summary`` gives
    it. With faults also ``by_fault``. ``workers`` are processes, one a core by default.
    """
    if workers is None:
        workers = (os.cpu_count() or 1) if trial.vehicles >= 20 else 1
    found = verdicts(trial, workers=workers, progress=progress)
    report: dict[str, Any] = {
        "vehicles": trial.vehicles,
        "days": trial.days,
        "seed": trial.seed,
        "rests": trial.rests,
        "faults": trial.faults,
        "trips_per_day": trial.trips_per_day,
        "fed_median": float(np.median([v.fed for v in found])),
        "target_coverage": list(TARGET_COVERAGE),
        "early": summary([v.early for v in found if v.early is not None]),
        "end": summary([v.end for v in found]),
    }
    if trial.faults:
        kinds = {v.fault: None for v in found}
        report["by_fault"] = {
            kind: summary([v.end for v in found if v.fault == kind]) for kind in kinds
        }
    return report


def summary(points: Sequence[Point]) -> dict[str, Any]:
    """Errors are fractions of SoH over the vehicles answered: ``mae``, ``bias``, ``p95`` (of the
    absolute error). ``coverage_90`` is the share of answered vehicles whose interval holds the
    truth. Powers: relative errors of the 10 s power, at the moment by direction, and of the
    reference power with the coverage of its interval."""
    truth = np.array([p.true_soh for p in points])
    held = [(p.low, p.true_soh, p.high) for p in points]
    widths = [high - low for low, _, high in held if low is not None and high is not None]
    powers = [power for p in points for power in p.powers]
    return {
        "vehicles": len(points),
        "answered": sum(p.soh is not None for p in points),
        "true_soh_range": [float(truth.min()), float(truth.max())] if len(truth) else None,
        "soh": errors([p.soh for p in points], truth),
        "coverage_90": _coverage(held),
        "interval_width_mean": float(np.mean(widths)) if widths else None,
        "evidence_median": float(np.median([p.evidence_count for p in points])) if points else None,
        "baselines": {
            "no_ageing": errors([1.0] * len(points), truth),
            "last_trip_charge_over_soc": errors([p.last_trip for p in points], truth),
            "bms_soc_alone": errors([p.bms_soc_only for p in points], truth),
            "ocv_alone": errors([p.ocv for p in points], truth),
        },
        "power": {
            "reference": _reference(points),
            **{
                way: _relative([(x.estimate_w, x.true_w) for x in powers if x.direction == way])
                for way in ("discharge", "charge")
            },
        },
    }


def _reference(points: Sequence[Point]) -> dict[str, Any] | None:
    known = [(p.reference_w, p.true_reference_w) for p in points if p.reference_w is not None]
    found = _relative(known)
    if found is None:
        return None
    held = [(p.reference_low_w, p.true_reference_w, p.reference_high_w) for p in points]
    return found | {"coverage_90": _coverage(held)}


def _coverage(held: Sequence[tuple[float | None, float, float | None]]) -> float | None:
    inside = [
        low <= truth <= high for low, truth, high in held if low is not None and high is not None
    ]
    return float(np.mean(inside)) if inside else None


def _relative(pairs: Sequence[tuple[float | None, float]]) -> dict[str, float | int] | None:
    """Errors over the truth, where that is above 0: size (median, 95th percentile), median bias."""
    off = np.array([e / t - 1.0 for e, t in pairs if e is not None and t > 0.0])
    if not off.size:
        return None
    return {
        "vehicles": int(off.size),
        "median": float(np.median(np.abs(off))),
        "p95": float(np.percentile(np.abs(off), 95)),
        "bias": float(np.median(off)),
        "too_high_share": float(np.mean(off > 0.0)),
    }


def errors(values: Sequence[float | None], truth: np.ndarray) -> dict[str, float | int] | None:
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
