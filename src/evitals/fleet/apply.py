"""Writes a group of batches inside the writer's transaction, each table once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Table, and_, bindparam, func, insert, select

from evitals.errors import InputError, StoreError
from evitals.fleet.codec import (
    STATUSES,
    TripDetail,
    digest_bytes,
    pack_answer,
    pack_detail,
    pack_latest,
    rounded,
    scale,
)
from evitals.fleet.days import Change, Day, Days, day_of, summed
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
from evitals.fleet.statement import Sized, Statement
from evitals.fleet.tables import (
    DIGEST_PREFIX,
    daily,
    descriptions,
    digest_prefix,
    files,
    latest,
    predictions,
    states,
    trips,
    vehicles,
)

encode_json = msgspec.json.Encoder(order="sorted").encode

_FIND_VEHICLE = select(vehicles).where(vehicles.c.id == bindparam("number"))
_FIND_LATEST = select(latest.c.scored_s, latest.c.event_s).where(
    latest.c.vehicle == bindparam("number")
)
_LAST_TRIP = select(func.max(trips.c.id))
Found = tuple[int, int, int | None]
"""A trip's id, battery and event time."""
HELD_MOST = 100_000
"""Stamps of newest answers that are held in memory."""


def _trips_alike(size: int) -> Any:
    """Trips by ``size`` digest prefixes: few share one."""
    return select(trips.c.digest, trips.c.id, trips.c.battery, trips.c.event_s).where(
        digest_prefix.in_([b""] * size)
    )


@dataclass(slots=True)
class _Work:
    """What a group changes, by table; a later row takes the place of an earlier one."""

    found: dict[bytes, Found]
    """Trips by digest that are stored, or will be with this group."""
    last: int
    """The highest number of a stored trip."""
    trips: list[tuple[Any, ...]] = field(default_factory=list)
    answers: dict[int, bytes] = field(default_factory=dict)
    days: dict[Day, Change] = field(default_factory=dict)
    states: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    newest: dict[int, LatestRecord] = field(default_factory=dict)

    def day(self, trip: Found) -> Change:
        """The change of a trip's day."""
        key = day_of(trip[1], trip[2])
        if (change := self.days.get(key)) is None:
            change = self.days[key] = Change()
        return change


