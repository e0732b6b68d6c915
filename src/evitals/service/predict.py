"""``POST /predict``: a constant-current discharge of one cell is itself a capacity measurement.

    capacity_ah = |avg_current| * discharge_time_s / 3600 / (dod / 100)
    soh         = capacity_ah / reference_capacity_ah

(coulomb counting; on the public ageing cells this beats the models trained on the same features.)
The 90 % interval adds in quadrature, as fractions of the value: the current's gain
(``CURRENT_GAIN``), the standard error of the mean current with one independent sample a
``CORRELATION_S``, and the depth of discharge's ``DOD_ERROR`` over it.
"""

import hashlib
import math
import time
from array import array
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from evitals.battery import Battery, Limits, Vehicle
from evitals.cells.chemistry import chemistry, supported
from evitals.errors import InputError
from evitals.estimators import power as circuit
from evitals.estimators.estimate import Estimate, unknown
from evitals.estimators.risk import RiskRule, risk_score
from evitals.fleet.records import (
    Batch,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.service.problems import invalid_field, malformed
from evitals.service.schemas import Interval, Model, PredictReply, PredictRequest, time_of
from evitals.settings import Settings
from evitals.signals import RESULTS

ASSUMED_REFERENCE_AH = 2.0
CURRENT_GAIN = 0.01
DOD_ERROR = 0.5
"""Half-width of the error of ``dod``, percentage points."""
CORRELATION_S = 60.0
CELL_VOLTAGE_MAX = 5.0
SOH_PLAUSIBLE = 1.05
DOD_LOW = 20.0
COLD_DEGC = 10.0
RIPPLE = 0.1
"""current_std over |avg_current| above which a current is not constant."""
DISAGREEMENT = 0.02
Z90 = 1.6449

FEATURES = tuple(
    field.name
    for field in msgspec.structs.fields(PredictRequest)
    if field.name not in ("vehicle_id", "event_time")
)
"""What is stored of a test, in this order, as float32 (NaN where missing)."""
SERIOUS = frozenset(
    {
        "out_of_range",
        "reference_capacity_assumed",
        "low_dod",
        "cold",
        "positive_current",
        "not_constant_current",
        "current_disagrees",
        "level_unchecked",
    }
)
"""Reasons that make an answer doubtful; the others only explain it."""


ASSUMED_CELL = Battery(
    level="cell",
    chemistry="NMC",
    reference_capacity_ah=ASSUMED_REFERENCE_AH,
    limits=Limits(
        cell_voltage_min_v=2.5,
        cell_voltage_max_v=4.2,
        discharge_current_a=3000.0,
        charge_current_a=3000.0,
    ),
)
"""A cell of a vehicle nobody described: limited by its voltages and its rated power only."""


class CapacityTest(Struct, frozen=True, kw_only=True):
    """What the discharge says. ``soh`` is unknown where no battery can have it."""

    capacity_ah: float
    reference_capacity_ah: float
    rated_power_w: float | None
    soh: Estimate


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
    values = [getattr(request, name) for name in FEATURES]
    return array("f", [math.nan if v is None else v for v in values])


def _with_features(request: PredictRequest, features: "array[float]") -> PredictRequest:
    values = [None if math.isnan(v) else v for v in features]
    return msgspec.structs.replace(request, **dict(zip(FEATURES, values, strict=True)))


def digest_of(request: PredictRequest, event_time: str) -> str:
    """SHA-256 of the request's fields in canonical JSON and the event time (or arrival)."""
    body = msgspec.to_builtins(request)
    body["event_time"] = event_time
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()


def measure(request: PredictRequest, vehicle: Vehicle | None = None) -> CapacityTest:
    """Capacity and SoH of a cell from one constant-current discharge.

    ``vehicle`` supplies the reference capacity and rated power that the request lacks. Raises
    InputError (reason ``wrong_level``) for pack data or a vehicle described as a pack, and
    (``no_current``) where no charge moved.
    """
    _check_level(request, vehicle)
    if request.avg_current == 0.0:
        raise InputError(
            "avg_current", 0.0, "moves no charge", "send the mean current", reason="no_current"
        )
    reasons: list[str] = []
    reference = request.reference_capacity_ah
    rated = request.rated_power_w
    if vehicle is not None:
        reference = reference or vehicle.battery.reference_capacity_ah
        rated = rated or vehicle.battery.rated_power_w
    if reference is None:
        reference = ASSUMED_REFERENCE_AH
        reasons.append("reference_capacity_assumed")
    if request.dod is None:
        reasons.append("full_discharge_assumed")
    depth = 1.0 if request.dod is None else request.dod / 100.0
    capacity = abs(request.avg_current) * request.discharge_time_s / 3600.0 / depth
    reasons += _doubts(request)
    return CapacityTest(
        capacity_ah=capacity,
        reference_capacity_ah=reference,
        rated_power_w=rated,
        soh=_soh(capacity / reference, relative_error(request), reasons),
    )


def relative_error(request: PredictRequest) -> float:
    """Half-width of the 90 % interval over the value."""
    current = abs(request.avg_current)
    samples = max(1.0, request.discharge_time_s / CORRELATION_S)
    ripple = Z90 * (request.current_std or 0.0) / current / math.sqrt(samples)
    depth = 0.0 if request.dod is None else DOD_ERROR / request.dod
    return math.sqrt(CURRENT_GAIN**2 + ripple**2 + depth**2)


def _soh(soh: float, error: float, reasons: list[str]) -> Estimate:
    if soh > RESULTS["soh"].high:
        return unknown("out_of_range", *reasons, source="capacity_test")
    if soh > SOH_PLAUSIBLE:
        reasons = ["out_of_range", *reasons]
    return Estimate(
        value=soh,
        low=max(0.0, soh * (1.0 - error)),
        high=soh * (1.0 + error),
        validity="doubtful" if SERIOUS.intersection(reasons) else "valid",
        reasons=tuple(reasons),
        source="capacity_test",
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


def _doubts(request: PredictRequest) -> list[str]:
    current = request.avg_current
    other = request.current_A_mean
    temperature = request.temperature_C_mean
    tests = {
        "positive_current": current > 0.0,
        "not_constant_current": (request.current_std or 0.0) > RIPPLE * abs(current),
        "current_disagrees": other is not None
        and abs(other - current) > DISAGREEMENT * abs(current),
        "low_dod": request.dod is not None and request.dod < DOD_LOW,
        "cold": temperature is not None and temperature < COLD_DEGC,
        "level_unchecked": request.avg_voltage is None and request.voltage_V_mean is None,
    }
    return [reason for reason, holds in tests.items() if holds]


class Answered(Struct, frozen=True):
    """A reply and the batch that must be committed before it is sent."""

    reply: PredictReply
    batch: Batch


class Predictor:
    """Answers capacity tests by the measurement above and the settings' status rule."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = ModelRecord(name="capacity_test", version="1", digest=_model_digest(settings))

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
        power, assumed = reference_power(test, vehicle)
        score = risk_score(test.soh.value, power.value, test.rated_power_w)
        extra = ("ignored_fields",) if ignored else ()
        reasons = (*test.soh.reasons, *assumed, *power.reasons, *extra)
        prediction = PredictionRecord(
            vehicle_id=request.vehicle_id,
            battery_id=carried.battery_id if (carried := record or vehicle) else "1",
            trip_digest=digest_of(request, stamp),
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


def reference_power(test: CapacityTest, vehicle: Vehicle | None) -> tuple[Estimate, list[str]]:
    """10 s discharge power at SoC 0.5 and 25 degC, W, clipped to rated power; what was assumed.

    The discharge does not measure resistance, so the chemistry's tables answer, scaled to the
    cell: doubtful, with a wide interval. Unknown without rated power, or without a capacity.
    """
    if test.rated_power_w is None:
        return unknown("rated_power_missing", source="circuit"), []
    if test.soh.value is None:
        return unknown("capacity_unknown", source="circuit"), []
    battery = ASSUMED_CELL if vehicle is None else vehicle.battery
    battery = msgspec.structs.replace(
        battery,
        reference_capacity_ah=test.reference_capacity_ah,
        rated_power_w=test.rated_power_w,
    )
    assumed = ["chemistry_assumed"] if vehicle is None else []
    return circuit.reference_sop(battery, capacity_ah=test.capacity_ah), assumed


def _model_digest(settings: Settings) -> str:
    rules = {
        "assumed_reference_ah": ASSUMED_REFERENCE_AH,
        "current_gain": CURRENT_GAIN,
        "dod_error": DOD_ERROR,
        "correlation_s": CORRELATION_S,
        "cell_voltage_max": CELL_VOLTAGE_MAX,
        "soh_plausible": SOH_PLAUSIBLE,
        "dod_low": DOD_LOW,
        "cold_degc": COLD_DEGC,
        "ripple": RIPPLE,
        "disagreement": DISAGREEMENT,
        "serious": sorted(SERIOUS),
        "risk": [settings.risk_monitor, settings.risk_priority],
        "soh": [settings.soh_monitor, settings.soh_priority],
        "assumed_cell": ASSUMED_CELL,
        "design_sigma": circuit.DESIGN_SIGMA,
        "tables": {name: _table_digest(name) for name in supported()},
    }
    return hashlib.sha256(msgspec.json.encode(rules, order="sorted")).hexdigest()


def _table_digest(name: str) -> str:
    cell = chemistry(name)
    arrays = (cell.ocv_v, cell.r0_ohm_ah, cell.r1_ohm_ah, cell.r2_ohm_ah, np.array(cell.tau_s))
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


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
        raise malformed(error) from error
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
    ahead = request.event_time and request.event_time.timestamp() - _now().timestamp()
    if (request.event_time and (ahead or 0.0) > 86400.0) or _before_1970(request.event_time):
        raise InputError(
            "event_time", str(request.event_time), "is not between 1970 and now", "correct it"
        )
    return request, tuple(str(name)[:64] for name in raw if name not in KNOWN)[:20]


KNOWN = frozenset((*FEATURES, "vehicle_id", "event_time"))


def _now() -> datetime:
    return datetime.now(UTC)


def _before_1970(moment: datetime | None) -> bool:
    return moment is not None and moment.timestamp() < 0.0
