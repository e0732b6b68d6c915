"""Records to bytes and back: scaled integers in as few bytes as they need.

Integers are written as base-128 varints, signed ones zigzag (both as in Protocol Buffers'
encoding). Fractions (SoH, its interval, risk, resistance growth) are in steps of 1e-4;
capacities in logarithmic steps (relative error at most 1.3e-4); power as a float32 without its
last mantissa byte (relative error at most 2**-17). ``rounded`` gives a record as it will be read
back, so that writer, readers and listeners see one value.
"""

import math
import struct
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Literal, get_args

import msgspec

from evitals.errors import InputError
from evitals.fleet.records import Kind, LatestRecord, PredictionRecord, Status

STEP = 1e-4
"""Resolution of fractions."""
KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)
_FRACTIONS = ("soh", "soh_low", "soh_high", "resistance_growth", "risk_score")
_CAPACITIES = ("capacity_bms_ah", "capacity_ocv_ah")
_OPTIONAL = (*_FRACTIONS[:3], *_CAPACITIES, "resistance_growth", "reference_sop_w", "risk_score")
_optional = attrgetter(*_OPTIONAL)
_CAPACITY_LOW_AH, _CAPACITY_HIGH_AH, _CODES = 1e-2, 1e5, 65_534
_LOG_STEP = math.log(_CAPACITY_HIGH_AH / _CAPACITY_LOW_AH) / _CODES
_ESCAPE = 65_535
_RISK_CENTRE = 4_000
_PER_S = (1, 10)


def put(out: bytearray, value: int) -> None:
    """Append a non-negative integer, seven bits a byte."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def varint(value: int) -> bytes:
    """A non-negative integer, seven bits a byte."""
    out = bytearray()
    put(out, value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Any integer as one that is not negative: small magnitudes stay small."""
    return value << 1 if value >= 0 else (-value << 1) - 1


class Cursor:
    """Reads packed values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def varint(self) -> int:
        """The next non-negative integer."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        """The next integer of either sign."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self.at += count
        return self.data[self.at - count : self.at]


def scale(name: str, value: float | None) -> int | None:
    """A fraction in steps of 1e-4. Raises InputError where it is not finite."""
    if value is None:
        return None
    return round(_finite(name, value) / STEP)


def unscale(value: int | None) -> float | None:
    """The fraction of a scaled integer."""
    return None if value is None else value / 10_000


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise InputError(name, value, "is not a finite number", "send null where it is unknown")
    return value


def _capacity(value: float) -> bytes:
    if _CAPACITY_LOW_AH <= value <= _CAPACITY_HIGH_AH:
        code = round(math.log(value / _CAPACITY_LOW_AH) / _LOG_STEP)
        return struct.pack("<H", code)
    return struct.pack("<Hd", _ESCAPE, value)


def _read_capacity(cursor: Cursor) -> float:
    code = int.from_bytes(cursor.take(2), "little")
    if code == _ESCAPE:
        return float(struct.unpack("<d", cursor.take(8))[0])
    # Seven digits: beyond them the code's step has nothing to say.
    return float(f"{_CAPACITY_LOW_AH * math.exp(code * _LOG_STEP):.7g}")


def _float24(name: str, value: float) -> bytes:
    try:
        bits = int.from_bytes(struct.pack(">f", value), "big")
    except OverflowError:
        raise InputError(name, value, "is too large", "send it in watts") from None
    bits = min(bits + 0x80, 0x7F7F_FFFF) if value >= 0 else min(bits + 0x80, 0xFF7F_FFFF)
    return (bits >> 8).to_bytes(3, "big")


def _read_float24(cursor: Cursor) -> float:
    return float(struct.unpack(">f", cursor.take(3) + b"\0")[0])


