"""What is read: each function answers from one committed state of the store."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, false, func, null, or_, select

from evitals.fleet.apply import split
from evitals.fleet.codec import (
    STATUSES,
    digest_bytes,
    scale,
    unpack_answer,
    unpack_detail,
    unpack_latest,
    unpack_members,
    unscale,
)
from evitals.fleet.days import DAY_S
from evitals.fleet.records import (
    BatteryState,
    DailyRecord,
    FleetPage,
    FleetQuery,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)
from evitals.fleet.tables import (
    DIGEST_PREFIX,
    UNDATED,
    batteries,
    daily,
    descriptions,
    digest_prefix,
    latest,
    models,
    predictions,
    states,
    texts,
    trips,
    vehicles,
)

CHUNK = 500
"""Values in one IN list."""


def vehicle(connection: Connection, vehicle_id: str) -> VehicleRecord | None:
    """A vehicle as described now."""
    row = connection.execute(select(vehicles).where(vehicles.c.vehicle_id == vehicle_id)).first()
    return _vehicle(row.vehicle_id, row) if row else None


def described(connection: Connection, vehicle_ids: Iterable[str]) -> dict[str, VehicleRecord]:
    """Those of these vehicles that are stored, by id."""
    wanted = list(dict.fromkeys(vehicle_ids))
    found: dict[str, VehicleRecord] = {}
    for start in range(0, len(wanted), CHUNK):
        some = vehicles.c.vehicle_id.in_(wanted[start : start + CHUNK])
        for row in connection.execute(select(vehicles).where(some)):
            found[row.vehicle_id] = _vehicle(row.vehicle_id, row)
    return found


def list_vehicles(
    connection: Connection, search: str, offset: int, limit: int
) -> tuple[int, list[VehicleRecord]]:
    """How many vehicles match, and a page of them by id."""
    query = select(vehicles)
    if search:
        query = query.where(vehicles.c.vehicle_id.icontains(search, autoescape=True))
    rows = connection.execute(query.order_by(vehicles.c.vehicle_id).offset(offset).limit(limit))
    return _count(connection, query), [_vehicle(row.vehicle_id, row) for row in rows]


def description_history(connection: Connection, vehicle_id: str) -> list[VehicleRecord]:
    """Every description of a vehicle, oldest first."""
    query = (
        select(descriptions)
        .join(vehicles, vehicles.c.id == descriptions.c.vehicle)
        .where(vehicles.c.vehicle_id == vehicle_id)
        .order_by(descriptions.c.id)
    )
    return [_vehicle(vehicle_id, row) for row in connection.execute(query)]


def _vehicle(vehicle_id: str, row: Row[Any]) -> VehicleRecord:
    text = row.description
    return VehicleRecord(
        vehicle_id=vehicle_id,
        battery_id=row.battery_id,
        description=None if text is None else msgspec.json.decode(text),
        described_s=row.described_s,
    )


def known_trips(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Which of these trip digests are stored."""
    asked = {digest_bytes("digest", digest): digest for digest in digests}
    found: set[str] = set()
    raw = list(asked)
    for start in range(0, len(raw), CHUNK):
        chunk = raw[start : start + CHUNK]
        query = known_trips_query(chunk)
        found.update(asked[digest] for digest in connection.execute(query).scalars())
    return found


def known_trips_query(digests: list[bytes]) -> Select[Any]:
    """The digests among these that are stored."""
    prefixes = sorted({digest[:DIGEST_PREFIX] for digest in digests})
    return select(trips.c.digest).where(digest_prefix.in_(prefixes), trips.c.digest.in_(digests))


def list_trips(connection: Connection, vehicle_id: str, battery_id: str) -> list[TripRecord]:
    """All trips of a battery: by event time, ties by digest, undated ones last."""
    numbers = [n for day in _days(connection, vehicle_id, battery_id) for n in day[2]]
    query = select(trips.c.event_s, trips.c.digest, trips.c.detail)
    rows = sorted(_by_number(connection, query, numbers), key=_event_order)
    return list(trip_records(Texts(connection), rows, vehicle_id, battery_id))


def _days(
    connection: Connection,
    vehicle_id: str,
    battery_id: str | None = None,
    first: int | None = None,
    last: int | None = None,
) -> Iterator[tuple[int, str, list[int]]]:
    """Day, battery and the numbers of its trips, newest day first."""
    query = (
        select(daily.c.day, batteries.c.battery_id, daily.c.members)
        .join(batteries, batteries.c.id == daily.c.battery)
        .join(vehicles, vehicles.c.id == batteries.c.vehicle)
        .where(vehicles.c.vehicle_id == vehicle_id)
        .order_by(daily.c.day.desc())
    )
    if battery_id is not None:
        query = query.where(batteries.c.battery_id == battery_id)
    if first is not None:
        query = query.where(daily.c.day >= first)
    if last is not None:
        query = query.where(daily.c.day <= last)
    for day, battery, members in connection.execute(query):
        yield day, battery, unpack_members(members)


