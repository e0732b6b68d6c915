"""``POST /predict``: the reference's requests as capacity tests, their answers and their records.

Many requests are answered at once, as columns; one is a group of one. The reference's field names
are aliases here only; the physics is in ``evitals.estimators.capacity_test``.
"""

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from evitals.battery import Vehicle
from evitals.errors import EvitalsError, InputError
from evitals.estimators import capacity_test
from evitals.estimators.capacity_test import SERIOUS, Discharges, Powers, bit, reasons_of
from evitals.estimators.estimate import Validity
from evitals.estimators.risk import first_statuses, risk_score
from evitals.fleet.codec import OPTIONAL, nones
from evitals.fleet.records import Answered, Batch, ModelRecord, VehicleRecord
from evitals.service.digest import TRIP_DIGITS
from evitals.service.problems import invalid_field, malformed
from evitals.service.schemas import Interval, Model, PredictReply, PredictRequest, time_of
from evitals.settings import Settings

CELL_VOLTAGE_MAX = 5.0
DAY_S = 86_400.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

FEATURES = tuple(
    field.name
    for field in msgspec.structs.fields(PredictRequest)
    if field.name not in ("vehicle_id", "event_time")
)
"""What is stored of a test, in this order, as float32 (NaN where missing)."""
KNOWN = frozenset((*FEATURES, "vehicle_id", "event_time"))
Floats = npt.NDArray[np.float64]
Known = tuple[VehicleRecord | None, Vehicle | None]
"""What the store knows of a vehicle: its row, and its description."""
_PLACES = [OPTIONAL.index(name) for name in ("soh", "soh_low", "soh_high", "reference_sop_w")]
_RISK = OPTIONAL.index("risk_score")
REPLIED = [*_PLACES, _RISK]
"""Where a reply's numbers are in ``OPTIONAL``: SoH, its interval, power, score."""
_STAMPED = np.dtype([("features", "<f4", len(FEATURES)), ("stamp", "<i8"), ("dated", "u1")])


class Rows(Struct, frozen=True, eq=False):
    """Requests as columns; the features in float32, as stored, so that a row reproduces its
    answer."""

    vehicle_ids: list[str]
    features: npt.NDArray[np.float32]
    """(n, len(FEATURES))."""
    event_us: list[int | None]
    """Microseconds since 1970; None where the request has no event time."""
    ignored: list[tuple[str, ...]]
    """Names of fields that are not known."""

    def __len__(self) -> int:
        return len(self.vehicle_ids)

    def take(self, places: Sequence[int]) -> "Rows":
        """These rows alone."""
        return Rows(
            [self.vehicle_ids[k] for k in places],
            self.features[places],
            [self.event_us[k] for k in places],
            [self.ignored[k] for k in places],
        )


