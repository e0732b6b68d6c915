"""Writes one batch inside the writer's transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, insert, select

from evitals.errors import InputError, StoreError
from evitals.fleet.codec import (
    STATUSES,
    TripDetail,
    digest_bytes,
    pack_answer,
    pack_detail,
    pack_latest,
    pack_members,
    rounded,
    scale,
    unpack_answer,
    unpack_members,
)
from evitals.fleet.names import Names
from evitals.fleet.records import (
    Batch,
    BatteryState,
    FileRecord,
    LatestRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.fleet.statement import Statement
from evitals.fleet.tables import (
    DIGEST_PREFIX,
    UNDATED,
    daily,
    descriptions,
    digest_prefix,
    files,
    horizon,
    latest,
    predictions,
    states,
    trips,
    vehicles,
)

DAY_S = 86_400
encode_json = msgspec.json.Encoder(order="sorted").encode

_FIND_TRIP = select(trips.c.id, trips.c.battery, trips.c.event_s).where(
    digest_prefix == bindparam("prefix"),
    trips.c.digest == bindparam("digest"),
)
_FIND_VEHICLE = select(vehicles).where(vehicles.c.id == bindparam("number"))
_FIND_LATEST = select(latest.c.scored_s, latest.c.event_s).where(
    latest.c.vehicle == bindparam("number")
)
_FIND_ANSWER = (
    select(trips.c.event_s, trips.c.digest, predictions.c.answer)
    .join(predictions, predictions.c.trip == trips.c.id)
    .where(trips.c.id == bindparam("number"))
)
_FIND_DAY = select(daily).where(
    daily.c.battery == bindparam("number"), daily.c.day == bindparam("on")
)
_HORIZON = select(func.max(horizon.c.pruned_before_s))
Day = tuple[int, int]
_NEW_DAY = (0, 0, b"", 0, None, None, None)
Found = tuple[int, int, int | None]
"""A trip's id, battery and event time."""
Summed = tuple[int | None, bytes, float | None, float | None]
"""An answer in a day's sums: event time, trip digest, SoH, risk score."""
Rounded = dict[int, PredictionRecord]
"""Answers of a batch as they will be read back, by ``id`` of the record given."""
HELD_MOST = 100_000
"""Answers of summed days, and stamps of newest answers, that are held in memory."""