def _by_number(
    connection: Connection, query: Select[Any], numbers: list[int]
) -> Iterator[Row[Any]]:
    """Rows of the trips with these numbers."""
    for start in range(0, len(numbers), CHUNK):
        yield from connection.execute(query.where(trips.c.id.in_(numbers[start : start + CHUNK])))


def trip_records(
    known: "Texts", rows: Iterable[Any], vehicle_id: str, battery_id: str
) -> Iterator[TripRecord]:
    """Trips from rows of (event_s, digest, detail)."""
    opened = [(event_s, digest, unpack_detail(detail)) for event_s, digest, detail in rows]
    known.read(number for *_, packed in opened for number in (packed.origin, packed.findings))
    for event_s, digest, packed in opened:
        source, file_name = split(known[packed.origin])
        yield TripRecord(
            vehicle_id=vehicle_id,
            battery_id=battery_id,
            digest=digest.hex(),
            sequence=packed.sequence,
            kind=packed.kind,
            event_s=event_s,
            event_assumed=packed.event_assumed,
            continues=packed.continues,
            duration_s=packed.duration_s,
            source=source,
            file_name=file_name,
            findings=split(known[packed.findings]),
            features=packed.features,
        )


def state(connection: Connection, vehicle_id: str, battery_id: str) -> BatteryState | None:
    """A battery's checkpoint."""
    query = (
        select(states)
        .join(batteries, batteries.c.id == states.c.battery)
        .join(vehicles, vehicles.c.id == batteries.c.vehicle)
        .where(vehicles.c.vehicle_id == vehicle_id, batteries.c.battery_id == battery_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return BatteryState(
        vehicle_id=vehicle_id,
        battery_id=battery_id,
        last_event_s=row.last_event_s,
        last_digest=row.last_digest,
        model_digest=row.model_digest,
        state=msgspec.json.decode(row.state),
    )


def newest(connection: Connection, vehicle_id: str) -> LatestRecord | None:
    """The newest answer of a vehicle."""
    query = select(latest.c.record).where(latest.c.vehicle_id == vehicle_id)
    data = connection.execute(query).scalar()
    return unpack_latest(data) if data is not None else None


def fleet(connection: Connection, query: FleetQuery) -> FleetPage:
    """A page of newest answers; see FleetQuery. Ties stand in the order vehicles first came."""
    column = latest.c[query.sort]
    order = [side.desc() if query.descending else side.asc() for side in (column, latest.c.vehicle)]
    if query.sort != "vehicle_id":
        order[0] = order[0].nulls_last()
    matching = _filtered(select(latest.c.vehicle), query)
    if query.only is not None:
        return _picked(connection, query, matching.order_by(*order))
    # The page's vehicles come from an index alone; only then are their records read.
    page = matching.order_by(*order).offset(query.offset).limit(query.limit).subquery()
    rows = connection.execute(
        select(latest.c.record).join(page, page.c.vehicle == latest.c.vehicle).order_by(*order)
    )
    return FleetPage(
        total=_count(connection, matching),
        rows=tuple(unpack_latest(data) for data in rows.scalars()),
    )


def _picked(connection: Connection, query: FleetQuery, matching: Select[Any]) -> FleetPage:
    """A page of the vehicles of ``query.only``, which may be more than a statement can name."""
    assert query.only is not None
    rows = connection.execute(matching.add_columns(latest.c.vehicle_id))
    numbers = [number for number, vehicle_id in rows if vehicle_id in query.only]
    page = numbers[query.offset : query.offset + query.limit]
    found: dict[int, bytes] = {}
    for start in range(0, len(page), CHUNK):
        asked = select(latest.c.vehicle, latest.c.record).where(
            latest.c.vehicle.in_(page[start : start + CHUNK])
        )
        found |= {row.vehicle: row.record for row in connection.execute(asked)}
    return FleetPage(
        total=len(numbers),
        rows=tuple(unpack_latest(found[number]) for number in page if number in found),
    )


def _filtered(statement: Select[Any], query: FleetQuery) -> Select[Any]:
    if query.search:
        # The ids' own index is far smaller than the table: search there, once.
        like = latest.alias("searched")
        found = select(like.c.vehicle).where(
            like.c.vehicle_id.icontains(query.search, autoescape=True)
        )
        statement = statement.where(latest.c.vehicle.in_(found))
    if query.group is not None:
        statement = statement.where(latest.c.group_name == query.group)
    if query.soh_from is not None:
        statement = statement.where(latest.c.soh >= scale("soh_from", query.soh_from))
    if query.soh_to is not None:
        statement = statement.where(latest.c.soh < scale("soh_to", query.soh_to))
    if query.status:
        numbers = [STATUSES.index(status) for status in query.status if status != "Unknown"]
        wanted = latest.c.status.in_(numbers) if numbers else false()
        unknown = "Unknown" in query.status
        statement = statement.where(or_(wanted, latest.c.status.is_(null())) if unknown else wanted)
    return statement


def _count(connection: Connection, statement: Select[Any]) -> int:
    counted = statement.with_only_columns(func.count(), maintain_column_froms=True)
    return int(connection.execute(counted.order_by(None)).scalar_one())


def page_of_latest(connection: Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """The next newest answers by the vehicle's number."""
    query = select(latest.c.vehicle, latest.c.record).where(latest.c.vehicle > after)
    rows = connection.execute(query.order_by(latest.c.vehicle).limit(limit))
    return [(row.vehicle, row.record) for row in rows]


def trend(
    connection: Connection, vehicle_id: str, since_s: int | None, until_s: int | None, limit: int
) -> list[PredictionRecord]:
    """A vehicle's answers, all batteries, in event order; the newest ``limit`` of them.

    ``since_s`` is included, ``until_s`` is not; a bound leaves undated answers out.
    """
    first = None if since_s is None else since_s // DAY_S
    last = None if until_s is None else until_s // DAY_S
    if since_s is not None and last is None:
        last = UNDATED - 1
    query = (
        select(
            batteries.c.battery_id,
            trips.c.event_s,
            trips.c.digest,
            trips.c.detail,
            predictions.c.answer,
        )
        .join(batteries, batteries.c.id == trips.c.battery)
        .join(predictions, predictions.c.trip == trips.c.id)
    )
    if since_s is not None:
        query = query.where(trips.c.event_s >= since_s)
    if until_s is not None:
        query = query.where(trips.c.event_s < until_s)
    known, model = Texts(connection), Models(connection)
    rows: list[Row[Any]] = []
    for numbers in _whole_days(_days(connection, vehicle_id, None, first, last)):
        part = list(_by_number(connection, query, numbers))
        rows += sorted(part, key=_event_order, reverse=True)
        if len(rows) >= limit:
            break
    return [prediction_record(vehicle_id, row, known, model) for row in rows[:limit][::-1]]


def _event_order(row: Any) -> tuple[bool, int, bytes]:
    """Event time, ties by digest, undated ones last."""
    return row.event_s is None, row.event_s or 0, row.digest


def _whole_days(days: Iterable[tuple[int, str, list[int]]]) -> Iterator[list[int]]:
    """The numbers of some days at a time, never of a part of a day."""
    numbers: list[int] = []
    for _, group in groupby(days, key=lambda day: day[0]):
        numbers += [number for _, _, members in group for number in members]
        if len(numbers) >= CHUNK:
            yield numbers
            numbers = []
    yield numbers


def prediction_record(
    vehicle_id: str, row: Any, known: "Texts", model: "Models"
) -> PredictionRecord:
    """A prediction from a row of (battery_id, event_s, digest, detail, answer)."""
    fields, number, reasons = unpack_answer(row.answer, row.event_s)
    return PredictionRecord(
        vehicle_id=vehicle_id,
        battery_id=row.battery_id,
        trip_digest=row.digest.hex(),
        event_s=row.event_s,
        kind=unpack_detail(row.detail).kind,
        reasons=split(known[reasons]),
        model=model[number],
        **fields,
    )


def list_daily(connection: Connection, vehicle_id: str, limit: int) -> list[DailyRecord]:
    """A vehicle's days in order; the newest ``limit`` of them."""
    query = (
        select(batteries.c.battery_id, daily)
        .join(batteries, batteries.c.id == daily.c.battery)
        .join(vehicles, vehicles.c.id == batteries.c.vehicle)
        .where(vehicles.c.vehicle_id == vehicle_id, daily.c.day < UNDATED, daily.c.trips > 0)
        .order_by(daily.c.day.desc(), daily.c.battery.desc())
        .limit(limit)
    )
    found = [
        DailyRecord(
            vehicle_id=vehicle_id,
            battery_id=row.battery_id,
            day=row.day,
            trips=row.trips,
            soh_mean=unscale(row.soh_mean),
            soh_last=unscale(row.soh_last),
            risk_last=unscale(row.risk_last),
        )
        for row in connection.execute(query)
    ]
    return found[::-1]


class Texts(dict[int, str]):
    """Interned texts by row number, read when first asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def read(self, numbers: Iterable[int]) -> None:
        """Read many at once: each file has a name of its own, so there may be one a trip."""
        wanted = sorted(set(numbers) - self.keys())
        for start in range(0, len(wanted), CHUNK):
            some = texts.c.id.in_(wanted[start : start + CHUNK])
            found = self.connection.execute(select(texts.c.id, texts.c.text).where(some))
            self.update((number, str(text)) for number, text in found)

    def __missing__(self, number: int) -> str:
        query = select(texts.c.text).where(texts.c.id == number)
        self[number] = str(self.connection.execute(query).scalar_one())
        return self[number]


class Models(dict[int, ModelRecord]):
    """Models by row number, read when first asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __missing__(self, number: int) -> ModelRecord:
        row = self.connection.execute(select(models).where(models.c.id == number)).one()
        self[number] = ModelRecord(name=row.name, version=row.version, digest=row.digest)
        return self[number]
