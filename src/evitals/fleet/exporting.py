"""Export to Parquet: every table in plain columns, streamed in chunks of bounded memory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from sqlalchemy import Connection, Select, Table, select

from evitals.fleet.codec import unpack_latest, unscale
from evitals.fleet.queries import Models, Texts, prediction_record, trip_records
from evitals.fleet.tables import (
    UNDATED,
    batteries,
    daily,
    descriptions,
    files,
    latest,
    predictions,
    states,
    trips,
    vehicles,
)

CHUNK = 20_000
"""Rows in memory at a time."""
_OWNER = (vehicles.c.vehicle_id, batteries.c.battery_id)
Rows = Iterator[dict[str, Any]]
Schema = dict[str, Any]

TEXT, WHOLE, REAL = pl.String(), pl.Int64(), pl.Float64()
_VEHICLES: Schema = dict.fromkeys(("vehicle_id", "battery_id", "description"), TEXT) | {
    "described_s": WHOLE
}
_ANSWER: Schema = {
    "vehicle_id": TEXT, "battery_id": TEXT, "trip_digest": TEXT, "event_s": WHOLE,
    "scored_s": WHOLE, "kind": TEXT, "soh": REAL, "soh_low": REAL, "soh_high": REAL,
    "capacity_bms_ah": REAL, "capacity_ocv_ah": REAL, "resistance_growth": REAL,
    "reference_sop_w": REAL, "risk_score": REAL, "status": TEXT, "evidence_count": WHOLE,
    "reasons": TEXT, "model_name": TEXT, "model_version": TEXT, "model_digest": TEXT,
}  # fmt: skip
_SCHEMAS: dict[str, Schema] = {
    "vehicles": _VEHICLES,
    "descriptions": _VEHICLES,
    "trips": {
        "vehicle_id": TEXT, "battery_id": TEXT, "digest": TEXT, "sequence": WHOLE, "kind": TEXT,
        "event_s": WHOLE, "event_assumed": pl.Boolean(), "continues": pl.Boolean(),
        "duration_s": REAL, "source": TEXT, "file_name": TEXT, "findings": TEXT,
        "features": pl.Binary(),
    },
    "predictions": _ANSWER,
    "latest": _ANSWER | {
        "rated_power_w": REAL, "reference_capacity_ah": REAL, "group": TEXT, "soc": REAL,
        "temperature_degc": REAL, "live_sop": TEXT,
    },
    "daily": {
        "vehicle_id": TEXT, "battery_id": TEXT, "day": WHOLE, "trips": WHOLE, "soh_mean": REAL,
        "soh_last": REAL, "risk_last": REAL,
    },
    "states": {
        "vehicle_id": TEXT, "battery_id": TEXT, "last_event_s": WHOLE, "last_digest": TEXT,
        "model_digest": TEXT, "state": TEXT,
    },
    "files": {
        "digest": TEXT, "name": TEXT, "state": TEXT, "reason": TEXT, "size_bytes": WHOLE,
        "received_s": WHOLE, "vehicle_id": TEXT, "trips": WHOLE,
    },
}  # fmt: skip


def export(connection: Connection, folder: Path) -> list[Path]:
    """Write each table as ``<table>.parquet`` into ``folder``; returns the files.

    All files show one committed state. Raises OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write(folder / f"{name}.parquet", rows(connection), _SCHEMAS[name])
        for name, rows in _TABLES.items()
    ]


def _write(path: Path, rows: Rows, schema: Schema) -> Path:
    """Stream rows into one Parquet file; a half-written file never bears the final name."""
    partial = path.with_suffix(".parquet.part")
    parts = []
    for number, frame in enumerate(_frames(rows, schema)):
        part = path.with_suffix(f".{number}.part")
        frame.write_parquet(part)
        parts.append(part)
    pl.scan_parquet(parts).sink_parquet(partial)
    for part in parts:
        part.unlink()
    return partial.replace(path)


def _frames(rows: Rows, schema: Schema) -> Iterator[pl.DataFrame]:
    chunk: list[dict[str, Any]] = []
    first = True
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield pl.DataFrame(chunk, schema=schema)
            chunk, first = [], False
    if chunk or first:
        yield pl.DataFrame(chunk, schema=schema)


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execution_options(yield_per=CHUNK).execute(query)


def _plain(table: Table) -> Callable[[Connection], Rows]:
    def rows(connection: Connection) -> Rows:
        for row in _stream(connection, select(table).order_by(table.c.id)):
            yield {key: _hex(value) for key, value in row._mapping.items() if key != "id"}

    return rows


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _descriptions(connection: Connection) -> Rows:
    owned = descriptions.c
    query = select(vehicles.c.vehicle_id, owned.battery_id, owned.description, owned.described_s)
    query = query.join(vehicles, vehicles.c.id == owned.vehicle).order_by(owned.id)
    for row in _stream(connection, query):
        yield dict(row._mapping)


def _owned(table: Table) -> Select[Any]:
    """All columns of a table and the vehicle and battery it is about."""
    return (
        select(*_OWNER, table)
        .join(batteries, batteries.c.id == table.c.battery)
        .join(vehicles, vehicles.c.id == batteries.c.vehicle)
    )


def _trips(connection: Connection) -> Rows:
    texts = Texts(connection)
    for row in _stream(connection, _owned(trips).order_by(trips.c.id)):
        core = (row.event_s, row.digest, row.detail)
        (record,) = trip_records(texts, [core], row.vehicle_id, row.battery_id)
        yield msgspec.structs.asdict(record) | {"findings": " ".join(record.findings)}


def _predictions(connection: Connection) -> Rows:
    texts, models = Texts(connection), Models(connection)
    query = _owned(trips).add_columns(predictions.c.answer).order_by(trips.c.id)
    for row in _stream(connection, query.join(predictions, predictions.c.trip == trips.c.id)):
        yield _answer(prediction_record(row.vehicle_id, row, texts, models))


def _answer(record: Any) -> dict[str, Any]:
    fields = msgspec.structs.asdict(record)
    model = fields.pop("model")
    named = {"model_name": model.name, "model_version": model.version}
    return fields | named | {"model_digest": model.digest, "reasons": " ".join(record.reasons)}


def _latest(connection: Connection) -> Rows:
    query = select(latest.c.record).order_by(latest.c.vehicle)
    for row in _stream(connection, query):
        record = unpack_latest(row.record)
        fields = msgspec.structs.asdict(record)
        live = msgspec.json.encode(record.live_sop).decode() if record.live_sop else None
        yield _answer(fields.pop("prediction")) | fields | {"live_sop": live}


def _daily(connection: Connection) -> Rows:
    query = _owned(daily).where(daily.c.day < UNDATED, daily.c.trips > 0)
    for row in _stream(connection, query.order_by(daily.c.battery, daily.c.day)):
        scaled = {
            name: unscale(row._mapping[name]) for name in ("soh_mean", "soh_last", "risk_last")
        }
        fields = dict(row._mapping)
        del fields["battery"], fields["members"]
        yield fields | scaled


def _states(connection: Connection) -> Rows:
    for row in _stream(connection, _owned(states).order_by(states.c.battery)):
        fields = dict(row._mapping)
        del fields["battery"]
        yield fields | {"state": row.state.decode()}


_TABLES: dict[str, Callable[[Connection], Rows]] = {
    "vehicles": _plain(vehicles),
    "descriptions": _descriptions,
    "trips": _trips,
    "predictions": _predictions,
    "latest": _latest,
    "daily": _daily,
    "states": _states,
    "files": _plain(files),
}
