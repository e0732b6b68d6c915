"""From a file or bytes to recordings: detect the source, convert, date, tell parts apart."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from evitals.battery import Vehicle
from evitals.errors import UnreadableFile
from evitals.telemetry.digest import content_digest
from evitals.telemetry.findings import found, whole
from evitals.telemetry.formats import SNIFF_BYTES, RawTable, open_table, sniff
from evitals.telemetry.guard import to_signals
from evitals.telemetry.recording import Finding, Recording, StartOrigin
from evitals.telemetry.sources import SOURCES, Column, Detection, Facts, Source
from evitals.telemetry.stamps import parse_stamps, to_utc, zone_of

MAX_BYTES = 512 * 2**20
TIME_LIMIT_S = 1e10
PART_PAUSE_S = 1.0
"""Undated parts of one file follow one another with this pause."""
NEEDED = ("current_a", "voltage_v")

Lookup = Callable[[str], Vehicle | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file held: its recordings in file order, and which source was recognised and why."""

    recordings: list[Recording]
    detection: Detection


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the caller says about a file, for where the file is silent."""

    start: datetime | None = None
    tz: str | None = None
    vehicle: Vehicle | None = None
    lookup: Lookup | None = None

    def vehicle_of(self, vehicle_id: str | None) -> Vehicle | None:
        """The description to use for a recording whose file names ``vehicle_id`` (or nothing)."""
        if vehicle_id is None or self.lookup is None:
            return self.vehicle
        return self.lookup(vehicle_id) or self.vehicle

    def zone(self, declared: str | None, vehicle: Vehicle | None) -> str:
        """The zone of stamps that name none: option, source, vehicle, UTC."""
        return self.tz or declared or (vehicle.timezone if vehicle else "UTC")


def read(
    source: Path | bytes,
    *,
    name: str | None = None,
    as_source: str | None = None,
    start: datetime | None = None,
    tz: str | None = None,
    vehicle: Vehicle | None = None,
    lookup: Lookup | None = None,
    max_bytes: int = MAX_BYTES,
) -> Reading:
    """The recordings in a file.

    ``name`` is the file's name for messages (a path's own name by default). ``as_source`` names
    the source instead of detecting it. Event time: the file's metadata, else ``start`` (without a
    zone: local to ``tz``, else to the vehicle), else the vehicle's ``undated_start``, else
    unknown. Undated parts of one file follow one another, each 1 s after the one before.
    ``vehicle`` is used where the file names none; ``lookup`` finds a vehicle the file names.

    Raises UnreadableFile (nothing usable in it) or InputError (a wrong option or date), both
    naming field, value and remedy. Values that cannot be real become null with a Finding.
    """
    if tz is not None:
        zone_of(tz)
    path = source if isinstance(source, Path) else None
    label = name or (path.name if path else "data")
    raw = open_table(_take(source, label, max_bytes), label)
    if as_source is None:
        chosen, detection = SOURCES.detect(raw.names, raw.shape, label)
    else:
        chosen = SOURCES.get(as_source)
        _check_named(chosen, raw, label)
        detection = Detection(chosen.name, "named by the caller")
    defaults = Defaults(start, tz, vehicle, lookup)
    facts = dict(chosen.sidecar(path)) if chosen.sidecar and path else {}
    if chosen.by_file and path and label not in facts and path.name in facts:
        facts[label] = facts[path.name]
    pieces = _pieces(chosen, raw, label, defaults, facts)
    return Reading(_dated(pieces, defaults), detection)


def _take(source: Path | bytes, label: str, max_bytes: int) -> bytes:
    """The bytes, after size and first bytes were found bearable."""
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if isinstance(source, Path) and size > SNIFF_BYTES:
        with source.open("rb") as file:
            sniff(file.read(SNIFF_BYTES), label)
    if size > max_bytes:
        raise UnreadableFile(
            label,
            f"{size} bytes",
            f"is larger than the limit of {max_bytes} bytes",
            "split it, or raise EVITALS_MAX_FILE_BYTES",
            reason="too_large",
        )
    return source.read_bytes() if isinstance(source, Path) else source


def _check_named(source: Source, raw: RawTable, label: str) -> None:
    lacking = source.missing(raw.names)
    if raw.shape not in source.shapes or lacking:
        what = f"lacks {', '.join(lacking)}" if lacking else f"is {raw.shape}"
        raise UnreadableFile(
            label,
            source.name,
            f"was named as source, but the file {what}",
            "leave the source out to have it detected",
            reason="wrong_source",
        )


def _check_duplicates(raw: RawTable, used: list[str], label: str) -> None:
    counts = Counter(raw.names)
    twice = [column for column in used if counts[column] > 1]
    if twice:
        raise UnreadableFile(
            label,
            twice[0],
            f"is the name of {counts[twice[0]]} columns, and it is one that is used",
            "name each used column once",
            reason="duplicate_column",
        )


def _pieces(
    source: Source,
    raw: RawTable,
    label: str,
    defaults: Defaults,
    facts: Mapping[str, Facts],
) -> list[Recording]:
    """One recording per vehicle, battery and part, dated by the file where it says so."""
    columns = source.mapped(raw.names)
    keys = [k for k in (source.vehicle, source.battery, source.part) if k in raw.names]
    stamp = next((s for s in source.stamp if s in raw.names), None)
    texts = [*keys, *([stamp] if stamp else [])]
    _check_duplicates(raw, [*columns, *texts], label)
    table, findings = raw.load(list(columns), texts)
    if not table.height:
        raise UnreadableFile(
            label, "0 rows", "holds no samples", "send samples too", reason="header_only"
        )
    groups = table.partition_by(keys, maintain_order=True) if keys else [table]
    if len(groups) > 1:  # row numbers of the file mean nothing within a part
        findings = [replace(f, rows=(), message=f"in the file: {f.message}") for f in findings]
    file_findings = tuple(findings)
    made = []
    for group in groups:
        told = {k: _word(group[k][0]) for k in keys}
        made.append(
            _recording(source, columns, stamp, group, told, label, defaults, facts, file_findings)
        )
    return made


def _word(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _recording(
    source: Source,
    columns: dict[str, Column],
    stamp: str | None,
    group: pl.DataFrame,
    told: Mapping[str, str | None],
    label: str,
    defaults: Defaults,
    facts: Mapping[str, Facts],
    file_findings: tuple[Finding, ...],
) -> Recording:
    part = told.get(source.part or "") or ""
    fact = facts.get(label if source.by_file else part, Facts())
    said = told.get(source.vehicle or "") or fact.vehicle_id
    vehicle_id = source.vehicle_names.get(said, said) if said else None
    vehicle = defaults.vehicle_of(vehicle_id)
    zone = defaults.zone(fact.zone or source.zone, vehicle)
    table, findings = to_signals(group, columns, source.level)
    if source.derive:
        table = source.derive(table)
    table, start, more = _timed(table, group[stamp] if stamp else None, zone, label)
    if fact.start is not None:
        start = to_utc(fact.start, zone)
    if fact.ambient_degc is not None and "ambient_degc" not in table.columns:
        table = table.with_columns(ambient_degc=pl.lit(float(fact.ambient_degc)))
    findings = [*file_findings, *findings, *more]
    if fact.exclude:
        message = f"its publisher excludes this test: {fact.exclude}"
        findings.append(whole("excluded", "error", table.height, "", message, "do not use it"))
    _check_needed(table, label, part)
    return Recording(
        table=table,
        source=source.name,
        digest="",
        name=label,
        part=part,
        vehicle_id=vehicle_id or (vehicle.vehicle_id if vehicle else None),
        battery_id=told.get(source.battery or ""),
        level=source.level,
        start=start,
        start_origin="file" if start else "unknown",
        findings=tuple(findings),
    )


def _check_needed(table: pl.DataFrame, label: str, part: str) -> None:
    empty = [s for s in NEEDED if table[s].null_count() == table.height]
    if len(empty) == len(NEEDED) or not table.height:
        raise UnreadableFile(
            label,
            part or "the file",
            "holds no usable sample: no real time, current or voltage in it",
            "check units and columns",
            reason="no_samples",
        )


def _timed(
    table: pl.DataFrame, stamps: pl.Series | None, zone: str, label: str
) -> tuple[pl.DataFrame, datetime | None, list[Finding]]:
    """``time_s`` from its first sample, the start if stamps say so; rows without a time go."""
    start: datetime | None = None
    if "time_s" in table.columns:
        seconds = table["time_s"].to_numpy()
        first = int(np.argmax(np.abs(seconds) <= TIME_LIMIT_S))
        if stamps is not None and stamps[first] is not None:
            start = _first(parse_stamps(stamps[first : first + 1], zone))
    else:
        assert stamps is not None, "a source needs time_s or a stamp column"
        utc = parse_stamps(stamps, zone)
        micros = utc.dt.timestamp("us").cast(pl.Float64).to_numpy()
        start = _first(utc.drop_nulls())
        seconds = micros / 1e6
    known = np.abs(seconds) <= TIME_LIMIT_S
    findings: list[Finding] = []
    if not known.all():
        rows = np.flatnonzero(~known)
        message = f"{len(rows)} samples carry no usable time and were dropped"
        findings.append(found("no_time", "warning", rows, "time_s", message, "write their time"))
        table, seconds = table.filter(pl.Series(known)), seconds[known]
    if not len(seconds):
        raise UnreadableFile(
            label, "time_s", "has no usable value", "write seconds or dates", reason="no_samples"
        )
    time = pl.Series("time_s", seconds - seconds[0], dtype=pl.Float64)
    others = [column for column in table.iter_columns() if column.name != "time_s"]
    return pl.DataFrame([time, *others]), start, findings


def _first(stamps: pl.Series) -> datetime | None:
    value = stamps[0] if len(stamps) else None
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _dated(pieces: list[Recording], defaults: Defaults) -> list[Recording]:
    """Start times for undated recordings (one after the other), then every digest."""
    clocks: dict[str | None, datetime] = {}
    done = []
    for piece in pieces:
        start, origin = piece.start, piece.start_origin
        if start is None:
            start, origin = _assumed(piece, defaults)
            if start is not None:
                start = clocks.get(piece.vehicle_id, start)
                length = float(piece.table["time_s"].max() or 0.0)  # type: ignore[arg-type]
                clocks[piece.vehicle_id] = start + timedelta(seconds=length + PART_PAUSE_S)
        certain = start if origin in ("file", "option") else None
        digest = content_digest(piece.table, certain, piece.vehicle_id)
        done.append(piece.with_(start=start, start_origin=origin, digest=digest))
    return done


def _assumed(piece: Recording, defaults: Defaults) -> tuple[datetime | None, StartOrigin]:
    vehicle = defaults.vehicle_of(piece.vehicle_id)
    if defaults.start is not None:
        return to_utc(defaults.start, defaults.zone(None, vehicle)), "option"
    if vehicle is not None and vehicle.undated_start is not None:
        return to_utc(vehicle.undated_start, defaults.zone(None, vehicle)), "vehicle_default"
    return None, "unknown"