class Applier:
    """Applies batches for one dialect. Used by the writer's thread only."""

    def __init__(self, dialect: Any) -> None:
        self.names = Names(dialect)
        self._dialect = dialect
        self._held: dict[Day, _Held] = {}
        self._count = 0
        self._stamps: dict[int, tuple[int, int | None]] = {}
        self._horizon_s: int | None = None
        self._horizon_known = False
        # What got in stays in; a repeated file says nothing new.
        self._put_file = self._upsert(
            files.c.digest,
            where=lambda new: and_(files.c.state != "stored", new.state != "duplicate"),
        )
        self._put_prediction = self._upsert(predictions.c.trip)
        self._put_latest = self._upsert(latest.c.vehicle)
        self._put_state = self._upsert(states.c.battery)
        self._put_day = self._upsert(daily.c.battery, daily.c.day)
        self._add_trip = Statement(
            dialect.core,
            dialect.insert(trips).returning(trips.c.id),
            *(column.name for column in trips.c if column.name != "id"),
        )
        queries = (_FIND_TRIP, _FIND_LATEST, _FIND_DAY, _FIND_ANSWER, _HORIZON)
        self._find_trip, self._find_latest, self._find_day, self._find_answer, self._horizon = (
            Statement(dialect.core, query) for query in queries
        )

    def _upsert(self, *keys: Any, where: Any = None) -> Statement:
        """INSERT ... ON CONFLICT (keys) DO UPDATE with all other columns."""
        insert = self._dialect.insert(keys[0].table)
        names = {key.name for key in keys}
        given = [c.name for c in insert.table.c if c.name != "id"]
        changed = {name: insert.excluded[name] for name in given if name not in names}
        condition = where(insert.excluded) if where else None
        statement = insert.on_conflict_do_update(
            index_elements=list(keys), set_=changed, where=condition
        )
        return Statement(self._dialect.core, statement, *given)

    def apply(self, connection: Connection, batch: Batch) -> list[LatestRecord]:
        """Write a batch; returns the newest answers it changed, as they will be read.

        Raises InputError for a record that cannot be stored, StoreError for a prediction whose
        trip is not there.
        """
        for file in batch.files:
            self._file(connection, file)
        for vehicle in batch.vehicles:
            self._vehicle(connection, vehicle)
        numbers: dict[str, Found] = {}
        days: defaultdict[Day, list[int]] = defaultdict(list)
        for trip in batch.trips:
            if added := self._trip(connection, trip, numbers):
                days[_day(*added)].append(added[0])
        rounded: Rounded = {}
        for prediction in batch.predictions:
            days[_day(*self._prediction(connection, prediction, numbers, rounded))] += []
        self._days(connection, days)
        for state in batch.states:
            self._state(connection, state)
        newest = (self._latest(connection, record, rounded) for record in batch.latest)
        return [new for new in newest if new]

    def _file(self, connection: Connection, record: FileRecord) -> None:
        row = msgspec.structs.asdict(record)
        self._put_file.run(
            connection, row | {"digest": digest_bytes("files.digest", record.digest)}
        )

    def _vehicle(self, connection: Connection, record: VehicleRecord) -> None:
        number = self.names.vehicle(connection, record.vehicle_id, record.battery_id)
        before = connection.execute(_FIND_VEHICLE, {"number": number}).one()
        if record.description is None or record.described_s < before.described_s:
            return
        text = encode_json(record.description).decode()
        self.names.battery(connection, record.vehicle_id, record.battery_id)
        if (before.battery_id, before.description) == (record.battery_id, text):
            return
        row = {
            "battery_id": record.battery_id,
            "description": text,
            "described_s": record.described_s,
        }
        connection.execute(vehicles.update().where(vehicles.c.id == number).values(row))
        connection.execute(insert(descriptions).values(row | {"vehicle": number}))

    def _trip(
        self, connection: Connection, trip: TripRecord, numbers: dict[str, Found]
    ) -> Found | None:
        """Add a trip that is not there yet."""
        digest = digest_bytes("trips.digest", trip.digest)
        if trip.digest in numbers or self._find(connection, digest):
            return None
        names = self.names
        battery = names.battery(connection, trip.vehicle_id, trip.battery_id)
        detail = TripDetail(
            kind=trip.kind,
            event_assumed=trip.event_assumed,
            continues=trip.continues,
            sequence=trip.sequence,
            duration_s=trip.duration_s,
            origin=names.text(connection, join((trip.source, trip.file_name))),
            findings=names.text(connection, join(trip.findings)),
            features=trip.features,
        )
        row = {
            "battery": battery,
            "event_s": trip.event_s,
            "digest": digest,
            "detail": pack_detail(detail),
        }
        (number,) = self._add_trip.one(connection, row)
        numbers[trip.digest] = (number, battery, trip.event_s)
        return numbers[trip.digest]

    def _find(self, connection: Connection, digest: bytes) -> Found | None:
        asked = {"prefix": digest[:DIGEST_PREFIX], "digest": digest}
        found: Found | None = self._find_trip.one(connection, asked)
        return found

    def _prediction(
        self,
        connection: Connection,
        record: PredictionRecord,
        numbers: dict[str, Found],
        rounded: "Rounded",
    ) -> Found:
        """Write an answer; returns its trip."""
        battery = self.names.battery(connection, record.vehicle_id, record.battery_id)
        found = numbers.get(record.trip_digest) or self._find(
            connection, digest_bytes("trip_digest", record.trip_digest)
        )
        if found is None or found[1:] != (battery, record.event_s):
            raise StoreError(
                f"prediction: battery {record.vehicle_id!r}/{record.battery_id!r} has no trip "
                f"{record.trip_digest} at event time {record.event_s}; "
                "submit its TripRecord in the same batch or before"
            )
        answer = pack_answer(
            record,
            self.names.model(
                connection, record.model.name, record.model.version, record.model.digest
            ),
            self.names.text(connection, join(record.reasons)),
        )
        self._put_prediction.run(connection, {"trip": found[0], "answer": answer})
        fields = unpack_answer(answer, record.event_s)[0]
        rounded[id(record)] = msgspec.structs.replace(record, **fields)
        held = self._held.get(_day(*found))
        if held is not None:
            self._count += found[0] not in held.answers
            held.answers[found[0]] = (
                found[2], digest_bytes("trip_digest", record.trip_digest),
                fields["soh"], fields["risk_score"],
            )  # fmt: skip
        return found

    def _days(self, connection: Connection, days: Mapping[Day, list[int]]) -> None:
        """Bring days up to date: new trips join, the rollup is taken from all their answers."""
        for (battery, day), new in sorted(days.items()):
            row: dict[str, Any] = {"battery": battery, "day": day}
            held = self._held.get((battery, day))
            if held is not None:
                held.members += pack_members(new)
                row |= {"members": held.members} | _rollup(held.answers.values())
            else:
                row = self._read_day(connection, (battery, day), new)
            self._put_day.run(connection, row)

    def _read_day(self, connection: Connection, key: Day, new: list[int]) -> dict[str, Any]:
        """A day's row brought up to date; from now on the day is held, if it is summed."""
        battery, day = key
        before = self._find_day.one(connection, {"number": battery, "on": day})
        row = dict(zip(daily.c.keys(), before or _NEW_DAY, strict=True))
        row |= {"battery": battery, "day": day}
        row["members"] += pack_members(new)
        # Of a day that is pruned in part, what was summed up then stays.
        pruned_s = self._pruned_before_s(connection)
        if day == UNDATED or (before and pruned_s is not None and day * DAY_S < pruned_s):
            return row
        found = (
            (n, self._find_answer.one(connection, {"number": n}))
            for n in unpack_members(row["members"])
        )
        held = _Held(row["members"], {n: _summed(*answer) for n, answer in found if answer})
        self._count += len(held.answers)
        if self._count > HELD_MOST:
            self.forget_days()
        else:
            self._held[key] = held
        return row | _rollup(held.answers.values())

    def _pruned_before_s(self, connection: Connection) -> int | None:
        """How far history was pruned; read once, because only ``run`` tasks prune."""
        if not self._horizon_known:
            (self._horizon_s,) = self._horizon.one(connection, {})
            self._horizon_known = True
        return self._horizon_s

    def forget(self) -> None:
        """After a rollback or a foreign task: what is remembered may not be there."""
        self.names.forget()
        self.forget_days()
        self._stamps.clear()
        self._horizon_known = False

    def forget_days(self) -> None:
        """Let go of the days held."""
        self._held.clear()
        self._count = 0

    def _state(self, connection: Connection, record: BatteryState) -> None:
        row = {
            "battery": self.names.battery(connection, record.vehicle_id, record.battery_id),
            "last_event_s": record.last_event_s,
            "last_digest": record.last_digest,
            "model_digest": record.model_digest,
            "state": encode_json(record.state),
        }
        self._put_state.run(connection, row)

    def _latest(
        self, connection: Connection, record: LatestRecord, known: "Rounded"
    ) -> LatestRecord | None:
        answer = known.get(id(record.prediction)) or rounded(record.prediction)
        record = msgspec.structs.replace(record, prediction=answer)
        number = self.names.vehicle(connection, answer.vehicle_id, answer.battery_id)
        before = self._stamps.get(number)
        before = before or self._find_latest.one(connection, {"number": number})
        if before and _stale(answer, *before):
            return None
        if len(self._stamps) >= HELD_MOST:
            self._stamps.clear()
        self._stamps[number] = answer.scored_s, answer.event_s
        status = STATUSES.index(answer.status)
        row = {
            "vehicle": number,
            "vehicle_id": answer.vehicle_id,
            "group_name": record.group,
            "status": None if answer.status == "Unknown" else status,
            "soh": scale("soh", answer.soh),
            "reference_sop_w": centi("reference_sop_w", answer.reference_sop_w),
            "risk_score": scale("risk_score", answer.risk_score),
            "event_s": answer.event_s,
            "evidence_count": answer.evidence_count,
            "scored_s": answer.scored_s,
            "record": pack_latest(record),
        }
        self._put_latest.run(connection, row)
        return record


