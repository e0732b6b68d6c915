"""``POST /predict``: the reference's request as a capacity test, its answer and its records.

The reference's field names are aliases here only; the physics is in
``evitals.estimators.capacity_test``.
"""

import hashlib
import math
import time
from array import array
from datetime import UTC
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from evitals.battery import Vehicle
from evitals.errors import InputError
from evitals.estimators import capacity_test
from evitals.estimators.capacity_test import CapacityTest, Discharge
from evitals.estimators.estimate import Estimate
from evitals.estimators.risk import RiskRule, risk_score
from evitals.fleet.records import (
    Batch,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.service.digest import trip_digest
from evitals.service.problems import invalid_field, malformed
from evitals.service.schemas import Interval, Model, PredictReply, PredictRequest, time_of
from evitals.settings import Settings

CELL_VOLTAGE_MAX = 5.0
DAY_S = 86_400.0

FEATURES = tuple(
    field.name
    for field in msgspec.structs.fields(PredictRequest)
    if field.name not in ("vehicle_id", "event_time")
)
"""What is stored of a test, in this order, as float32 (NaN where missing)."""
_values = attrgetter(*FEATURES)
KNOWN = frozenset((*FEATURES, "vehicle_id", "event_time"))


def rounded(request: PredictRequest) -> PredictRequest:
    """The request in float32, as it is stored, so that the row reproduces the answer."""
    return _with_features(request, _features(request))


def features_of(request: PredictRequest) -> bytes:
    """``FEATURES`` as float32 bytes in the machine's order."""
    return _features(request).tobytes()


def request_of(features: bytes, vehicle_id: str) -> PredictRequest:
    """The request of a stored test: the inverse of ``features_of``."""
    empty = PredictRequest(vehicle_id=vehicle_id, discharge_time_s=math.nan, avg_current=math.nan)
    return _with_features(empty, array("f", features))


def _features(request: PredictRequest) -> "array[float]":
    return array("f", [math.nan if v is None else v for v in _values(request)])


def _with_features(request: PredictRequest, features: "array[float]") -> PredictRequest:
    values = [None if math.isnan(v) else v for v in features]
    return msgspec.structs.replace(request, **dict(zip(FEATURES, values, strict=True)))


def request_digest(request: PredictRequest, event_time: str) -> str:
    """Digest of the request's fields in canonical JSON and the event time (or arrival)."""
    stamped: Any = msgspec.structs.replace(request, event_time=event_time)
    return trip_digest(msgspec.json.encode(stamped, order="sorted"))


def measure(request: PredictRequest, vehicle: Vehicle | None = None) -> CapacityTest:
    """The capacity test of a request; ``vehicle`` supplies what the request lacks.

    Raises InputError: ``wrong_level`` for pack data or a vehicle described as a pack,
    ``no_current`` where no charge moved.
    """
    _check_level(request, vehicle)
    if request.avg_current == 0.0:
        raise InputError(
            "avg_current", 0.0, "moves no charge", "send the mean current", reason="no_current"
        )
    return capacity_test.measure(discharge_of(request), vehicle.battery if vehicle else None)


def discharge_of(request: PredictRequest) -> Discharge:
    """The request by the names the estimators know; ``dod`` becomes a fraction."""
    voltage = request.avg_voltage
    return Discharge(
        current_a=request.avg_current,
        duration_s=request.discharge_time_s,
        current_std_a=request.current_std,
        other_current_a=request.current_A_mean,
        voltage_v=request.voltage_V_mean if voltage is None else voltage,
        temperature_degc=request.temperature_C_mean,
        depth=None if request.dod is None else request.dod / 100.0,
        reference_capacity_ah=request.reference_capacity_ah,
        rated_power_w=request.rated_power_w,
    )


def _check_level(request: PredictRequest, vehicle: Vehicle | None) -> None:
    remedy = "send a cell's discharge, or the pack's trips to POST /v1/trips"
    for name in ("avg_voltage", "voltage_V_mean"):
        voltage = getattr(request, name)
        if voltage is not None and voltage > CELL_VOLTAGE_MAX:
            problem = f"V is no single cell's voltage (at most {CELL_VOLTAGE_MAX:g} V)"
            raise InputError(name, voltage, problem, remedy, reason="wrong_level")
    if vehicle is not None and vehicle.battery.level == "pack":
        raise InputError(
            "vehicle_id", request.vehicle_id, "is described as a pack", remedy, reason="wrong_level"
        )


class Answered(Struct, frozen=True):
    """A reply and the batch that must be committed before it is sent."""

    reply: PredictReply
    batch: Batch


class Predictor:
    """Answers capacity tests by the measurement above and the settings' status rule."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = ModelRecord(
            name=capacity_test.MODEL_NAME,
            version=capacity_test.MODEL_VERSION,
            digest=_model_digest(settings),
        )

    def answer(
        self,
        request: PredictRequest,
        ignored: tuple[str, ...],
        record: VehicleRecord | None,
        vehicle: Vehicle | None,
    ) -> Answered:
        """The answer to ``request``; ``record`` and ``vehicle`` are what the store knows of it.

        Raises InputError as ``measure``.
        """
        arrived_ns = time.time_ns()
        request = rounded(request)
        test = measure(request, vehicle)
        event = request.event_time
        event_s = arrived_ns // 10**9 if event is None else int(event.timestamp())
        stamp = str(arrived_ns) if event is None else event.astimezone(UTC).isoformat()
        power = capacity_test.reference_power(test, vehicle.battery if vehicle else None)
        score = risk_score(test.soh.value, power.value, test.rated_power_w)
        extra = ("ignored_fields",) if ignored else ()
        reasons = (*test.soh.reasons, *power.reasons, *extra)
        prediction = PredictionRecord(
            vehicle_id=request.vehicle_id,
            battery_id=carried.battery_id if (carried := record or vehicle) else "1",
            trip_digest=request_digest(request, stamp),
            event_s=event_s,
            scored_s=arrived_ns // 10**9,
            kind="test",
            soh=test.soh.value,
            soh_low=test.soh.low,
            soh_high=test.soh.high,
            capacity_bms_ah=None,
            capacity_ocv_ah=None,
            resistance_growth=None,
            reference_sop_w=power.value,
            risk_score=score,
            status=RiskRule(self.settings).step(test.soh.value, score, new_evidence=True),
            evidence_count=1,
            reasons=reasons,
            model=self.model,
        )
        return Answered(
            _reply(prediction, test, power, ignored),
            _batch(prediction, request, test, record, vehicle),
        )


def _model_digest(settings: Settings) -> str:
    """The test's own digest and the settings of the status rule."""
    rule = [
        settings.risk_monitor,
        settings.risk_priority,
        settings.soh_monitor,
        settings.soh_priority,
    ]
    rules = msgspec.json.encode([capacity_test.model_digest(), rule])
    return hashlib.sha256(rules).hexdigest()


def _reply(
    prediction: PredictionRecord,
    test: CapacityTest,
    power: Estimate,
    ignored: tuple[str, ...],
) -> PredictReply:
    soh = test.soh
    return PredictReply(
        vehicle_id=prediction.vehicle_id,
        predicted_soh=soh.value,
        predicted_sop=prediction.reference_sop_w,
        health_score=prediction.risk_score,
        status=prediction.status,
        interval=_interval(soh),
        sop_interval=_interval(power),
        validity=soh.validity,
        reasons=prediction.reasons,
        ignored=ignored,
        capacity_ah=test.capacity_ah,
        reference_capacity_ah=test.reference_capacity_ah,
        model=Model(prediction.model.name, prediction.model.version, prediction.model.digest),
        event_time=time_of(prediction.event_s or 0),
        trip_digest=prediction.trip_digest,
    )


def _interval(estimate: Estimate) -> Interval | None:
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(estimate.low, estimate.high)


def _batch(
    prediction: PredictionRecord,
    request: PredictRequest,
    test: CapacityTest,
    record: VehicleRecord | None,
    vehicle: Vehicle | None,
) -> Batch:
    """What is remembered: the answer, what it was computed from, and a vehicle if it is new."""
    new = VehicleRecord(
        vehicle_id=prediction.vehicle_id,
        battery_id=prediction.battery_id,
        description=None,
        described_s=prediction.scored_s,
    )
    trip = TripRecord(
        vehicle_id=prediction.vehicle_id,
        battery_id=prediction.battery_id,
        digest=prediction.trip_digest,
        sequence=0,
        kind="test",
        event_s=prediction.event_s,
        event_assumed=request.event_time is None,
        continues=False,
        duration_s=request.discharge_time_s,
        source="predict",
        file_name="",
        findings=(),
        features=features_of(request),
    )
    latest = LatestRecord(
        prediction=prediction,
        rated_power_w=test.rated_power_w,
        reference_capacity_ah=test.reference_capacity_ah,
        group=vehicle.group if vehicle else "",
        soc=None,
        temperature_degc=request.temperature_C_mean,
        live_sop=None,
    )
    return Batch(
        vehicles=() if record else (new,),
        trips=(trip,),
        predictions=(prediction,),
        latest=(latest,),
    )


def parse_predict(body: bytes) -> tuple[PredictRequest, tuple[str, ...]]:
    """A ``/predict`` body and the names of fields it has that we do not know.

    Raises InputError: ``malformed_body`` where it is no JSON object, else naming the field.
    """
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error
    return convert_predict(raw)


def convert_predict(raw: Any) -> tuple[PredictRequest, tuple[str, ...]]:
    """A decoded ``/predict`` object, as ``parse_predict``."""
    if not isinstance(raw, dict):
        raise InputError(
            "body", raw, "is not a JSON object", "see /schema", reason="malformed_body"
        )
    try:
        request = msgspec.convert(raw, PredictRequest)
    except msgspec.ValidationError as error:
        raise invalid_field(error, raw) from error
    event = request.event_time
    if event is not None and not 0.0 <= event.timestamp() <= time.time() + DAY_S:
        raise InputError("event_time", str(event), "is not between 1970 and now", "correct it")
    return request, tuple(str(name)[:64] for name in raw if name not in KNOWN)[:20]