def pack_answer(record: PredictionRecord, model: int, reasons: int) -> bytes:
    """A prediction without what its trip says. ``model`` and ``reasons`` are row numbers.

    Raises InputError where a number is not finite or an evidence count is negative.
    """
    _check(record)
    out = bytearray()
    put(out, model << 2 | STATUSES.index(record.status))
    out.append(sum([1 << k for k, value in enumerate(_optional(record)) if value is not None]))
    put(out, reasons)
    # Live trips are scored soon after they happened: a difference takes fewer bytes.
    put(out, zigzag(record.scored_s - (record.event_s or 0)))
    put(out, record.evidence_count)
    _put_soh(out, record)
    if record.capacity_bms_ah is not None:
        out += _capacity(record.capacity_bms_ah)
    if record.capacity_ocv_ah is not None:
        out += _capacity(record.capacity_ocv_ah)
    if record.resistance_growth is not None:
        put(out, zigzag(round(record.resistance_growth / STEP) - 10_000))
    if record.reference_sop_w is not None:
        out += _float24("reference_sop_w", record.reference_sop_w)
    if record.risk_score is not None:
        put(out, zigzag(round(record.risk_score / STEP) - _RISK_CENTRE))
    return bytes(out)


def _check(record: PredictionRecord) -> None:
    if record.evidence_count < 0:
        raise InputError(
            "evidence_count", record.evidence_count, "is negative", "count accepted evidence"
        )
    values = _optional(record)
    # One sum tells of all: a number that is not finite makes it so too.
    if not math.isfinite(sum([value for value in values if value is not None])):
        for name, value in zip(_OPTIONAL, values, strict=True):
            if value is not None:
                _finite(name, value)


def _put_soh(out: bytearray, record: PredictionRecord) -> None:
    """SoH from 1, the interval's lower width, and by how much the upper one is wider."""
    middle, below = 10_000, 0
    if record.soh is not None:
        middle = round(record.soh / STEP)
        put(out, zigzag(middle - 10_000))
    if record.soh_low is not None:
        below = middle - round(record.soh_low / STEP)
        put(out, zigzag(below))
    if record.soh_high is not None:
        put(out, zigzag(round(record.soh_high / STEP) - middle - below))


def unpack_answer(data: bytes, event_s: int | None) -> tuple[dict[str, Any], int, int]:
    """What ``pack_answer`` packed: fields of a PredictionRecord, model and reasons."""
    cursor = Cursor(data)
    head = cursor.varint()
    present = cursor.take(1)[0]
    has = {name: bool(present >> k & 1) for k, name in enumerate(_OPTIONAL)}
    reasons = cursor.varint()
    fields: dict[str, Any] = dict.fromkeys(_OPTIONAL)
    fields["status"] = STATUSES[head & 3]
    fields["scored_s"] = cursor.signed() + (event_s or 0)
    fields["evidence_count"] = cursor.varint()
    middle = 10_000
    if has["soh"]:
        middle += cursor.signed()
        fields["soh"] = unscale(middle)
    below = cursor.signed() if has["soh_low"] else 0
    if has["soh_low"]:
        fields["soh_low"] = unscale(middle - below)
    if has["soh_high"]:
        fields["soh_high"] = unscale(middle + below + cursor.signed())
    for name in _CAPACITIES:
        if has[name]:
            fields[name] = _read_capacity(cursor)
    if has["resistance_growth"]:
        fields["resistance_growth"] = unscale(cursor.signed() + 10_000)
    if has["reference_sop_w"]:
        fields["reference_sop_w"] = _read_float24(cursor)
    if has["risk_score"]:
        fields["risk_score"] = unscale(cursor.signed() + _RISK_CENTRE)
    return fields, head >> 2, reasons


