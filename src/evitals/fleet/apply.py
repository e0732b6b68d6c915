"""Writes a group of batches inside the writer's transaction, each table once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Column, Connection, Table, and_, bindparam, func, insert, select

from evitals.errors import InputError, StoreError
from evitals.fleet.codec import (
    OPTIONAL,
    STATUSES,
    Floats,
    digest_bytes,
    flags_of,
    head,
    nones,
    optional_values,
    pack_answers,
    pack_details,
    pack_latest,
    rounded,
    rounded_values,
    rows_of_bytes,
    scale,
    scales,
)
from evitals.fleet.days import Change, Day, Days, days_of
from evitals.fleet.names import Names
from evitals.fleet.records import (
    Answered,
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
_SUMMED = [OPTIONAL.index("soh"), OPTIONAL.index("risk_score")]
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

    def add(
        self,
        batteries: Sequence[int],
        events: Sequence[int | None],
        digests: Sequence[bytes],
        details: Sequence[bytes],
    ) -> None:
        """Take in the trips that are not there yet."""
        found, days, number = self.found, self.days, self.last + len(self.trips)
        for day, battery, event_s, digest, detail in zip(
            days_of(batteries, events), batteries, events, digests, details, strict=True
        ):
            if digest not in found:
                # Numbered here, not by the database: this is the only writer.
                number += 1
                self.trips.append((number, battery, event_s, digest, detail))
                found[digest] = (number, battery, event_s)
                if day not in days:
                    days[day] = Change()
                days[day].members.append(number)

    def answer(
        self,
        batteries: Sequence[int],
        events: Sequence[int | None],
        digests: Sequence[bytes],
        answers: Sequence[bytes],
        values: Floats,
        owners: Sequence[str],
    ) -> None:
        """Take in answers to trips. Raises StoreError for one whose trip is not there."""
        sums = zip(*(scales(values[:, place]) for place in _SUMMED), strict=True)
        for owner, day, battery, event_s, digest, answer, (soh, risk) in zip(
            owners,
            days_of(batteries, events),
            batteries,
            events,
            digests,
            answers,
            sums,
            strict=True,
        ):
            found = self.found.get(digest)
            if found is None or found[1] != battery or found[2] != event_s:
                raise StoreError(
                    f"prediction: vehicle {owner!r} has no trip {digest.hex()} of this battery at "
                    f"event time {event_s}; submit its TripRecord in the same batch or before"
                )
            number = found[0]
            self.answers[number] = answer
            change = self.days.get(day)
            if change is None:
                change = self.days[day] = Change()
            change.answers[number] = (event_s or 0, digest, soh, risk)
            if number <= self.last:
                change.again = True


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
            if batch.trips:
                self._trips(connection, batch.trips, work)
            if batch.predictions:
                self._predictions(connection, batch.predictions, work)
            for state in batch.states:
                self._state(connection, state, work)
            if batch.answered is not None:
                self._answered(connection, batch.answered, work)
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
        for batch in batches:
            if batch.answered is not None:
                digests.update(batch.answered.repeatable())
        prefixes = [(prefix,) for prefix in {digest[:DIGEST_PREFIX] for digest in digests}]
        rows = self._find_trips.run(connection, prefixes)
        found = {digest: (n, battery, at) for digest, n, battery, at in rows if digest in digests}
        (last,) = self._last_trip.one(connection, {})
        return found, last or 0

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

    def _trips(self, connection: Connection, records: Sequence[TripRecord], work: _Work) -> None:
        """Add the trips of a batch that are not there yet."""
        names = self.names
        flags = [flags_of(t.kind, t.event_assumed, t.continues, t.sequence) for t in records]
        origins = [names.text(connection, join((t.source, t.file_name))) for t in records]
        findings = [names.text(connection, join(t.findings)) for t in records]
        details = pack_details(
            np.array(flags),
            np.array(origins),
            np.array(findings),
            np.array([t.duration_s for t in records]),
            [t.features for t in records],
        )
        batteries = [names.battery(connection, t.vehicle_id, t.battery_id) for t in records]
        digests = [bytes.fromhex(t.digest) for t in records]
        work.add(batteries, [t.event_s for t in records], digests, details)

    def _predictions(
        self, connection: Connection, records: Sequence[PredictionRecord], work: _Work
    ) -> None:
        """Take in the answers to trips that are stored or among the new ones."""
        names = self.names
        models = [
            names.model(connection, m.name, m.version, m.digest) for m in (r.model for r in records)
        ]
        values = optional_values(records)
        answers = pack_answers(
            np.array([head(n, r.status) for n, r in zip(models, records, strict=True)]),
            np.array([names.text(connection, join(r.reasons)) for r in records]),
            np.array([r.scored_s - (r.event_s or 0) for r in records]),
            np.array([r.evidence_count for r in records]),
            values,
        )
        batteries = [names.battery(connection, r.vehicle_id, r.battery_id) for r in records]
        digests = [bytes.fromhex(r.trip_digest) for r in records]
        work.answer(
            batteries,
            [r.event_s for r in records],
            digests,
            answers,
            values,
            [r.vehicle_id for r in records],
        )

    def _answered(self, connection: Connection, rows: Answered, work: _Work) -> None:
        """Take in trips with their answers, as columns."""
        names, count = self.names, len(rows)
        numbers = names.numbers(connection, rows.vehicle_ids, rows.battery_ids)
        batteries = [battery for _, battery in numbers]
        details = pack_details(
            flags_of(rows.kind, False, False, 0) | rows.event_assumed.astype(np.int64) << 2,
            np.full(count, names.text(connection, join((rows.source, "")))),
            np.full(count, names.text(connection, "")),
            rows.duration_s,
            rows_of_bytes(rows.features),
        )
        work.add(batteries, rows.event_s, rows.digests, details)
        model = rows.model
        number = names.model(connection, model.name, model.version, model.digest)
        heads = {status: head(number, status) for status in STATUSES}
        texts = np.array([names.text(connection, join(codes)) for codes in rows.reason_sets])
        answers = pack_answers(
            np.array([heads[status] for status in rows.statuses]),
            texts[rows.reasons],
            rows.scored_s - np.array(rows.event_s),
            np.ones(count, dtype=np.int64),
            rows.values,
        )
        work.answer(batteries, rows.event_s, rows.digests, answers, rows.values, rows.vehicle_ids)
        self._newest(connection, rows, [vehicle for vehicle, _ in numbers], work)

    def _newest(
        self, connection: Connection, rows: Answered, vehicles: Sequence[int], work: _Work
    ) -> None:
        """Take in the newest answer of each vehicle among the rows."""
        places: dict[int, int] = {}
        events = rows.event_s
        for place, vehicle in enumerate(vehicles):
            before = places.get(vehicle)
            if before is None or events[place] >= events[before]:
                places[vehicle] = place
        chosen = list(places.values())
        values = nones(rounded_values(rows.values[chosen]))
        rest = nones(
            np.stack(
                [
                    rows.rated_power_w[chosen],
                    rows.reference_capacity_ah[chosen],
                    rows.temperature_degc[chosen],
                ],
                axis=1,
            )
        )
        for vehicle, place, answer, (rated, reference, temperature) in zip(
            places, chosen, values, rest, strict=True
        ):
            if self._is_stale(connection, vehicle, rows.scored_s, events[place], work):
                continue
            soh, low, high, bms, ocv, growth, power, risk = answer
            work.newest[vehicle] = LatestRecord(
                prediction=PredictionRecord(
                    vehicle_id=rows.vehicle_ids[place],
                    battery_id=rows.battery_ids[place],
                    trip_digest=rows.digests[place].hex(),
                    event_s=events[place],
                    scored_s=rows.scored_s,
                    kind=rows.kind,
                    soh=soh,
                    soh_low=low,
                    soh_high=high,
                    capacity_bms_ah=bms,
                    capacity_ocv_ah=ocv,
                    resistance_growth=growth,
                    reference_sop_w=power,
                    risk_score=risk,
                    status=rows.statuses[place],
                    evidence_count=1,
                    reasons=rows.reason_sets[rows.reasons[place]],
                    model=rows.model,
                ),
                rated_power_w=rated,
                reference_capacity_ah=reference,
                group=rows.groups[place],
                soc=None,
                temperature_degc=temperature,
                live_sop=None,
            )

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
        if not self._is_stale(connection, number, new.scored_s, new.event_s, work):
            work.newest[number] = msgspec.structs.replace(record, prediction=rounded(new))

    def _is_stale(
        self,
        connection: Connection,
        vehicle: int,
        scored_s: int,
        event_s: int | None,
        work: _Work,
    ) -> bool:
        """Is this newest answer older than the vehicle's? If not, it takes its place."""
        before = self._stamps.get(vehicle)
        before = before or self._find_latest.one(connection, {"number": vehicle})
        if before and _stale(scored_s, event_s, *before):
            return True
        if len(self._stamps) >= HELD_MOST:
            # What this group has not written yet cannot be read again.
            self._stamps = {n: self._stamps[n] for n in work.newest}
        self._stamps[vehicle] = scored_s, event_s
        return False


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


def _stale(new_s: int, new_event_s: int | None, scored_s: int, event_s: int | None) -> bool:
    """Was this answer given before the stored one, about nothing newer? Then it is a repeat."""
    new_event = -1 if new_event_s is None else new_event_s
    old_event = -1 if event_s is None else event_s
    return new_event <= old_event and (new_s, new_event) < (scored_s, old_event)