class Applier:
    """Applies groups of batches for one dialect. Used by the writer's thread only."""

    def __init__(self, dialect: Any) -> None:
        self.names = Names(dialect)
        self._dialect = dialect
        self._stamps: dict[int, tuple[int, int | None]] = {}
        # What got in stays in; a repeated file says nothing new.
        put_file = dialect.insert(files)
        put_file = put_file.on_conflict_do_update(
            index_elements=[files.c.digest],
            set_={n: put_file.excluded[n] for n in _names(files) if n not in ("id", "digest")},
            where=and_(files.c.state != "stored", put_file.excluded.state != "duplicate"),
        )
        given = [name for name in _names(files) if name != "id"]
        self._put_file = Statement(dialect.core, put_file, *given)
        self._add_trips = self._put(trips)
        self._put_predictions = self._put(predictions, predictions.c.trip)
        self._put_latest = self._put(latest, latest.c.vehicle)
        self._put_states = self._put(states, states.c.battery)
        self._days = Days(dialect, self._put(daily, daily.c.battery, daily.c.day))
        self._find_trips = Sized(dialect.core, _trips_alike)
        self._find_latest = Statement(dialect.core, _FIND_LATEST)
        self._last_trip = Statement(dialect.core, _LAST_TRIP)

    def _put(self, table: Table, *keys: Column[Any]) -> Sized:
        """INSERT of whole rows, with ``keys`` ... ON CONFLICT DO UPDATE with all other columns."""
        names = _names(table)

        def build(size: int) -> Any:
            put = self._dialect.insert(table).values([dict.fromkeys(names, 0)] * size)
            if not keys:
                return put
            changed = {n: put.excluded[n] for n in names if n not in {key.name for key in keys}}
            return put.on_conflict_do_update(index_elements=list(keys), set_=changed)

        return Sized(self._dialect.core, build, len(names))

    def apply(self, connection: Connection, batches: Sequence[Batch]) -> list[LatestRecord]:
        """Write batches; returns the newest answers they changed, as they will be read.

        Raises InputError for a record that cannot be stored, StoreError for a prediction whose
        trip is not there.
        """
        work = _Work(*self._stored(connection, batches))
        for batch in batches:
            for file in batch.files:
                self._file(connection, file)
            for vehicle in batch.vehicles:
                self._vehicle(connection, vehicle)
            for trip in batch.trips:
                self._trip(connection, trip, work)
            for prediction in batch.predictions:
                self._prediction(connection, prediction, work)
            for state in batch.states:
                self._state(connection, state, work)
            for record in batch.latest:
                self._latest(connection, record, work)
        return self._write(connection, work)

    def _stored(
        self, connection: Connection, batches: Sequence[Batch]
    ) -> tuple[dict[bytes, Found], int]:
        """The trips that the batches name and that are stored, and the highest number of all."""
        digests = {digest_bytes("trips.digest", t.digest) for b in batches for t in b.trips}
        digests |= {
            digest_bytes("trip_digest", p.trip_digest) for b in batches for p in b.predictions
        }
        if not digests:
            return {}, 0
        prefixes = [(prefix,) for prefix in {digest[:DIGEST_PREFIX] for digest in digests}]
        rows = self._find_trips.run(connection, prefixes)
        found = {digest: (n, battery, at) for digest, n, battery, at in rows if digest in digests}
        return found, self._last_trip.one(connection, {})[0] or 0

    def _write(self, connection: Connection, work: _Work) -> list[LatestRecord]:
        """Write what was gathered: trips before what refers to them."""
        self._add_trips.run(connection, work.trips)
        self._put_predictions.run(connection, list(work.answers.items()))
        self._days.write(connection, work.days)
        self._put_states.run(connection, list(work.states.values()))
        rows = [_latest_row(number, record) for number, record in work.newest.items()]
        self._put_latest.run(connection, rows)
        return list(work.newest.values())

    def forget(self) -> None:
        """After a rollback or a foreign task: what is remembered may not be there."""
        self.names.forget()
        self._days.forget()
        self._stamps.clear()

    def _file(self, connection: Connection, record: FileRecord) -> None:
        row = msgspec.structs.asdict(record)
        self._put_file.run(
            connection, row | {"digest": digest_bytes("files.digest", record.digest)}
        )

    def _vehicle(self, connection: Connection, record: VehicleRecord) -> None:
        number = self.names.vehicle(connection, record.vehicle_id, record.battery_id)
        if record.description is None:
            return
        before = connection.execute(_FIND_VEHICLE, {"number": number}).one()
        if record.described_s < before.described_s:
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

    def _trip(self, connection: Connection, trip: TripRecord, work: _Work) -> None:
        """Add a trip that is not there yet."""
        digest = bytes.fromhex(trip.digest)
        if digest in work.found:
            return
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
        # Numbered here, not by the database: this is the only writer.
        number = work.last + len(work.trips) + 1
        work.trips.append((number, battery, trip.event_s, digest, pack_detail(detail)))
        work.found[digest] = found = (number, battery, trip.event_s)
        work.day(found).members.append(number)

    def _prediction(self, connection: Connection, record: PredictionRecord, work: _Work) -> None:
        """Take in the answer to a trip that is stored or among the new ones."""
        battery = self.names.battery(connection, record.vehicle_id, record.battery_id)
        digest = bytes.fromhex(record.trip_digest)
        found = work.found.get(digest)
        if found is None or found[1:] != (battery, record.event_s):
            raise StoreError(
                f"prediction: battery {record.vehicle_id!r}/{record.battery_id!r} has no trip "
                f"{record.trip_digest} at event time {record.event_s}; "
                "submit its TripRecord in the same batch or before"
            )
        model = record.model
        work.answers[found[0]] = pack_answer(
            record,
            self.names.model(connection, model.name, model.version, model.digest),
            self.names.text(connection, join(record.reasons)),
        )
        day = work.day(found)
        day.answers[found[0]] = summed(record, digest)
        day.again |= found[0] <= work.last

    def _state(self, connection: Connection, record: BatteryState, work: _Work) -> None:
        battery = self.names.battery(connection, record.vehicle_id, record.battery_id)
        work.states[battery] = (
            battery,
            record.last_event_s,
            record.last_digest,
            record.model_digest,
            encode_json(record.state),
        )

    def _latest(self, connection: Connection, record: LatestRecord, work: _Work) -> None:
        """Take in a newest answer, unless it is a repeat of an older one."""
        new = record.prediction
        number = self.names.vehicle(connection, new.vehicle_id, new.battery_id)
        before = self._stamps.get(number)
        before = before or self._find_latest.one(connection, {"number": number})
        if before and _stale(new, *before):
            return
        if len(self._stamps) >= HELD_MOST:
            # What this group has not written yet cannot be read again.
            self._stamps = {n: self._stamps[n] for n in work.newest}
        self._stamps[number] = new.scored_s, new.event_s
        work.newest[number] = msgspec.structs.replace(record, prediction=rounded(new))


def _latest_row(number: int, record: LatestRecord) -> tuple[Any, ...]:
    """The row of a vehicle's newest answer, in the table's order."""
    answer = record.prediction
    return (
        number,
        answer.vehicle_id,
        record.group,
        None if answer.status == "Unknown" else STATUSES.index(answer.status),
        scale("soh", answer.soh),
        centi("reference_sop_w", answer.reference_sop_w),
        scale("risk_score", answer.risk_score),
        answer.event_s,
        answer.evidence_count,
        answer.scored_s,
        pack_latest(record),
    )


def _names(table: Table) -> list[str]:
    return [column.name for column in table.c]


def centi(name: str, value: float | None) -> int | None:
    """A power in steps of 0.01 W, for sorting. Raises InputError beyond 1e15 W."""
    if value is None:
        return None
    if abs(value) > 1e15:
        raise InputError(name, value, "is too large", "send it in watts")
    return round(value * 100)


@lru_cache(4096)
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