@dataclass(slots=True)
class _Held:
    """A summed day kept in memory, so that one more trip needs no reading of the others."""

    members: bytes
    answers: dict[int, Summed]


def _summed(event_s: int, digest: bytes, answer: bytes) -> Summed:
    fields = unpack_answer(answer, event_s)[0]
    return event_s, digest, fields["soh"], fields["risk_score"]


def _rollup(answers: Iterable[Summed]) -> dict[str, Any]:
    """A day's sums over its answers, the last by event time and digest."""
    rows = sorted(answers, key=itemgetter(0, 1))
    sohs = [soh for _, _, soh, _ in rows if soh is not None]
    risks = [risk for *_, risk in rows if risk is not None]
    return {
        "trips": len(rows),
        "soh_mean": scale("soh_mean", sum(sohs) / len(sohs)) if sohs else None,
        "soh_last": scale("soh_last", sohs[-1]) if sohs else None,
        "risk_last": scale("risk_last", risks[-1]) if risks else None,
    }


def _day(_: int, battery: int, event_s: int | None) -> Day:
    """The battery and day of a trip."""
    return battery, UNDATED if event_s is None else event_s // DAY_S


def centi(name: str, value: float | None) -> int | None:
    """A power in steps of 0.01 W, for sorting. Raises InputError beyond 1e15 W."""
    if value is None:
        return None
    if abs(value) > 1e15:
        raise InputError(name, value, "is too large", "send it in watts")
    return round(value * 100)


def join(codes: tuple[str, ...]) -> str:
    """Codes as one text that ``split`` takes apart."""
    return encode_json(codes).decode() if codes else ""


def split(text: str) -> tuple[str, ...]:
    """What ``join`` joined."""
    return msgspec.json.decode(text, type=tuple[str, ...]) if text else ()


def _stale(new: PredictionRecord, scored_s: int, event_s: int | None) -> bool:
    """Was this answer given before the stored one, about nothing newer? Then it is a repeat."""
    new_event = -1 if new.event_s is None else new.event_s
    old_event = -1 if event_s is None else event_s
    return new_event <= old_event and (new.scored_s, new_event) < (scored_s, old_event)
