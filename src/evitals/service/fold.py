"""One fold per battery: stored trips in event order, through the assessor, into records.

The newest trips step on from the checkpoint; a late one replays from the first. Both end in the
same state because the assessor is a pure fold and sees only what is stored.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from evitals.battery import Vehicle
from evitals.estimators import assessor
from evitals.estimators.answer import Answer, Segment
from evitals.features import unpack
from evitals.fleet.records import (
    BatteryState,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
)
from evitals.fleet.store import Store
from evitals.settings import Settings


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold brought: answers by trip digest, and the records that change."""

    answers: dict[str, Answer]
    last: TripRecord
    predictions: tuple[PredictionRecord, ...]
    latest: LatestRecord
    state: BatteryState


def enters(trip: TripRecord) -> bool:
    """Whether a trip enters the fold: dated, and driven rather than sent as finished features."""
    return trip.event_s is not None and trip.kind != "test"


def event_order(trip: TripRecord) -> tuple[int, str]:
    """Sorts dated trips: event time, then digest, as the store does."""
    assert trip.event_s is not None
    return trip.event_s, trip.digest


def fold(
    store: Store,
    vehicle: Vehicle,
    new: Sequence[TripRecord],
    settings: Settings,
    *,
    replay: bool = False,
) -> Folded | None:
    """Fold ``new`` trips of ``vehicle`` (its battery as described) into its estimate.

    ``replay`` starts from the first trip and rewrites every prediction (a description or model
    has changed). None where no trip of the battery has an event time. Nothing is written.
    """
    fresh = sorted(filter(enters, new), key=event_order)
    digest = assessor.model_digest(vehicle.battery, settings)
    state = store.state(vehicle.vehicle_id, vehicle.battery_id)
    if state is not None and state.model_digest != digest:
        state, replay = None, True
    machine = assessor.Assessor(vehicle.battery, settings)
    if state and fresh and not replay and event_order(fresh[0]) > _after(state):
        machine.restore(state.state)
        trips, changed = fresh, fresh
    else:
        stored = {t.digest: t for t in store.trips(vehicle.vehicle_id, vehicle.battery_id)}
        stored |= {t.digest: t for t in fresh}
        trips = sorted(filter(enters, stored.values()), key=event_order)
        first = event_order(fresh[0]) if fresh and state and not replay else (-(2**62), "")
        changed = [t for t in trips if event_order(t) >= first]
        machine.reset()
    if not trips:
        return None
    # Of old trips nobody asks the live SoP.
    answers = {t.digest: machine.step(segment(t), live=t is trips[-1]) for t in trips}
    model = ModelRecord(name=assessor.MODEL, version=assessor.VERSION, digest=digest)
    predictions = tuple(predict(trip, answers[trip.digest], model) for trip in changed)
    last = trips[-1]
    return Folded(
        answers=answers,
        last=last,
        predictions=predictions,
        latest=_latest(vehicle, predict(last, answers[last.digest], model), answers[last.digest]),
        state=BatteryState(
            vehicle_id=vehicle.vehicle_id,
            battery_id=vehicle.battery_id,
            last_event_s=event_order(last)[0],
            last_digest=last.digest,
            model_digest=digest,
            state=machine.state(),
        ),
    )


def segment(trip: TripRecord) -> Segment:
    """A stored trip as the estimators see it."""
    return Segment(
        kind=trip.kind,  # type: ignore[arg-type]  # "test" does not enter
        event_s=event_order(trip)[0],
        event_assumed=trip.event_assumed,
        duration_s=trip.duration_s,
        continues=trip.continues,
        digest=trip.digest,
        features=unpack(trip.features),
        findings=frozenset(trip.findings),
    )


def predict(trip: TripRecord, answer: Answer, model: ModelRecord) -> PredictionRecord:
    """An answer as the row that is remembered."""
    return PredictionRecord(
        vehicle_id=trip.vehicle_id,
        battery_id=trip.battery_id,
        trip_digest=trip.digest,
        event_s=trip.event_s,
        scored_s=int(time.time()),
        kind=trip.kind,
        soh=answer.soh.value,
        soh_low=answer.soh.low,
        soh_high=answer.soh.high,
        capacity_bms_ah=answer.capacity["bms_soc"].value,
        capacity_ocv_ah=answer.capacity["ocv"].value,
        resistance_growth=answer.resistance_growth.value,
        reference_sop_w=answer.reference_sop_w.value,
        risk_score=answer.risk_score,
        status=answer.status,
        evidence_count=answer.evidence_count,
        reasons=answer.reasons,
        model=model,
    )


def replaced(before: LatestRecord, vehicle: Vehicle) -> LatestRecord:
    """What is known of a vehicle whose battery was replaced and has no dated trip yet: nothing.

    It keeps the last trip's digest and event time, so that it is the newest answer."""
    prediction = msgspec.structs.replace(
        before.prediction,
        battery_id=vehicle.battery_id,
        scored_s=int(time.time()),
        soh=None,
        soh_low=None,
        soh_high=None,
        capacity_bms_ah=None,
        capacity_ocv_ah=None,
        resistance_growth=None,
        reference_sop_w=None,
        risk_score=None,
        status="Unknown",
        evidence_count=0,
        reasons=("battery_replaced",),
    )
    return LatestRecord(
        prediction=prediction,
        rated_power_w=vehicle.battery.rated_power_w,
        reference_capacity_ah=vehicle.battery.reference_capacity_ah,
        group=vehicle.group,
        soc=None,
        temperature_degc=None,
        live_sop=None,
    )


def _after(state: BatteryState) -> tuple[int, str]:
    return state.last_event_s, state.last_digest


def _latest(vehicle: Vehicle, prediction: PredictionRecord, answer: Answer) -> LatestRecord:
    live = {
        f"{p.direction}_{p.horizon_s:g}s": {"power_w": p.power_w, "limit": p.limit}
        for p in answer.live_sop
    }
    return LatestRecord(
        prediction=prediction,
        rated_power_w=vehicle.battery.rated_power_w,
        reference_capacity_ah=vehicle.battery.reference_capacity_ah,
        group=vehicle.group,
        soc=answer.soc,
        temperature_degc=answer.temperature_degc,
        live_sop=live or None,
    )