def rows_of(parsed: Sequence[tuple[PredictRequest, tuple[str, ...]]]) -> Rows:
    """Parsed requests, with the names of the fields that were ignored, as columns."""
    requests = [msgspec.structs.astuple(request) for request, _ in parsed]
    return Rows(
        [request[0] for request in requests],
        np.array([request[1:-1] for request in requests], np.float32).reshape(-1, len(FEATURES)),
        [request[-1] and (request[-1] - EPOCH) // MICROSECOND for request in requests],
        [ignored for _, ignored in parsed],
    )


class Parsed(Struct, frozen=True, eq=False):
    """What a body holds: rows in order, and the errors of the others, by place."""

    rows: Rows
    places: list[int]
    refused: dict[int, EvitalsError]

    @classmethod
    def of(cls, rows: Rows, refused: dict[int, EvitalsError]) -> "Parsed":
        """All rows but the refused ones."""
        places = [k for k in range(len(rows)) if k not in refused]
        return cls(rows.take(places) if refused else rows, places, refused)


def parse_rows(raw: Iterable[Any]) -> Parsed:
    """Decoded ``/predict`` objects."""
    good, places = [], []
    refused: dict[int, EvitalsError] = {}
    for place, row in enumerate(raw):
        try:
            good.append(convert_predict(row))
            places.append(place)
        except InputError as error:
            refused[place] = error
    return Parsed(rows_of(good), places, refused)


def discharges_of(features: npt.NDArray[np.float32]) -> Discharges:
    """Features (n, len(FEATURES)) by the names the estimators know; ``dod`` becomes a fraction."""
    of = dict(zip(FEATURES, features.T.astype(np.float64), strict=True))
    voltage = of["avg_voltage"]
    return Discharges(
        current_a=of["avg_current"],
        duration_s=of["discharge_time_s"],
        current_std_a=of["current_std"],
        other_current_a=of["current_A_mean"],
        voltage_v=np.where(np.isnan(voltage), of["voltage_V_mean"], voltage),
        temperature_degc=of["temperature_C_mean"],
        depth=of["dod"] / 100.0,
        reference_capacity_ah=of["reference_capacity_ah"],
        rated_power_w=of["rated_power_w"],
    )


def described(tests: Discharges, vehicles: Sequence[Vehicle | None]) -> Discharges:
    """The tests with what they lack from their vehicles' descriptions."""
    if not any(vehicles):
        return tests
    batteries = [vehicle.battery if vehicle else None for vehicle in vehicles]
    reference = np.array([b.reference_capacity_ah if b else math.nan for b in batteries])
    rated = np.array([(b and b.rated_power_w) or math.nan for b in batteries])
    return msgspec.structs.replace(
        tests,
        reference_capacity_ah=_first(tests.reference_capacity_ah, reference),
        rated_power_w=_first(tests.rated_power_w, rated),
    )


def _first(values: Floats, others: Floats) -> Floats:
    return np.where(np.isnan(values), others, values)


def refusals(rows: Rows, vehicles: Sequence[Vehicle | None]) -> dict[int, EvitalsError]:
    """Why rows cannot be answered, by place: ``wrong_level`` for pack data or a vehicle described
    as a pack, ``no_current`` where no charge moved."""
    found: dict[int, EvitalsError] = {}
    for k in np.flatnonzero(rows.features[:, FEATURES.index("avg_current")] == 0.0).tolist():
        found[k] = InputError(
            "avg_current", 0.0, "moves no charge", "send the mean current", reason="no_current"
        )
    remedy = "send a cell's discharge, or the pack's trips to POST /v1/trips"
    for k, vehicle in enumerate(vehicles if any(vehicles) else ()):
        if vehicle is not None and vehicle.battery.level == "pack":
            name, problem = rows.vehicle_ids[k], "is described as a pack"
            found[k] = InputError("vehicle_id", name, problem, remedy, reason="wrong_level")
    problem = f"V is no single cell's voltage (at most {CELL_VOLTAGE_MAX:g} V)"
    for field in ("voltage_V_mean", "avg_voltage"):
        voltages = rows.features[:, FEATURES.index(field)]
        for k in np.flatnonzero(voltages > CELL_VOLTAGE_MAX).tolist():
            value = float(voltages[k])
            found[k] = InputError(field, value, problem, remedy, reason="wrong_level")
    return found


def digests(rows: Rows, arrived_ns: int) -> list[bytes]:
    """What identifies each row: its features, vehicle and event time (or its arrival).

    BLAKE2b of ``_STAMPED`` (little-endian) and the vehicle's id.
    """
    stamped = np.zeros(len(rows), _STAMPED)
    stamped["features"] = rows.features
    stamped["dated"] = [event is not None for event in rows.event_us]
    stamped["stamp"] = [
        arrived_ns + k if event is None else event for k, event in enumerate(rows.event_us)
    ]
    data, width = stamped.tobytes(), _STAMPED.itemsize
    return [
        hashlib.blake2b(
            data[k * width : (k + 1) * width] + name.encode(), digest_size=TRIP_DIGITS // 2
        ).digest()
        for k, name in enumerate(rows.vehicle_ids)
    ]


class Answers(Struct, frozen=True, eq=False):
    """Replies to rows, and the batch that must be committed before they are sent."""

    refused: dict[int, EvitalsError]
    """By place among the rows asked."""
    places: list[int]
    """Of the rows that were answered: ``rows`` and ``ignored`` are theirs."""
    batch: Batch
    rows: Answered
    ignored: list[tuple[str, ...]]
    capacity_ah: Floats
    power: Powers

    def replies(self) -> list[PredictReply]:
        """The reply to each row that was answered."""
        rows, power = self.rows, self.power
        model = Model(rows.model.name, rows.model.version, rows.model.digest)
        columns = zip(
            rows.vehicle_ids,
            *(nones(rows.values[:, place]) for place in REPLIED),
            nones(power.low),
            nones(power.high),
            rows.statuses,
            [rows.reason_sets[place] for place in rows.reasons.tolist()],
            self.validities(),
            self.ignored,
            self.capacity_ah.tolist(),
            rows.reference_capacity_ah.tolist(),
            rows.event_s,
            rows.digests,
            strict=True,
        )
        return [
            PredictReply(
                vehicle_id=name,
                predicted_soh=soh,
                predicted_sop=sop,
                health_score=score,
                status=status,
                interval=None if soh is None else Interval(low, high),
                sop_interval=None if sop is None else Interval(sop_low, sop_high),
                validity=validity,
                reasons=reasons,
                ignored=ignored,
                capacity_ah=capacity,
                reference_capacity_ah=reference,
                model=model,
                event_time=_time_of(event_s),
                trip_digest=digest.hex(),
            )
            for (
                name, soh, low, high, sop, score, sop_low, sop_high, status, reasons, validity,
                ignored, capacity, reference, event_s, digest,
            ) in columns
        ]  # fmt: skip

    def validities(self) -> list[Validity]:
        """What each answer is worth."""
        of: list[Validity] = [
            "doubtful" if SERIOUS.intersection(reasons) else "valid"
            for reasons in self.rows.reason_sets
        ]
        unknown = np.isnan(self.rows.values[:, _PLACES[0]]).tolist()
        return [
            "unknown" if is_unknown else of[place]
            for is_unknown, place in zip(unknown, self.rows.reasons.tolist(), strict=True)
        ]


_time_of = lru_cache(4096)(time_of)


class Predictor:
    """Answers capacity tests by the measurement above and the settings' status rule."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = ModelRecord(
            name=capacity_test.MODEL_NAME,
            version=capacity_test.MODEL_VERSION,
            digest=_model_digest(settings),
        )
        self._arrived_ns = 0

    def answer(self, rows: Rows, known: Sequence[Known]) -> Answers:
        """The answers to ``rows``; ``known`` is what the store knows of their vehicles."""
        vehicles = [vehicle for _, vehicle in known]
        refused = refusals(rows, vehicles)
        places = list(range(len(rows)))
        if refused:
            places = [k for k in places if k not in refused]
            rows, known = rows.take(places), [known[k] for k in places]
            vehicles = [vehicle for _, vehicle in known]
        arrived_ns = self._arrival(len(rows))
        tests = capacity_test.measure(described(discharges_of(rows.features), vehicles))
        values = np.full((len(rows), len(OPTIONAL)), np.nan)
        power = capacity_test.reference_power(tests, [v.battery if v else None for v in vehicles])
        values[:, _PLACES] = np.stack([tests.soh, tests.low, tests.high, power.value], axis=1)
        for k in np.flatnonzero(~np.isnan(power.value)).tolist():
            values[k, _RISK] = risk_score(tests.soh[k], power.value[k], tests.rated_power_w[k])
        bits = tests.reasons | power.reasons
        bits[[k for k, names in enumerate(rows.ignored) if names]] |= bit("ignored_fields")
        sets, reasons = np.unique(bits, return_inverse=True)
        answered = Answered(
            kind="test",
            source="predict",
            model=self.model,
            scored_s=arrived_ns // 10**9,
            vehicle_ids=rows.vehicle_ids,
            battery_ids=[_battery_id(*each) for each in known],
            groups=[vehicle.group if vehicle else "" for vehicle in vehicles],
            digests=digests(rows, arrived_ns),
            event_s=[
                arrived_ns // 10**9 if event is None else event // 10**6 for event in rows.event_us
            ],
            event_assumed=np.array([event is None for event in rows.event_us], dtype=bool),
            features=rows.features,
            duration_s=rows.features[:, FEATURES.index("discharge_time_s")].astype(np.float64),
            values=values,
            statuses=first_statuses(self.settings, tests.soh, values[:, _RISK]),
            reason_sets=[reasons_of(each) for each in sets.tolist()],
            reasons=reasons,
            rated_power_w=tests.rated_power_w,
            reference_capacity_ah=tests.reference_capacity_ah,
            temperature_degc=rows.features[:, FEATURES.index("temperature_C_mean")].astype(
                np.float64
            ),
        )
        return Answers(
            refused=refused,
            places=places,
            batch=Batch(vehicles=_new_vehicles(answered, known), answered=answered),
            rows=answered,
            ignored=rows.ignored,
            capacity_ah=tests.capacity_ah,
            power=power,
        )

    def _arrival(self, count: int) -> int:
        """Nanoseconds since 1970: ``count`` of them from here on were never given before."""
        now = max(time.time_ns(), self._arrived_ns)
        self._arrived_ns = now + count
        return now


def _battery_id(record: VehicleRecord | None, vehicle: Vehicle | None) -> str:
    carries = record or vehicle
    return carries.battery_id if carries else "1"


def _new_vehicles(rows: Answered, known: Sequence[Known]) -> tuple[VehicleRecord, ...]:
    """A row for each vehicle that has none."""
    new = {
        name: VehicleRecord(
            vehicle_id=name, battery_id=battery, description=None, described_s=rows.scored_s
        )
        for name, battery, (record, _) in zip(
            rows.vehicle_ids, rows.battery_ids, known, strict=True
        )
        if record is None
    }
    return tuple(new.values())


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
    if KNOWN.issuperset(raw):
        return request, ()
    return request, tuple(str(name)[:64] for name in raw if name not in KNOWN)[:20]