def rounded(record: PredictionRecord) -> PredictionRecord:
    """The record as it will be read back. Raises InputError as ``pack_answer`` does."""
    _check(record)
    bms, ocv, power = record.capacity_bms_ah, record.capacity_ocv_ah, record.reference_sop_w
    return msgspec.structs.replace(
        record,
        soh=_stepped(record.soh),
        soh_low=_stepped(record.soh_low),
        soh_high=_stepped(record.soh_high),
        capacity_bms_ah=None if bms is None else _read_capacity(Cursor(_capacity(bms))),
        capacity_ocv_ah=None if ocv is None else _read_capacity(Cursor(_capacity(ocv))),
        resistance_growth=_stepped(record.resistance_growth),
        reference_sop_w=None
        if power is None
        else _read_float24(Cursor(_float24("reference_sop_w", power))),
        risk_score=_stepped(record.risk_score),
    )


def _stepped(value: float | None) -> float | None:
    return None if value is None else round(value / STEP) / 10_000


class TripDetail(msgspec.Struct, frozen=True):
    """What a trip's blob holds beside its battery, event time and digest.

    ``origin`` (source and file name) and ``findings`` are row numbers of texts.
    """

    kind: Literal["drive", "charge", "rest", "test"]
    event_assumed: bool
    continues: bool
    sequence: int
    origin: int
    findings: int
    duration_s: float
    features: bytes


def pack_detail(trip: TripDetail) -> bytes:
    """A trip's blob: flags, sequence, row numbers, duration, features.

    Raises InputError where the sequence or the duration is negative or not finite.
    """
    if trip.sequence < 0:
        raise InputError("sequence", trip.sequence, "is negative", "count stretches from 0")
    if _finite("duration_s", trip.duration_s) < 0:
        raise InputError("duration_s", trip.duration_s, "is negative", "check the time stamps")
    flags = KINDS.index(trip.kind) | trip.event_assumed << 2 | trip.continues << 3
    out = bytearray()
    put(out, flags | trip.sequence << 4)
    put(out, trip.origin)
    put(out, trip.findings)
    out += _duration(trip.duration_s)
    out += trip.features
    return bytes(out)


def _duration(value: float) -> bytes:
    """Seconds or tenths where they say it exactly, else the float64: a replay must be exact."""
    for code, per_s in enumerate(_PER_S):
        count = round(value * per_s)
        if count / per_s == value and count < 1 << 40:
            return varint(count << 2 | code)
    return varint(len(_PER_S)) + struct.pack("<d", value)


def _read_duration(cursor: Cursor) -> float:
    code = cursor.varint()
    if code == len(_PER_S):
        return float(struct.unpack("<d", cursor.take(8))[0])
    return (code >> 2) / _PER_S[code & 3]


def unpack_detail(data: bytes) -> TripDetail:
    """What ``pack_detail`` packed."""
    cursor = Cursor(data)
    first = cursor.varint()
    return TripDetail(
        kind=KINDS[first & 3],
        event_assumed=bool(first & 4),
        continues=bool(first & 8),
        sequence=first >> 4,
        origin=cursor.varint(),
        findings=cursor.varint(),
        duration_s=_read_duration(cursor),
        features=data[cursor.at :],
    )


def pack_members(numbers: Iterable[int]) -> bytes:
    """Row numbers one after the other: more are appended without reading the first ones."""
    return b"".join(map(varint, numbers))


def unpack_members(data: bytes) -> list[int]:
    """What ``pack_members`` packed."""
    cursor, found = Cursor(data), []
    while cursor.at < len(data):
        found.append(cursor.varint())
    return found


def digest_bytes(field: str, digest: str) -> bytes:
    """A hex digest as raw bytes. Raises InputError where it is not hex."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) < 8 or raw.hex() != digest:
        raise InputError(
            field, digest, "is not a lower-case hex digest", "send at least 16 hex digits"
        )
    return raw


_latest_decoder = msgspec.msgpack.Decoder(LatestRecord)


def pack_latest(record: LatestRecord) -> bytes:
    """A newest answer as MessagePack: one row a vehicle, so plain rather than small."""
    return msgspec.msgpack.encode(record)


def unpack_latest(data: bytes) -> LatestRecord:
    """What ``pack_latest`` packed."""
    return _latest_decoder.decode(data)
